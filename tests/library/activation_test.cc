// Every activation of the library against PyTorch, and what PyTorch does not have.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/library/library_cases.h"
#include "tests/library/reference.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

TEST(ActivationTest, ValuesAndGradientsAreThoseOfPyTorch) { ExpectAsPyTorch("activations.json"); }

TEST(ActivationTest, DerivativesOfBothOrdersAreProven) { ExpectProven("activations.json"); }

std::vector<double> Evaluate(const std::string& expression, std::vector<double> x) {
  const auto n = static_cast<int64_t>(x.size());
  const ReferenceCase c{"",
                        "",
                        expression,
                        {{"x", ir::Tensor::Of<double>({n}, x), true, {}}},
                        ir::Tensor::Of<double>({n}, std::vector<double>(n, 1.0)),
                        {}};
  const auto values = RunCase(c);
  EXPECT_THAT(values, IsOk());
  if (!values.ok()) return {};
  std::vector<double> result;
  for (const char* output : {"y", "d_x"}) {
    for (const double v : values->at(output).data<double>()) result.push_back(v);
  }
  return result;
}

TEST(ActivationTest, EqualInfinitiesShareTheSoftmax) {
  const double infinity = INFINITY;
  const auto third = Evaluate("softmax(x)", {infinity, infinity, infinity});
  const auto two = Evaluate("softmax(x)", {-infinity, infinity, infinity});
  const auto none = Evaluate("softmax(x)", {-infinity, -infinity, -infinity});
  const auto masked = Evaluate("softmax(x)", {-infinity, 0, 0});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(third[i], 1.0 / 3) << i;
    EXPECT_EQ(none[i], 1.0 / 3) << i;
    EXPECT_EQ(two[i], i == 0 ? 0 : 0.5) << i;
    EXPECT_EQ(masked[i], i == 0 ? 0 : 0.5) << i;
  }
  const auto logarithm = Evaluate("log_softmax(x)", {-infinity, -infinity});
  EXPECT_NEAR(logarithm[0], -std::log(2), 1e-15);
  for (const auto& values : {third, two, none, masked, logarithm}) {
    for (const double v : values) EXPECT_TRUE(std::isfinite(v)) << v;
  }
}

TEST(ActivationTest, ANanStaysVisible) {
  for (const char* expression : {"relu(x)", "leaky_relu(x)", "relu6(x)", "elu(x)", "gelu(x)", "silu(x)", "softplus(x)",
                                 "softmax(x)", "log_softmax(x)", "hard_swish(x)"}) {
    EXPECT_TRUE(std::isnan(Evaluate(expression, {NAN})[0])) << expression;
  }
}

// Of the true values, from 40 digits, where cancellation would show.
TEST(ActivationTest, SmallNumbersKeepTheirDigits) {
  EXPECT_DOUBLE_EQ(Evaluate("expm1(x)", {1e-10})[0], 1.00000000005e-10);
  EXPECT_DOUBLE_EQ(Evaluate("log1p(x)", {1e-10})[0], 9.9999999995e-11);
  EXPECT_DOUBLE_EQ(Evaluate("softplus(x)", {-40})[0], 4.248354255291588995e-18);
  EXPECT_DOUBLE_EQ(Evaluate("elu(x)", {-1e-10})[0], -9.9999999995e-11);
}

}  // namespace
}  // namespace gradus::testing_support
