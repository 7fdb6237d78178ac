#include "ir/cost.h"

#include "gtest/gtest.h"

namespace gradus::ir {
namespace {

TEST(CostTest, AFormulaIsCountedStepByStep) {
  EXPECT_EQ(Steps(Op::kAdd), 1);
  EXPECT_EQ(Steps(Op::kFma), 1);
  EXPECT_EQ(Steps(Op::kDiv), kDivisionSteps);
  EXPECT_EQ(Steps(Op::kRsqrt), 2 * kDivisionSteps);
  EXPECT_EQ(Steps(Op::kMaximum), 5);  // b > a, NaN or not of b, either, selected
}

TEST(CostTest, WhatHasADivisionOrAPolynomialIsDear) {
  for (const Op op : {Op::kDiv, Op::kMod, Op::kFloorDiv, Op::kSqrt, Op::kRsqrt, Op::kReciprocal, Op::kExp, Op::kLog,
                      Op::kSin, Op::kCos, Op::kTanh, Op::kSigmoid, Op::kErf, Op::kPow}) {
    EXPECT_TRUE(IsDear(op)) << Info(op).mnemonic;
  }
  for (const Op op : {Op::kAdd, Op::kSub, Op::kMul, Op::kNeg, Op::kAbs, Op::kSign, Op::kFloor, Op::kMaximum,
                      Op::kMinimum, Op::kFma, Op::kSelect, Op::kConvert, Op::kLess, Op::kIsNan, Op::kNot}) {
    EXPECT_FALSE(IsDear(op)) << Info(op).mnemonic;
  }
}

}  // namespace
}  // namespace gradus::ir
