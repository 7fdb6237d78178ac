// Sorting and masks of the library against PyTorch, and what they do with NaN.
#include <gmock/gmock.h>

#include <cmath>

#include "passes/backprop.h"
#include "tests/library/library_cases.h"

namespace gradus::testing_support {
namespace {

TEST(SortingTest, ValuesAndGradientsAreThoseOfPyTorch) { ExpectAsPyTorch("sorting.json"); }

TEST(SortingTest, DerivativesOfBothOrdersAreProven) { ExpectProven("sorting.json"); }

template <typename T>
std::vector<T> Computed(const std::string& statements, const std::vector<double>& x) {
  auto graph = LowerText(absl::StrCat("model m { input x : f64[", x.size(), "]; ", statements, "; output y }"),
                         frontend::Entry::kPredict);
  EXPECT_THAT(graph, IsOk());
  EXPECT_THAT(passes::Backprop(*graph), IsOk());
  const auto values = ir::Interpret(*graph, {{"x", ir::Tensor::Of<double>({static_cast<int64_t>(x.size())}, x)}});
  EXPECT_THAT(values, IsOk());
  const auto y = values->outputs.at("y").data<T>();
  return {y.begin(), y.end()};
}

TEST(SortingTest, NanIsLargerThanEveryNumberAndEqualElementsKeepTheirOrder) {
  const double nan = NAN, infinity = INFINITY;
  const std::vector<double> x = {nan, 1, -infinity, infinity, 1, nan, -0.0, 0.0};
  EXPECT_THAT(Computed<int32_t>("y = argsort(x)", x), testing::ElementsAre(2, 6, 7, 1, 4, 3, 0, 5));
  EXPECT_THAT(Computed<int32_t>("y = argsort(x, descending=true)", x), testing::ElementsAre(0, 5, 3, 1, 4, 6, 7, 2));
  EXPECT_THAT(Computed<int32_t>("v, y = top_k(x, 3)", x), testing::ElementsAre(0, 5, 3));
}

TEST(SortingTest, StraightThroughRulesRoundForwardAndPassBackward) {
  const std::vector<double> x = {-1.6, -0.2, 0.4, 2.5};
  using testing::ElementsAre;
  EXPECT_THAT(Computed<double>("y = round_straight(x)", x), ElementsAre(-2, 0, 0, 2));
  EXPECT_THAT(Computed<double>("y = grad(sum(round_straight(x) * x), x)", x),
              ElementsAre(-2 - 1.6, 0 - 0.2, 0 + 0.4, 2 + 2.5));
  EXPECT_THAT(Computed<double>("y = sign_straight(x)", x), ElementsAre(-1, -1, 1, 1));
  EXPECT_THAT(Computed<double>("y = grad(sum(3 * sign_straight(x)), x)", x), ElementsAre(0, 3, 3, 0));
  EXPECT_THAT(Computed<double>("y = clamp_straight(x, -1, 1)", x), ElementsAre(-1, -0.2, 0.4, 1));
  EXPECT_THAT(Computed<double>("y = grad(sum(3 * clamp_straight(x, -1, 1)), x)", x), ElementsAre(3, 3, 3, 3));
  EXPECT_THAT(Computed<double>("y = grad(sum(3 * clamp(x, -1, 1)), x)", x), ElementsAre(0, 3, 3, 0));
}

}  // namespace
}  // namespace gradus::testing_support
