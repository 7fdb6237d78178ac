#include "ir/printer.h"

#include <gtest/gtest.h>

#include "ir/builder.h"
#include "ir/contraction.h"
#include "ir/verifier.h"

namespace gradus::ir {
namespace {

TEST(PrinterTest, NestsUnnamedValuesAndTakesTypesOfLiteralsFromTheirContext) {
  Graph g;
  g.name = "g";
  Builder b(g);
  Value* x = b.Declare(Op::kInput, "x", {DType::kF32, {8, 4}});
  Value* w = b.Declare(Op::kParam, "w", {DType::kF32, {4, 3}}, "he_normal");
  b.SetNote({.line = 3, .column = 7});
  b.SetSection("forward");
  Value* a = b.Emit(Op::kDot, {x, w}, {MatmulSpec(2, 2, false, false)});
  Value* h = b.Emit(Op::kMaximum, {a, b.Scalar(DType::kF32, 0)});
  h->name = "h";
  Value* s = b.Emit(Op::kReduceSum, {h}, {Ints{0, 1}});
  Value* t = b.Emit(Op::kMul, {b.Emit(Op::kSub, {b.Scalar(DType::kF32, 1), s}), b.Emit(Op::kNeg, {s})});
  b.Next(w, b.Emit(Op::kMul, {w, b.Emit(Op::kReshape, {t}, {Ints{1, 1}})}));
  g.outputs.push_back({"loss", t});
  NameUnnamed(g);
  ASSERT_TRUE(Verify(g).ok()) << Verify(g);
  EXPECT_EQ(Print(g), R"(graph g numerics 1 {
  input x : f32[8,4]
  param w : f32[4,3] = he_normal
section forward
  h      : f32[8,3] = maximum(x @ w, 0)  | 3:7
  loss'2 : f32 = sum(h, axis=[0, 1])     | 3:7
  loss   : f32 = (1 - loss'2) * -loss'2  | 3:7
  next w = w * loss[none, none]          | 3:7
  output loss
}
)");
}

}  // namespace
}  // namespace gradus::ir
