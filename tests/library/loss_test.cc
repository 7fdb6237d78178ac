// Every loss of the library against PyTorch, and what PyTorch does not have.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/library/library_cases.h"

namespace gradus::testing_support {
namespace {

TEST(LossTest, ValuesAndGradientsAreThoseOfPyTorch) { ExpectAsPyTorch("losses.json"); }

TEST(LossTest, DerivativesOfBothOrdersAreProven) { ExpectProven("losses.json"); }

ir::NamedTensors Evaluate(const std::string& expression, ir::Shape shape, std::vector<double> z, std::vector<int32_t> t,
                          ir::Shape result) {
  const auto examples = static_cast<int64_t>(t.size());
  ReferenceCase c{"", "", expression, {}, ir::Tensor(ir::Type{ir::DType::kF64, std::move(result)}), {}};
  for (double& r : c.r.data<double>()) r = 1;
  c.inputs.push_back({"z", ir::Tensor::Of<double>(std::move(shape), z), true, {}});
  c.inputs.push_back({"t", ir::Tensor::Of<int32_t>({examples}, t), false, {}});
  const auto values = RunCase(c);
  EXPECT_THAT(values, IsOk());
  return values.ok() ? *values : ir::NamedTensors();
}

void ExpectFinite(const ir::NamedTensors& values) {
  EXPECT_FALSE(values.empty());
  for (const auto& [name, tensor] : values) {
    for (const double v : tensor.data<double>()) EXPECT_TRUE(std::isfinite(v)) << name << " has " << v;
  }
}

// Where PyTorch gives NaN.
TEST(LossTest, NothingThatCountsIsZero) {
  for (const char* expression : {"mean_cross_entropy(z, t, ignore=1)", "mean_cross_entropy(z, t, weights=[1, 0, 1])"}) {
    const auto values = Evaluate(expression, {2, 3}, {1, 2, 3, -1e4, 1e4, 0}, {1, 1}, {});
    ExpectFinite(values);
    EXPECT_EQ(values.at("y").data<double>()[0], 0) << expression;
    for (const double g : values.at("d_z").data<double>()) EXPECT_EQ(g, 0) << expression;
  }
}

TEST(LossTest, AClassWithoutAChanceLeavesTheOthersAlone) {
  const double infinity = INFINITY;
  for (const char* expression :
       {"cross_entropy(z, t)", "cross_entropy(z, t, weights=[1, 2, 3])", "cross_entropy(z, t, ignore=7)"}) {
    const auto values = Evaluate(expression, {2, 3}, {0, -infinity, 0, infinity, infinity, 0}, {0, 0}, {2});
    ExpectFinite(values);
    EXPECT_NEAR(values.at("y").data<double>()[0], std::log(2), 1e-15) << expression;
    EXPECT_NEAR(values.at("y").data<double>()[1], std::log(2), 1e-15) << expression;
  }
}

TEST(LossTest, IntegerLabelsServeBinaryLosses) {
  ExpectFinite(Evaluate("binary_cross_entropy(z, t)", {3}, {0, 1, 0.5}, {1, 0, 1}, {3}));
  const auto values = Evaluate("binary_cross_entropy_with_logits(z, t)", {3}, {1e4, -1e4, 0}, {1, 0, 1}, {3});
  ExpectFinite(values);
  EXPECT_EQ(values.at("y").data<double>()[0], 0);
  EXPECT_EQ(values.at("y").data<double>()[1], 0);
  EXPECT_EQ(values.at("d_z").data<double>()[2], -0.5);
}

}  // namespace
}  // namespace gradus::testing_support
