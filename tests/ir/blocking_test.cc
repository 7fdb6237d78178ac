#include "ir/blocking.h"

#include <gtest/gtest.h>

#include <random>

namespace gradus::ir {
namespace {

constexpr Isa kIsas[] = {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512};

Target TargetOf(Isa isa) {
  Target target;
  target.isa = isa;
  return target;
}

TEST(Blocking, ScratchStaysBelowItsBoundAndAccumulatorsInRegisters) {
  std::mt19937 random(3);
  for (int turn = 0; turn < 5000; ++turn) {
    const Target target = TargetOf(kIsas[turn % 3]);
    ContractionShape shape;
    shape.type = random() % 2 != 0 ? DType::kF32 : DType::kF64;
    shape.rows = 1 + random() % 3000;
    shape.columns = 1 + random() % (random() % 2 != 0 ? 40 : 3000);
    shape.contracted = 1 + random() % 3000;
    shape.contracted_turns = random() % 3 != 0 ? 1 : 1 + random() % 40;
    shape.slices = random() % 3 != 0 ? 1 : 1 + random() % 16;
    shape.right = random() % 2 != 0 ? RightOperand::kRows : RightOperand::kStrided;
    shape.right_row_bytes = shape.columns * ByteWidth(shape.type);
    shape.direct = random() % 2 != 0;
    const Blocking blocking = ChooseBlocking(shape, target);
    EXPECT_LE(blocking.scratch_bytes(),
              ContractionScratchBound(shape.type, std::max(shape.rows, shape.columns),
                                      shape.contracted * shape.contracted_turns, shape.slices, target))
        << shape.rows << "x" << shape.contracted << "x" << shape.columns;
    EXPECT_LE(blocking.vectors, WidestPanelVectors(target));
    EXPECT_LE(blocking.tile_rows * blocking.vectors + blocking.vectors + 1, target.vector_registers());
    EXPECT_GE(blocking.tile_rows, 1);
    EXPECT_LE(blocking.tile_rows, shape.rows);
    EXPECT_LE(blocking.block_k, shape.contracted);
  }
}

TEST(Blocking, TheRightOperandIsPackedWhereItsLayoutAsksForIt) {
  const Target target = TargetOf(Isa::kAvx512);
  ContractionShape shape;
  shape.rows = 64;
  shape.columns = 64;
  shape.contracted = 64;
  shape.right_row_bytes = 256;
  EXPECT_FALSE(ChooseBlocking(shape, target).pack) << "small and adjacent";
  shape.right = RightOperand::kStrided;
  EXPECT_TRUE(ChooseBlocking(shape, target).pack) << "transposed";
  shape.right = RightOperand::kRows;
  shape.columns = 1024;
  shape.right_row_bytes = 4096;
  EXPECT_TRUE(ChooseBlocking(shape, target).pack) << "rows a page apart";
  shape.right = RightOperand::kPacked;
  shape.panel_columns = PackedPanelColumns(DType::kF32, shape.columns, target);
  EXPECT_EQ(shape.panel_columns, 64);
  EXPECT_FALSE(ChooseBlocking(shape, target).pack) << "packed already";
}

TEST(Blocking, SmallWorkRunsOnOneThreadAndInPlace) {
  const Target target = TargetOf(Isa::kAvx512);
  ContractionShape shape;
  shape.rows = 8;
  shape.columns = 8;
  shape.contracted = 16;
  EXPECT_TRUE(ChooseBlocking(shape, target).one_thread);
  EXPECT_TRUE(ChooseBlocking(shape, target).inlined);
  shape.rows = shape.columns = 128;
  EXPECT_FALSE(ChooseBlocking(shape, target).one_thread);
  EXPECT_FALSE(ChooseBlocking(shape, target).inlined);
  EXPECT_FALSE(RunsOnOneThread(Size::TooLarge()));
}

}  // namespace
}  // namespace gradus::ir
