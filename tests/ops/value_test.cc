// The value column of ops.def through the interpreter: closed-form points, special points, and f32 against f64.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "ir/convert.h"
#include "tests/apply.h"

namespace gradus::ir {
namespace {

using testing_support::Apply;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Point {
  Op op;
  std::vector<double> operands;
  double result;  // exact in f32 and f64
};

// Results that follow from the definition of the operation alone.
const std::vector<Point> kPoints = {
    {Op::kNeg, {3}, -3},
    {Op::kAbs, {-2.5}, 2.5},
    {Op::kSign, {-7}, -1},
    {Op::kSign, {0}, 0},
    {Op::kSign, {kNan}, kNan},
    {Op::kFloor, {-1.5}, -2},
    {Op::kCeil, {-1.5}, -1},
    {Op::kRound, {2.5}, 2},
    {Op::kRound, {3.5}, 4},
    {Op::kSqrt, {9}, 3},
    {Op::kSqrt, {-1}, kNan},
    {Op::kRsqrt, {4}, 0.5},
    {Op::kReciprocal, {-4}, -0.25},
    {Op::kReciprocal, {0}, kInfinity},
    {Op::kRsqrt, {0}, kInfinity},
    {Op::kExp, {0}, 1},
    {Op::kExp, {-kInfinity}, 0},
    {Op::kLog, {1}, 0},
    {Op::kLog, {0}, -kInfinity},
    {Op::kLog, {-1}, kNan},
    {Op::kSin, {0}, 0},
    {Op::kCos, {0}, 1},
    {Op::kTanh, {0}, 0},
    {Op::kTanh, {40}, 1},
    {Op::kSigmoid, {0}, 0.5},
    {Op::kSigmoid, {100}, 1},
    {Op::kErf, {0}, 0},
    {Op::kErf, {-8}, -1},
    {Op::kAdd, {1.5, 2}, 3.5},
    {Op::kSub, {1.5, 2}, -0.5},
    {Op::kMul, {1.5, -2}, -3},
    {Op::kDiv, {1, -4}, -0.25},
    {Op::kDiv, {1, 0}, kInfinity},
    {Op::kFloorDiv, {7, -2}, -4},
    {Op::kFloorDiv, {-7.5, 2}, -4},
    {Op::kMod, {7, -2}, -1},
    {Op::kMod, {-7.5, 2}, 0.5},
    {Op::kPow, {2, 10}, 1024},
    {Op::kPow, {4, -0.5}, 0.5},
    {Op::kPow, {-2, 3}, -8},
    {Op::kPow, {-2, 0.5}, kNan},
    {Op::kPow, {0, 0}, 1},
    {Op::kMinimum, {2, -3}, -3},
    {Op::kMinimum, {kNan, 1}, kNan},
    {Op::kMinimum, {1, kNan}, kNan},
    {Op::kMaximum, {2, -3}, 2},
    {Op::kMaximum, {kNan, 1}, kNan},
    {Op::kMaximum, {1, kNan}, kNan},
    {Op::kFma, {2, 3, 4}, 10},
    {Op::kEqual, {kNan, kNan}, 0},
    {Op::kNotEqual, {kNan, kNan}, 1},
    {Op::kLess, {1, 2}, 1},
    {Op::kLessEqual, {2, 2}, 1},
    {Op::kLessEqual, {2, kNan}, 0},
    {Op::kGreater, {1, 2}, 0},
    {Op::kGreaterEqual, {kNan, 2}, 0},
    {Op::kIsNan, {kNan}, 1},
    {Op::kIsNan, {kInfinity}, 0},
};

double Number(const Tensor& tensor, int64_t i = 0) {
  return Dispatch(tensor.type().element,
                  [&](auto element) { return static_cast<double>(tensor.data<decltype(element)>()[i]); });
}

template <typename T>
double Evaluate(Op op, const std::vector<double>& operands) {
  std::vector<Tensor> tensors;
  for (const double x : operands) tensors.push_back(Tensor::Scalar<T>(ConvertElement<T>(x)));
  const auto y = Apply(op, tensors);
  CHECK(y.ok()) << y.status();
  return Number(*y);
}

bool Same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

TEST(ValueTest, ClosedFormPointsAreExact) {
  for (const Point& point : kPoints) {
    const absl::string_view name = Info(point.op).mnemonic;
    EXPECT_PRED2(Same, Evaluate<float>(point.op, point.operands), point.result) << name << " " << point.operands[0];
    EXPECT_PRED2(Same, Evaluate<double>(point.op, point.operands), point.result) << name << " " << point.operands[0];
  }
}

TEST(ValueTest, EveryRowOfTheTableOnFloatsHasAClosedFormPoint) {
  for (const OpInfo& info : AllOps()) {
    if (info.family > OpFamily::kPredicate) continue;
    bool found = false;
    for (const Point& point : kPoints) found = found || point.op == info.op;
    EXPECT_TRUE(found) << info.mnemonic << " has none in kPoints";
  }
}

TEST(ValueTest, IntegersWrapAndDivisionIsTotal) {
  const double min = std::numeric_limits<int32_t>::min(), max = std::numeric_limits<int32_t>::max();
  EXPECT_EQ(Evaluate<int32_t>(Op::kAdd, {max, 1}), min);
  EXPECT_EQ(Evaluate<int32_t>(Op::kNeg, {min}), min);
  EXPECT_EQ(Evaluate<int32_t>(Op::kAbs, {min}), min);
  EXPECT_EQ(Evaluate<int32_t>(Op::kMul, {65536, 65536}), 0);
  EXPECT_EQ(Evaluate<int32_t>(Op::kFloorDiv, {min, -1}), min);
  EXPECT_EQ(Evaluate<int32_t>(Op::kFloorDiv, {5, 0}), 0);
  EXPECT_EQ(Evaluate<int32_t>(Op::kMod, {5, 0}), 0);
  EXPECT_EQ(Evaluate<int32_t>(Op::kMod, {-5, 3}), 1);
  EXPECT_EQ(Evaluate<uint8_t>(Op::kSub, {3, 5}), 254);
  EXPECT_EQ(Evaluate<uint8_t>(Op::kMaximum, {200, 100}), 200);
  EXPECT_EQ(Evaluate<uint8_t>(Op::kNeg, {1}), 255);
  EXPECT_EQ(Evaluate<int64_t>(Op::kSign, {-9}), -1);
}

TEST(ValueTest, LogicAndSelectionFollowTheirTruthTables) {
  const bool values[] = {false, false, true, true}, other[] = {false, true, false, true};
  const Tensor a = Tensor::Of<bool>({4}, values), b = Tensor::Of<bool>({4}, other);
  const auto both = Apply(Op::kAnd, {a, b}), either = Apply(Op::kOr, {a, b}), no = Apply(Op::kNot, {a});
  const auto same = Apply(Op::kEqual, {a, b});
  const float ones[] = {1, 2, 3, 4};
  const auto chosen = Apply(Op::kSelect, {a, Tensor::Of<float>({4}, ones), Tensor::Scalar<float>(9)});
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(Number(*both, i), values[i] && other[i]);
    EXPECT_EQ(Number(*either, i), values[i] || other[i]);
    EXPECT_EQ(Number(*no, i), !values[i]);
    EXPECT_EQ(Number(*same, i), values[i] == other[i]);
    EXPECT_EQ(Number(*chosen, i), values[i] ? ones[i] : 9);
  }
}

// The f64 row, rounded, is an independent instantiation: f32 must agree to the bounds of ir/math.h. The flush of exp
// below the normal range and the range of sin and cos are the documented differences.
TEST(ValueTest, F32AgreesWithF64OnSpecialPoints) {
  const std::vector<float> specials = {0.0f,
                                       -0.0f,
                                       1.0f,
                                       -1.0f,
                                       0.5f,
                                       -0.5f,
                                       2.0f,
                                       -2.0f,
                                       3.7f,
                                       -3.7f,
                                       1e-40f,
                                       -1e-40f,
                                       1e-20f,
                                       1e10f,
                                       -1e10f,
                                       8388609.0f,
                                       88.0f,
                                       -87.0f,
                                       3.4e38f,
                                       -3.4e38f,
                                       1e-45f,
                                       1.1755e-38f,
                                       100000.0f,
                                       -0.1f,
                                       static_cast<float>(kInfinity),
                                       static_cast<float>(-kInfinity),
                                       static_cast<float>(kNan)};
  for (const OpInfo& info : AllOps()) {
    if (info.family > OpFamily::kPredicate) continue;
    std::vector<std::vector<float>> points;
    for (const float a : specials) {
      if (info.arity == 1) points.push_back({a});
      for (const float b : specials) {
        if (info.arity == 2) points.push_back({a, b});
        if (info.arity == 3) points.push_back({a, b, 1.5f});
      }
    }
    std::vector<Tensor> narrow, wide;
    for (int i = 0; i < info.arity; ++i) {
      std::vector<float> column;
      for (const auto& point : points) column.push_back(point[i]);
      const std::vector<double> widened(column.begin(), column.end());
      const int64_t count = static_cast<int64_t>(points.size());
      narrow.push_back(Tensor::Of<float>({count}, absl::MakeConstSpan(column)));
      wide.push_back(Tensor::Of<double>({count}, absl::MakeConstSpan(widened)));
    }
    const auto y32 = Apply(info.op, narrow), y64 = Apply(info.op, wide);
    ASSERT_TRUE(y32.ok() && y64.ok());
    for (size_t i = 0; i < points.size(); ++i) {
      const bool phase = info.op == Op::kSin || info.op == Op::kCos;
      if (phase && std::fabs(points[i][0]) > 0x1p18f) continue;
      // The remainder is exact in each width for as large a quotient as that width allows.
      if (info.op == Op::kMod && std::fabs(static_cast<double>(points[i][0]) / points[i][1]) > 0x1p40) continue;
      const float a = static_cast<float>(Number(*y32, i)), b = static_cast<float>(Number(*y64, i));
      if (Same(a, b)) continue;
      const float tolerance = std::max(std::numeric_limits<float>::min(), 4e-7f * std::fabs(b));
      EXPECT_NEAR(a, b, tolerance) << info.mnemonic << " " << points[i][0] << ", " << points[i].back();
    }
  }
}

}  // namespace
}  // namespace gradus::ir
