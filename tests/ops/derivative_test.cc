// The derivative columns of ops.def, each against dual numbers (whose derivatives are written independently) and
// against central differences, with a random incoming gradient.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <type_traits>

#include "ir/convert.h"
#include "ir/dual.h"
#include "ir/op.h"

namespace gradus::ir {
namespace {

using enum TypeSet;
using enum Domain;

struct None {};
constexpr None kNone;
struct Never {};
constexpr Never kNever;

using Real = F<Scalar<double>>;
using DualReal = F<Scalar<Dual<double>>>;

struct Row {
  const char* name;
  int arity;
  Domain domain;
  // The value, and the derivative by operand `which` where the incoming gradient is g.
  double (*value)(const double* x);
  double (*derivative)(const double* x, double g, int which);
  // The same by a dual number seeded in operand `which`.
  double (*dual)(const double* x, int which);
};

template <typename T>
double Plain(T derivative) {
  if constexpr (std::is_same_v<T, None>) {
    return 0;
  } else {
    return derivative.raw;
  }
}

DualReal Seeded(double x, bool seeded) { return DualReal::Of(Dual<double>(x, seeded ? 1 : 0)); }

const Row kRows[] = {
#define UNARY(name, mnemonic, types, value, dx, singular, domain, ...)                  \
  {mnemonic,                                                                            \
   1,                                                                                   \
   domain,                                                                              \
   [](const double* p) {                                                                \
     const Real x = Real::Of(p[0]);                                                     \
     return (value).raw;                                                                \
   },                                                                                   \
   [](const double* p, [[maybe_unused]] double incoming, int) {                         \
     [[maybe_unused]] const Real x = Real::Of(p[0]), y = value, g = Real::Of(incoming); \
     return Plain(dx);                                                                  \
   },                                                                                   \
   [](const double* p, int) {                                                           \
     const DualReal x = Seeded(p[0], true);                                             \
     return (value).raw.derivative;                                                     \
   }},
#define BINARY(name, mnemonic, infix, types, value, da, db, singular, domain, ...)                          \
  {mnemonic,                                                                                                \
   2,                                                                                                       \
   domain,                                                                                                  \
   [](const double* p) {                                                                                    \
     const Real a = Real::Of(p[0]), b = Real::Of(p[1]);                                                     \
     return (value).raw;                                                                                    \
   },                                                                                                       \
   [](const double* p, [[maybe_unused]] double incoming, int which) {                                       \
     [[maybe_unused]] const Real a = Real::Of(p[0]), b = Real::Of(p[1]), y = value, g = Real::Of(incoming); \
     return which == 0 ? Plain(da) : Plain(db);                                                             \
   },                                                                                                       \
   [](const double* p, int which) {                                                                         \
     const DualReal a = Seeded(p[0], which == 0), b = Seeded(p[1], which == 1);                             \
     return (value).raw.derivative;                                                                         \
   }},
#define TERNARY(name, mnemonic, types, value, da, db, dc, domain, ...)                                        \
  {mnemonic,                                                                                                  \
   3,                                                                                                         \
   domain,                                                                                                    \
   [](const double* p) {                                                                                      \
     const Real a = Real::Of(p[0]), b = Real::Of(p[1]), c = Real::Of(p[2]);                                   \
     return (value).raw;                                                                                      \
   },                                                                                                         \
   [](const double* p, double incoming, int which) {                                                          \
     [[maybe_unused]] const Real a = Real::Of(p[0]), b = Real::Of(p[1]), c = Real::Of(p[2]), y = value,       \
                                 g = Real::Of(incoming);                                                      \
     return which == 0 ? Plain(da) : which == 1 ? Plain(db) : Plain(dc);                                      \
   },                                                                                                         \
   [](const double* p, int which) {                                                                           \
     const DualReal a = Seeded(p[0], which == 0), b = Seeded(p[1], which == 1), c = Seeded(p[2], which == 2); \
     return (value).raw.derivative;                                                                           \
   }},
#include "ir/ops.def"
};

// A point inside the domain of a row, at a distance from its kinks that differences do not reach across.
void Sample(Domain domain, std::mt19937_64& random, double* x) {
  std::uniform_real_distribution<double> wide(-4, 4);
  const auto far_from_integer = [](double v) { return std::fabs(v - std::round(v)) > 1e-2; };
  while (true) {
    for (int i = 0; i < 3; ++i) x[i] = wide(random);
    switch (domain) {
      case kAny:
        return;
      case kNonZero:
        if (std::fabs(x[0]) > 1e-2) return;
        break;
      case kNonInteger:
        if (far_from_integer(x[0])) return;
        break;
      case kNonHalf:
        if (far_from_integer(x[0] + 0.5)) return;
        break;
      case kPositive:
      case kPositiveA:
        if (x[0] > 0.05) return;
        break;
      case kNonZeroB:
        if (std::fabs(x[1]) > 0.2) return;
        break;
      case kNonIntegerRatio:
        if (std::fabs(x[1]) > 0.5 && std::fabs(x[0] / x[1] - std::round(x[0] / x[1])) > 0.1) return;
        break;
      case kDistinct:
        if (std::fabs(x[0] - x[1]) > 1e-2) return;
        break;
    }
  }
}

TEST(DerivativeTest, ColumnsAgreeWithDualNumbersTo1e12) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  for (const Row& row : kRows) {
    for (int trial = 0; trial < 2000; ++trial) {
      double x[3];
      Sample(row.domain, random, x);
      const double g = normal(random);
      for (int which = 0; which < row.arity; ++which) {
        const double expected = g * row.dual(x, which);
        ASSERT_NEAR(row.derivative(x, g, which), expected, 1e-12 * std::max(1.0, std::fabs(expected)))
            << row.name << " by operand " << which << " at " << x[0] << ", " << x[1] << ", " << x[2];
      }
    }
  }
}

TEST(DerivativeTest, ColumnsAgreeWithCentralDifferencesTo1e7) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  for (const Row& row : kRows) {
    for (int trial = 0; trial < 2000; ++trial) {
      double x[3];
      Sample(row.domain, random, x);
      const double g = normal(random);
      // Along a random direction over all operands; a fourth-order difference.
      double direction[3], analytic = 0;
      for (int i = 0; i < row.arity; ++i)
        direction[i] = normal(random), analytic += direction[i] * row.derivative(x, g, i);
      const auto at = [&](double step) {
        double moved[3];
        for (int i = 0; i < 3; ++i) moved[i] = x[i] + (i < row.arity ? step * direction[i] : 0);
        return g * row.value(moved);
      };
      const double h = 2e-4;
      const double difference = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
      ASSERT_NEAR(analytic, difference, 1e-7 * std::max({1.0, std::fabs(difference), std::fabs(g * row.value(x))}))
          << row.name << " at " << x[0] << ", " << x[1] << ", " << x[2];
    }
  }
}

const Row& Find(absl::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row;
  }
  CHECK(false) << name;
  return kRows[0];
}

TEST(DerivativeTest, KinksHaveTheDocumentedSubgradient) {
  const double zero[] = {0, 0};
  EXPECT_EQ(Find("abs").derivative(zero, 3, 0), 0);
  EXPECT_EQ(Find("abs").dual(zero, 0), 0);
  EXPECT_EQ(Find("sign").dual(zero, 0), 0);
  for (const char* name : {"maximum", "minimum"}) {
    // At a tie everything goes to the second operand, so relu, maximum(x, 0), has 0 at 0.
    EXPECT_EQ(Find(name).derivative(zero, 3, 0), 0) << name;
    EXPECT_EQ(Find(name).derivative(zero, 3, 1), 3) << name;
    EXPECT_EQ(Find(name).dual(zero, 0), 0) << name;
    EXPECT_EQ(Find(name).dual(zero, 1), 1) << name;
    const double nan[] = {std::nan(""), 1};
    EXPECT_EQ(Find(name).derivative(nan, 3, 1), 3) << name;
    EXPECT_EQ(Find(name).dual(nan, 1), 1) << name;
  }
}

}  // namespace
}  // namespace gradus::ir
