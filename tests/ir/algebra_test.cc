#include "ir/algebra.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <type_traits>

#include "ir/scalar.h"

namespace gradus::ir {
namespace {

using F32 = F<Scalar<float>>;
using I32 = I<Scalar<int32_t>>;
using U8 = I<Scalar<uint8_t>>;

TEST(AlgebraTest, ALiteralIsRoundedOnceToTheElementType) {
  const F32 x = F32::Of(0.7f);
  EXPECT_EQ((0.1 * x).raw, 0.1f * 0.7f);
  EXPECT_EQ((1 - x * x).raw, 1.0f - 0.7f * 0.7f);
}

TEST(AlgebraTest, IntegersWrapAndDivideTotally) {
  const int32_t min = std::numeric_limits<int32_t>::min();
  EXPECT_EQ((I32(min) - I32(1)).raw, std::numeric_limits<int32_t>::max());
  EXPECT_EQ(FloorDiv(I32(min), I32(-1)).raw, min);
  EXPECT_EQ(Mod(I32(min), I32(-1)).raw, 0);
  EXPECT_EQ(FloorDiv(I32(7), I32(0)).raw, 0);
  EXPECT_EQ(Mod(I32(7), I32(0)).raw, 0);
  EXPECT_EQ((U8(200) * U8(200)).raw, static_cast<uint8_t>(40000));
  EXPECT_EQ(FloorDiv(U8(255), U8(2)).raw, 127);
  EXPECT_TRUE((U8(200) > U8(100)).raw);
}

TEST(AlgebraTest, FloorDivisionFollowsTheSignOfTheDivisor) {
  for (const int a : {-7, -6, -1, 0, 1, 6, 7}) {
    for (const int b : {-3, -2, 2, 3}) {
      const int floored = static_cast<int>(std::floor(static_cast<double>(a) / b));
      EXPECT_EQ(FloorDiv(I32(a), I32(b)).raw, floored) << a << " " << b;
      EXPECT_EQ(Mod(I32(a), I32(b)).raw, a - floored * b) << a << " " << b;
      EXPECT_EQ(FloorDiv(F32(a), F32(b)).raw, floored) << a << " " << b;
      EXPECT_EQ(Mod(F32(a), F32(b)).raw, a - floored * b) << a << " " << b;
    }
  }
}

TEST(AlgebraTest, FloatRemainderIsExactWhereTheQuotientRounds) {
  const float a = 1e9f, b = 0.3f;
  float expected = std::fmod(a, b);
  EXPECT_EQ(Mod(F32::Of(a), F32::Of(b)).raw, expected);
  EXPECT_EQ(Mod(F32::Of(-a), F32::Of(b)).raw, b - expected);
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Mod(F32(-5), F32::Of(infinity)).raw, infinity);
  EXPECT_EQ(FloorDiv(F32(-5), F32::Of(infinity)).raw, -1);
  EXPECT_TRUE(std::isnan(Mod(F32(5), F32(0)).raw));
  EXPECT_EQ(FloorDiv(F32(5), F32(0)).raw, infinity);
}

TEST(AlgebraTest, NotANumberPassesMaximumAndATieKeepsTheFirst) {
  const F32 nan = F32::Of(std::nanf(""));
  EXPECT_TRUE(IsNan(Maximum(nan, F32(0))).raw);
  EXPECT_TRUE(IsNan(Maximum(F32(0), nan)).raw);
  EXPECT_TRUE(std::signbit(Maximum(F32(-0.0), F32(0)).raw));
  EXPECT_FALSE(std::signbit(Minimum(F32(0), F32(-0.0)).raw));
  EXPECT_EQ(Sign(F32(-3)).raw, -1);
}

TEST(AlgebraTest, RoundingGoesToEven) {
  EXPECT_EQ(RoundEven(F32(2.5)).raw, 2);
  EXPECT_EQ(RoundEven(F32(-3.5)).raw, -4);
}

}  // namespace
}  // namespace gradus::ir
