#include "ir/index_bounds.h"

#include <gtest/gtest.h>

#include "ir/builder.h"

namespace gradus::ir {
namespace {

TEST(IndexBoundsTest, TheTightestUseOfAnInputAsIndexBoundsIt) {
  Graph g;
  Builder b(g);
  Value* table = b.Declare(Op::kParam, "table", {DType::kF32, {65, 4}}, "zeros");
  Value* y = b.Declare(Op::kInput, "y", {DType::kI32, {8}});
  Value* z = b.Declare(Op::kInput, "z", {DType::kI32, {8}});
  b.Emit(Op::kGather, {table, b.Emit(Op::kReshape, {y}, {Ints{2, 4}})}, {int64_t{0}, int64_t{0}})->name = "rows";
  b.SetNote({.line = 7, .column = 3});
  Value* hot = b.Emit(Op::kOneHot, {y}, {int64_t{10}, DType::kF32});
  b.Emit(Op::kExp, {hot})->name = "hot";
  // A computed index is the step's own to check.
  b.Emit(Op::kOneHot, {b.Emit(Op::kAdd, {z, b.ScalarInt(DType::kI32, 1)})}, {int64_t{3}, DType::kF32})->name = "other";
  NameUnnamed(g);
  const std::vector<IndexBound> bounds = InputIndexBounds(g);
  ASSERT_EQ(bounds.size(), 1u);
  EXPECT_EQ(bounds[0].input, "y");
  EXPECT_EQ(bounds[0].limit, 10);
  EXPECT_EQ(bounds[0].use, "hot");
  EXPECT_EQ(bounds[0].note.line, 7);
}

}  // namespace
}  // namespace gradus::ir
