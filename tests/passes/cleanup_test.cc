#include <gtest/gtest.h>

#include "ir/builder.h"
#include "ir/printer.h"
#include "passes/cse.h"
#include "passes/dce.h"
#include "passes/run.h"
#include "passes/simplify.h"
#include "tests/matchers.h"

namespace gradus::passes {
namespace {

using ir::Builder;
using ir::DType;
using ir::Graph;
using ir::Op;
using ir::Value;
using testing_support::FailsWith;
using testing_support::IsOk;

RunOptions Checked() {
  RunOptions options;
  options.check_changed = true;
  return options;
}

// The statements of the printed graph after these passes, without declarations.
std::string After(absl::Span<const Pass> passes, Graph& g) {
  const auto reports = RunPasses(passes, g, Checked());
  EXPECT_THAT(reports, IsOk());
  const std::string text = ir::Print(g);
  return text.substr(text.find("  input x : f32[8]\n") + 19);
}

TEST(CleanupTest, EqualStatementsBecomeOneAndTheLaterNameIsAnAlias) {
  Graph g;
  g.name = "g";
  Builder b(g);
  Value* x = b.Declare(Op::kInput, "x", {DType::kF32, {8}});
  Value* a = b.Emit(Op::kMul, {x, b.Scalar(DType::kF32, 3)});
  Value* c = b.Emit(Op::kMul, {b.Scalar(DType::kF32, 3), x});
  a->name = "a";
  c->name = "c";
  Value* y = b.Emit(Op::kExp, {a});
  Value* z = b.Emit(Op::kSin, {c});
  y->name = "y";
  z->name = "z";
  g.outputs = {{"y", y}, {"z", z}};
  EXPECT_EQ(After({{{"cse", EliminateCommonSubexpressions}}}, g),
            R"(  a : f32[8] = x * 3  | alias c
  y : f32[8] = exp(a)
  z : f32[8] = sin(a)
  output y, z
}
)");
}

TEST(CleanupTest, WhatNoOutputAndNoNextReadsGoes) {
  Graph g;
  g.name = "g";
  Builder b(g);
  Value* x = b.Declare(Op::kInput, "x", {DType::kF32, {8}});
  b.Emit(Op::kExp, {b.Emit(Op::kSin, {x})})->name = "unused";
  Value* y = b.Emit(Op::kExp, {x});
  y->name = "y";
  g.outputs = {{"y", y}};
  EXPECT_EQ(After({{{"dce", EliminateDeadCode}}}, g), "  y : f32[8] = exp(x)\n  output y\n}\n");
}

TEST(SimplifyTest, IdentitiesGoAndNamesStay) {
  Graph g;
  g.name = "g";
  Builder b(g);
  Value* x = b.Declare(Op::kInput, "x", {DType::kF32, {8}});
  const auto number = [&](double n) { return b.Scalar(DType::kF32, n); };
  Value* h = b.Emit(Op::kAdd, {b.Emit(Op::kMul, {b.Emit(Op::kExp, {x}), number(1)}), number(0)});
  h->name = "h";
  Value* e = b.Emit(Op::kPow, {h, number(2)});
  e->name = "e";
  Value* d = b.Emit(Op::kMul, {number(0.5), b.Emit(Op::kMul, {number(2), h})});
  d->name = "d";
  Value* f = b.Emit(Op::kMul, {d, b.Emit(Op::kBroadcast, {b.Emit(Op::kDiv, {number(1), number(3)})}, {ir::Ints{8}})});
  f->name = "f";
  g.outputs = {{"e", e}, {"f", f}};
  EXPECT_EQ(After({{{"simplify", Simplify}, {"dce", EliminateDeadCode}}}, g),
            R"(  h : f32[8] = exp(x)  | alias d
  e : f32[8] = h * h
  f : f32[8] = h * 0.33333334
  output e, f
}
)");
}

TEST(RunTest, APassThatSaysItChangedNothingButDidIsFound) {
  Graph g;
  g.name = "g";
  Builder b(g);
  Value* x = b.Declare(Op::kInput, "x", {DType::kF32, {8}});
  b.Emit(Op::kExp, {x})->name = "unused";
  const Pass passes[] = {{"liar", [](ir::Graph& graph) -> absl::StatusOr<bool> {
                            (void)EliminateDeadCode(graph);
                            return false;
                          }}};
  EXPECT_THAT(RunPasses(passes, g, Checked()),
              FailsWith("said that it did not change the graph, but its text differs"));
}

}  // namespace
}  // namespace gradus::passes
