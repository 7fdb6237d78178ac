// Layers in random configurations against PyTorch.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/library/reference.h"
#include "tests/library/torch_cases.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

TEST(LayersTest, ConvolutionIsPyTorchs) { ExpectAsTorch("convolutions.npz"); }

TEST(LayersTest, PoolingAndResizingArePyTorchs) { ExpectAsTorch("poolings.npz"); }

TEST(LayersTest, NormalisationIsPyTorchs) { ExpectAsTorch("normalizations.npz"); }

TEST(LayersTest, AttentionIsPyTorchs) { ExpectAsTorch("attentions.npz"); }

TEST(LayersTest, RecurrenceIsPyTorchs) { ExpectAsTorch("recurrences.npz"); }

TEST(LayersTest, WhatACausalPlaceMayNotReadDoesNotReachIt) {
  const auto of = [](std::vector<double> x) { return ir::Tensor::Of<double>({4, 2}, absl::MakeConstSpan(x)); };
  const double infinity = std::numeric_limits<double>::infinity();
  const ReferenceInput q{"q", of({1, 0, 0, 1, 1, 1, 2, 1}), true, {}}, k{"k", of({1, 2, 0, 1, 1, 0, 3, 1}), false, {}},
      v{"v", of({1, 2, 3, 4, 5, 6, infinity, -infinity}), false, {}};
  const auto values =
      RunCase({"causal", "", "attention(q, k, v, causal=true)", {q, k, v}, of({1, 1, 1, 1, 1, 1, 1, 1}), {}});
  ASSERT_THAT(values, IsOk());
  const auto y = values->at("y").data<double>(), dq = values->at("d_q").data<double>();
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_TRUE(std::isfinite(y[i])) << i;
    EXPECT_TRUE(std::isfinite(dq[i])) << i;
  }
  EXPECT_FALSE(std::isfinite(y[6]));
}

}  // namespace
}  // namespace gradus::testing_support
