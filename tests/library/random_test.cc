// What a model draws: the same whenever seed and step are the same, with the distribution that the library promises,
// and one mask for a value and its gradient.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_join.h"
#include "passes/backprop.h"
#include "passes/cse.h"
#include "tests/library/library_cases.h"

namespace gradus::testing_support {
namespace {

using testing::Each;
using testing::ElementsAreArray;

struct Drawn {
  int64_t seed = 1, step = 1;
  bool joined = false;  // after cse
};

// Values of a model by name, in the entry that trains it or in one that does not.
ir::NamedTensors Values(const std::string& body, const std::vector<std::string>& names, frontend::Entry entry,
                        const Drawn& drawn = {}) {
  const std::string program =
      absl::StrCat("model m {\n  param w : float[2] = [1, 2]\n", body, "\n  loss = sum(w)\n", "  output ",
                   absl::StrJoin(names, ", "), "\n}\n", "train m { minimize loss; optimizer sgd(lr=0.1) }\n");
  const auto module = frontend::ParseProgram("random.gr", program);
  EXPECT_THAT(module, IsOk());
  auto graph = frontend::Lower(*module, {}, entry);
  EXPECT_THAT(graph, IsOk()) << program;
  EXPECT_THAT(passes::Backprop(*graph), IsOk());
  if (drawn.joined) {
    EXPECT_THAT(passes::EliminateCommonSubexpressions(*graph), IsOk());
  }
  for (const auto& statement : graph->body.statements) {
    for (const auto& result : statement->results) {
      if (std::find(names.begin(), names.end(), result->name) == names.end()) continue;
      std::erase_if(graph->outputs, [&](const ir::Output& output) { return output.name == result->name; });
      graph->outputs.push_back({result->name, result.get()});
    }
  }
  ir::NamedTensors declared = {{"w", ir::Tensor::Of<float>({2}, {1, 2})}};
  declared["seed"] = ir::Tensor::Scalar<int64_t>(drawn.seed);
  declared["step"] = ir::Tensor::Scalar<int64_t>(drawn.step);
  const auto values = ir::Interpret(*graph, declared);
  EXPECT_THAT(values, IsOk());
  return values->outputs;
}

template <typename T>
std::vector<T> Elements(const ir::Tensor& tensor) {
  const auto data = tensor.data<T>();
  return {data.begin(), data.end()};
}

template <typename T = float>
std::vector<T> Draw(const std::string& expression, const Drawn& drawn = {},
                    frontend::Entry entry = frontend::Entry::kStep) {
  return Elements<T>(Values(absl::StrCat("  y = ", expression), {"y"}, entry, drawn).at("y"));
}

struct Moments {
  double mean = 0, variance = 0;
};
Moments MomentsOf(const std::vector<float>& values) {
  Moments m;
  for (const float v : values) m.mean += v / static_cast<double>(values.size());
  for (const float v : values) m.variance += (v - m.mean) * (v - m.mean) / static_cast<double>(values.size());
  return m;
}

// Five standard deviations of a mean of n draws.
double Near(double deviation, size_t n) { return 5 * deviation / std::sqrt(static_cast<double>(n)); }

TEST(RandomTest, DrawsHaveTheDistributionOfTheirName) {
  struct Case {
    const char* expression;
    double mean, variance, fourth;  // moments; the fourth central one
  };
  const Case cases[] = {
      {"random_uniform([200, 200])", 0.5, 1.0 / 12, 1.0 / 80},
      {"random_normal([200, 200])", 0, 1, 3},
      {"random_exponential([200, 200])", 1, 1, 9},
      {"random_gumbel([200, 200])", 0.5772156649, 1.6449340668, 14.6114},
      {"bernoulli(fill(0.3, [200, 200]))", 0.3, 0.21, 0.21 * (1 - 3 * 0.21)},
      {"float(random_integers([200, 200], 6))", 2.5, 35.0 / 12, 14.7292},
      {"dropout(fill(1, [200, 200]), 0.2)", 1, 0.25, 0.8125},
      {"gaussian_noise(fill(3, [200, 200]), 0.5)", 3, 0.25, 3 * 0.0625},
  };
  for (const Case& c : cases) {
    const std::vector<float> y = Draw(c.expression);
    ASSERT_EQ(y.size(), 40000u) << c.expression;
    const Moments found = MomentsOf(y);
    EXPECT_NEAR(found.mean, c.mean, Near(std::sqrt(c.variance), y.size())) << c.expression;
    EXPECT_NEAR(found.variance, c.variance, Near(std::sqrt(c.fourth - c.variance * c.variance), y.size()))
        << c.expression;
  }
}

TEST(RandomTest, ClassesAreDrawnWithTheirProbabilities) {
  const std::vector<int32_t> y = Draw<int32_t>("categorical(broadcast([log(0.5), log(0.3), log(0.2)], [20000, 3]))");
  const double expected[] = {0.5, 0.3, 0.2};
  for (int c = 0; c < 3; ++c) {
    const double share = static_cast<double>(std::count(y.begin(), y.end(), c)) / static_cast<double>(y.size());
    EXPECT_NEAR(share, expected[c], Near(std::sqrt(expected[c] * (1 - expected[c])), y.size()));
  }
}

TEST(RandomTest, APermutationHasEveryNumberOnce) {
  std::vector<int32_t> y = Draw<int32_t>("permutation(1000)");
  EXPECT_FALSE(std::is_sorted(y.begin(), y.end()));
  EXPECT_NE(y, Draw<int32_t>("permutation(1000)", {.step = 2}));
  std::sort(y.begin(), y.end());
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(y[i], i);
  // Of three each of the six orders comes as often: the same bits, in rows.
  const std::vector<int32_t> rows = Draw<int32_t>("argsort(random_bits([3000, 3], type=i64))");
  std::map<std::vector<int32_t>, int> orders;
  for (size_t i = 0; i < rows.size(); i += 3) ++orders[{rows.begin() + i, rows.begin() + i + 3}];
  EXPECT_EQ(orders.size(), 6u);
  for (const auto& [order, count] : orders) EXPECT_NEAR(count, 500, 5 * std::sqrt(3000 * 5.0 / 36));
}

TEST(RandomTest, ADrawDependsOnSeedStepAndPlaceAlone) {
  const std::string noise = "random_normal([50])";
  EXPECT_EQ(Draw(noise), Draw(noise));
  EXPECT_NE(Draw(noise), Draw(noise, {.seed = 2}));
  EXPECT_NE(Draw(noise), Draw(noise, {.step = 2}));
  // Other values of the model, or where it stands in the file, change nothing.
  const auto alone = Values("  y = random_normal([50])", {"y"}, frontend::Entry::kStep);
  const auto among = Values("  z = dropout(w)\n  y = random_normal([50])", {"y"}, frontend::Entry::kStep);
  EXPECT_EQ(Elements<float>(alone.at("y")), Elements<float>(among.at("y")));
}

TEST(RandomTest, TwoDrawsDifferAlsoWhereTheirTextIsTheSame) {
  const std::string body = R"(
  x = fill(1, [64])
  a = dropout(x)
  b = dropout(x)
  c = dropout(dropout(x, 0.3), 0.3)
  d = random_normal([64]) - random_normal([64])
)";
  for (const bool joined : {false, true}) {
    const auto values = Values(body, {"a", "b", "c", "d"}, frontend::Entry::kStep, {.joined = joined});
    EXPECT_NE(Elements<float>(values.at("a")), Elements<float>(values.at("b")));
    const std::vector<float> twice = Elements<float>(values.at("c")), difference = Elements<float>(values.at("d"));
    EXPECT_GT(std::count(twice.begin(), twice.end(), 0.0f), 64 * 0.35);
    EXPECT_EQ(std::count(difference.begin(), difference.end(), 0.0f), 0);
  }
}

TEST(RandomTest, TheGradientMeetsTheMaskOfTheValue) {
  const auto values = Values(R"(
  x = fill(3, [500])
  y = dropout(x, 0.25)
  g = grad(sum(y * x), x)
  z = channel_dropout(fill(1, [8, 5, 7]), 0.5)
)",
                             {"y", "g", "z"}, frontend::Entry::kStep);
  const std::vector<float> y = Elements<float>(values.at("y")), g = Elements<float>(values.at("g"));
  for (size_t i = 0; i < y.size(); ++i) {
    ASSERT_TRUE(y[i] == 0 || y[i] == 4) << y[i];
    ASSERT_EQ(g[i], y[i] == 0 ? 0 : 8) << "y + x / (1 - p) where kept";
  }
  const std::vector<float> z = Elements<float>(values.at("z"));
  std::set<float> found(z.begin(), z.end());
  EXPECT_EQ(found, (std::set<float>{0, 2}));
  for (int64_t n = 0; n < 8; ++n) {
    for (int64_t c = 0; c < 7; ++c) {
      for (int64_t i = 1; i < 5; ++i) EXPECT_EQ(z[n * 35 + i * 7 + c], z[n * 35 + c]);
    }
  }
}

