#include <gtest/gtest.h>

#include "ir/builder.h"
#include "ir/printer.h"
#include "ir/verifier.h"

namespace gradus::ir {
namespace {

TEST(NamesTest, SharedAndForeignValuesAreNamedAfterTheirOriginAndTheRestNests) {
  Graph g;
  g.name = "g";
  Builder b(g);
  Value* x = b.Declare(Op::kInput, "x", {DType::kF32, {4}});
  b.SetNote({.of = "h", .line = 2, .column = 5});
  Value* shared = b.Emit(Op::kExp, {x});
  Value* other = b.Emit(Op::kTanh, {shared});
  b.SetNote({.line = 3, .column = 1});
  Value* y = b.Emit(Op::kMul, {shared, b.Emit(Op::kAdd, {other, b.Scalar(DType::kF32, 1)})});
  g.outputs.push_back({"y", y});
  EXPECT_TRUE(NameUnnamed(g));
  EXPECT_TRUE(Verify(g).ok()) << Verify(g);
  EXPECT_FALSE(NameUnnamed(g));
  EXPECT_EQ(Print(g), R"(graph g numerics 1 {
  input x : f32[4]
  d.h   : f32[4] = exp(x)             | of h 2:5
  d.h'2 : f32[4] = tanh(d.h)          | of h 2:5
  y     : f32[4] = d.h * (d.h'2 + 1)  | 3:1
  output y
}
)");
}

TEST(NamesTest, AScalarLiteralIsNeverShared) {
  Graph g;
  g.name = "g";
  Builder b(g);
  Value* x = b.Declare(Op::kInput, "x", {DType::kF64, {}});
  Value* two = b.Scalar(DType::kF64, 2);
  Value* y = b.Emit(Op::kAdd, {b.Emit(Op::kMul, {x, two}), two});
  g.outputs.push_back({"y", y});
  NameUnnamed(g);
  EXPECT_TRUE(Verify(g).ok()) << Verify(g);
  EXPECT_EQ(Print(g), "graph g numerics 1 {\n  input x : f64\n  y : f64 = x * 2 + 2\n  output y\n}\n");
}

TEST(NamesTest, TheVerifierFindsAValueUsedBeforeItIsDefined) {
  Graph g;
  g.name = "g";
  Builder b(g);
  Value* x = b.Declare(Op::kInput, "x", {DType::kF32, {4}});
  Value* a = b.Emit(Op::kExp, {x});
  a->name = "a";
  Value* c = b.Emit(Op::kTanh, {a});
  c->name = "c";
  g.outputs.push_back({"c", c});
  ASSERT_TRUE(Verify(g).ok());
  std::swap(g.body.statements[1], g.body.statements[2]);
  EXPECT_EQ(Verify(g).message(), "the graph is malformed at c: operand 0 is used before it is defined");
  std::swap(g.body.statements[1], g.body.statements[2]);
  a->type.element = DType::kF64;
  EXPECT_EQ(Verify(g).message(), "the graph is malformed at a: is typed f64[4] but computes f32[4]");
}

}  // namespace
}  // namespace gradus::ir