TEST(RandomTest, EvaluationAndPredictionDropNothingAndAddNothing) {
  for (const char* expression :
       {"dropout(fill(2, [9]), 0.9)", "channel_dropout(fill(2, [3, 3]))", "gaussian_noise(fill(2, [9]), 7)"}) {
    EXPECT_THAT(Draw(expression, {}, frontend::Entry::kPredict), Each(2)) << expression;
  }
}

TEST(RandomTest, AHardSampleIsOneHotAndHasTheGradientOfTheSoftOne) {
  const auto values = Values(R"(
  x = reshape(float(arange(12)), [3, 4]) / 5
  y = gumbel_softmax(x, temperature=0.7, hard=true)
  u = y * 1
  g = grad(sum(y * [1, 2, 3, 4]), x)
)",
                             {"u", "g"}, frontend::Entry::kStep);
  const std::vector<float> y = Elements<float>(values.at("u")), g = Elements<float>(values.at("g"));
  for (int row = 0; row < 3; ++row) {
    EXPECT_EQ(std::count(y.begin() + 4 * row, y.begin() + 4 * row + 4, 1.0f), 1);
    EXPECT_EQ(std::count(y.begin() + 4 * row, y.begin() + 4 * row + 4, 0.0f), 3);
    float sum = 0, size = 0;
    for (int i = 0; i < 4; ++i) {
      sum += g[4 * row + i];
      size += std::abs(g[4 * row + i]);
    }
    EXPECT_NEAR(sum, 0, 1e-6) << "a softmax only shifts";
    EXPECT_GT(size, 1e-3);
  }
}

TEST(RandomTest, AnInputWithAnInitialiserIsDrawnUnlessItIsFed) {
  const std::string model = "model m { input noise : float[3] = normal(std=2); y = noise * 1; output y }";
  for (const bool fed : {false, true}) {
    frontend::LowerOptions options;
    if (fed) options.fed.insert("noise");
    const auto module = frontend::ParseProgram("noise.gr", model);
    const auto graph = frontend::Lower(*module, options, frontend::Entry::kPredict);
    ASSERT_THAT(graph, IsOk());
    ir::NamedTensors declared;
    if (fed) declared["noise"] = ir::Tensor::Of<float>({3}, {5, 6, 7});
    if (!fed) declared["seed"] = declared["step"] = ir::Tensor::Scalar<int64_t>(4);
    const auto values = ir::Interpret(*graph, declared);
    ASSERT_THAT(values, IsOk());
    const std::vector<float> y = Elements<float>(values->outputs.at("y"));
    if (fed) {
      EXPECT_THAT(y, ElementsAreArray({5, 6, 7}));
    } else {
      EXPECT_NE(y[0], y[1]);
      for (const float v : y) EXPECT_LT(std::abs(v), 12);
    }
  }
}

}  // namespace
}  // namespace gradus::testing_support
