// What lowered programs compute, run by the interpreter: the library against its definitions, state, checks.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "frontend/lower.h"
#include "ir/interpreter.h"
#include "passes/backprop.h"
#include "tests/matchers.h"

namespace gradus::frontend {
namespace {

using ir::NamedTensors;
using ir::Tensor;
using testing_support::IsOk;

// A program whose state moves step by step, as the runtime would move it.
class Running {
 public:
  explicit Running(const std::string& text, std::map<std::string, std::string> set = {}) : text_(text) {
    options_.set = std::move(set);
    const ir::Graph initialize = Graph(Entry::kInitialize);
    auto values = ir::Interpret(initialize, Counters(initialize));
    EXPECT_THAT(values, IsOk());
    if (values.ok()) state_ = values->outputs;
  }

  ir::Graph Graph(Entry entry) const {
    auto module = ParseProgram("m.gr", text_);
    EXPECT_THAT(module, IsOk());
    auto graph = Lower(*module, options_, entry);
    EXPECT_THAT(graph, IsOk());
    if (!graph.ok()) return {};
    EXPECT_THAT(passes::Backprop(*graph), IsOk());
    return *std::move(graph);
  }

  NamedTensors Run(Entry entry, NamedTensors inputs = {}) {
    const ir::Graph graph = Graph(entry);
    NamedTensors bound = Counters(graph);
    for (auto& [name, tensor] : inputs) bound.insert({name, tensor});
    for (const auto& [name, tensor] : state_) {
      if (graph.Find(name) != nullptr) bound.insert({name, tensor});
    }
    auto values = ir::Interpret(graph, bound);
    EXPECT_THAT(values, IsOk());
    if (!values.ok()) return {};
    for (const auto& [name, tensor] : values->next) state_.insert_or_assign(name, tensor);
    if (entry == Entry::kStep) ++step_;
    return values->outputs;
  }

  const Tensor& state(const std::string& name) const { return state_.at(name); }
  double Scalar(const std::string& name) const { return At(state(name), 0); }

  static double At(const Tensor& tensor, int64_t i) {
    return ir::Dispatch(tensor.type().element,
                        [&](auto tag) { return static_cast<double>(tensor.data<decltype(tag)>()[i]); });
  }

 private:
  NamedTensors Counters(const ir::Graph& graph) const {
    NamedTensors counters;
    for (const auto& [name, value] :
         {std::pair("step", step_), std::pair("epoch", int64_t{1}), std::pair("seed", int64_t{5})}) {
      if (graph.Find(name) != nullptr) counters.insert({name, Tensor::Scalar<int64_t>(value)});
    }
    return counters;
  }

  std::string text_;
  LowerOptions options_;
  NamedTensors state_;
  int64_t step_ = 1;
};

struct Moments {
  double mean = 0, deviation = 0, least = 0, most = 0;
};
Moments MomentsOf(const Tensor& tensor) {
  Moments m;
  const int64_t n = tensor.size();
  m.least = m.most = Running::At(tensor, 0);
  for (int64_t i = 0; i < n; ++i) {
    const double x = Running::At(tensor, i);
    m.mean += x / n;
    m.least = std::min(m.least, x);
    m.most = std::max(m.most, x);
  }
  for (int64_t i = 0; i < n; ++i) m.deviation += std::pow(Running::At(tensor, i) - m.mean, 2) / n;
  m.deviation = std::sqrt(m.deviation);
  return m;
}

// 16,384 draws: the mean is within 4 standard errors, the deviation within 4 / sqrt(2 n) of itself.
TEST(LowerValuesTest, InitialisersHaveTheMomentsTheyPromise) {
  for (const char* type : {"f32", "f64"}) {
    const Running program(R"(
      model m {
        param normal_   : float[128,128] = normal(mean=3, std=0.5)
        param uniform_  : float[128,128] = uniform(-2, 4)
        param he        : float[128,128] = he_normal
        param he_u      : float[128,128] = he_uniform
        param xavier    : float[64,256]  = xavier_normal
        param xavier_u  : float[64,256]  = xavier_uniform
        param lecun     : float[128,128] = lecun_normal
        param filters   : float[3,3,16,128] = he_normal
        param odd       : float[7,3] = normal
        output normal_
      })",
                          {{"float", type}});
    const auto expect = [&](const std::string& name, double mean, double deviation) {
      const Moments m = MomentsOf(program.state(name));
      EXPECT_NEAR(m.mean, mean, 4 * deviation / 128) << name;
      EXPECT_NEAR(m.deviation, deviation, deviation * 0.023) << name;
    };
    expect("normal_", 3, 0.5);
    expect("uniform_", 1, 6 / std::sqrt(12.0));
    expect("he", 0, std::sqrt(2.0 / 128));
    expect("he_u", 0, std::sqrt(2.0 / 128));
    expect("xavier", 0, std::sqrt(2.0 / 320));
    expect("xavier_u", 0, std::sqrt(2.0 / 320));
    expect("lecun", 0, std::sqrt(1.0 / 128));
    expect("filters", 0, std::sqrt(2.0 / 144));
    const Moments uniform = MomentsOf(program.state("uniform_"));
    EXPECT_GE(uniform.least, -2);
    EXPECT_LT(uniform.most, 4);
    EXPECT_LT(uniform.least, -1.98);
    EXPECT_GT(uniform.most, 3.98);
    EXPECT_FALSE(ir::SameBits(program.state("he"), program.state("lecun")));
  }
}

TEST(LowerValuesTest, ALiteralOrAScalarFillsItsParameter) {
  const Running program(R"(
    model m {
      param a : float[2,2] = [[1, 2], [3, 4]]
      param b : float[3] = 0.5
      state n : i64 = 7
      state f : bool[2] = true
      output a
    })");
  EXPECT_TRUE(ir::SameBits(program.state("a"), Tensor::Of<float>({2, 2}, {1.f, 2.f, 3.f, 4.f})));
  EXPECT_TRUE(ir::SameBits(program.state("b"), Tensor::Of<float>({3}, {0.5f, 0.5f, 0.5f})));
  EXPECT_TRUE(ir::SameBits(program.state("n"), Tensor::Scalar<int64_t>(7)));
  EXPECT_TRUE(ir::SameBits(program.state("f"), Tensor::Of<bool>({2}, {true, true})));
}

// loss = c w² / 2, so the gradient is c w, and each optimizer is a recurrence in one number.
std::string OneNumber(const std::string& optimizer) {
  return absl::StrCat("model m { param w : float = 1.5; loss = 0.8 * w * w / 2; output loss }\n",
                      "train m { minimize loss; optimizer ", optimizer, " }");
}

TEST(LowerValuesTest, SgdAndMomentumFollowTheirRecurrences) {
  Running sgd(OneNumber("sgd(lr=0.1)")), momentum(OneNumber("momentum(lr=0.1, mu=0.7)"));
  double w = 1.5, u = 1.5, v = 0;
  for (int step = 1; step <= 20; ++step) {
    sgd.Run(Entry::kStep);
    momentum.Run(Entry::kStep);
    w -= 0.1 * 0.8 * w;
    v = 0.7 * v + 0.8 * u;
    u -= 0.1 * v;
    EXPECT_NEAR(sgd.Scalar("w"), w, 1e-6);
    EXPECT_NEAR(momentum.Scalar("w"), u, 2e-6);
  }
}

TEST(LowerValuesTest, AdamFollowsPyTorch) {
  Running adam(OneNumber("adam(lr=0.1)"));
  double w = 1.5, m = 0, v = 0;
  for (int step = 1; step <= 20; ++step) {
    adam.Run(Entry::kStep);
    const double g = 0.8 * w;
    m += (1 - 0.9) * (g - m);
    v = 0.999 * v + (1 - 0.999) * g * g;
    const double correction = std::sqrt(1 - std::pow(0.999, step));
    w -= 0.1 / (1 - std::pow(0.9, step)) * m / (std::sqrt(v) / correction + 1e-8);
    EXPECT_NEAR(adam.Scalar("w"), w, 1e-5) << step;
  }
}

TEST(LowerValuesTest, ARateMayDependOnTheStep) {
  Running program(OneNumber("sgd(lr=0.1 * minimum(1, step / 4))"));
  double w = 1.5;
  for (int step = 1; step <= 6; ++step) {
    program.Run(Entry::kStep);
    w -= 0.1 * std::min(1.0, step / 4.0) * 0.8 * w;
    EXPECT_NEAR(program.Scalar("w"), w, 1e-6);
  }
}

TEST(LowerValuesTest, EveryKeepsParametersAndStatesInBetween) {
  Running program(OneNumber("momentum(lr=0.1) every 3"));
  std::vector<double> seen;
  for (int step = 1; step <= 6; ++step) {
    program.Run(Entry::kStep);
    seen.push_back(program.Scalar("w"));
  }
  EXPECT_EQ(seen[0], 1.5);
  EXPECT_EQ(seen[1], 1.5);
  EXPECT_NEAR(seen[2], 1.5 - 0.1 * 1.2, 1e-6);
  EXPECT_EQ(seen[3], seen[2]);
  EXPECT_NEAR(program.Scalar("w.v"), 0.9 * 1.2 + 0.8 * seen[2], 1e-6);
}

TEST(LowerValuesTest, ALaterApplySeesTheNextOfAnEarlierOne) {
  const std::string text = R"(
    layer counter() {
      state n : float = 10
      apply(x) { next n = n + x; return n }
    }
    model m {
      param w : float = 0
      c = counter()
      a = c(1)
      b = c(2)
      loss = w * 0 + a + 100 * b
      output a, b
    }
    train m { minimize loss; optimizer sgd(lr=0); metric a; metric b })";
  Running program(text);
  NamedTensors step = program.Run(Entry::kStep);
  EXPECT_EQ(Running::At(step.at("a"), 0), 10);
  EXPECT_EQ(Running::At(step.at("b"), 0), 11);
  EXPECT_EQ(program.Scalar("c.n"), 13);
  // Evaluation and prediction drop every next.
  NamedTensors evaluation = program.Run(Entry::kEvaluate);
  EXPECT_EQ(Running::At(evaluation.at("a"), 0), 13);
  EXPECT_EQ(Running::At(evaluation.at("b"), 0), 13);
  EXPECT_EQ(program.Scalar("c.n"), 13);
}

TEST(LowerValuesTest, TheGradientOfCrossEntropyIsSoftmaxMinusOneHot) {
  Running program(R"(
    model m {
      input y : i32[2]
      param logits : float[2,3] = [[1, -2, 0.5], [30, 0, -30]]
      loss = sum(cross_entropy(logits, y))
      p = softmax(logits)
      output loss, p
    }
    train m { minimize loss; optimizer sgd(lr=1) })");
  const NamedTensors inputs = {{"y", Tensor::Of<int32_t>({2}, {2, 1})}};
  const std::vector<float> logits = {1, -2, 0.5, 30, 0, -30};
  const NamedTensors predicted = program.Run(Entry::kPredict, inputs);
  program.Run(Entry::kStep, inputs);
  double loss = 0;
  for (int row = 0; row < 2; ++row) {
    double sum = 0;
    for (int i = 0; i < 3; ++i) sum += std::exp(double{logits[row * 3 + i]} - logits[row * 3]);
    const int label = row == 0 ? 2 : 1;
    loss -= logits[row * 3 + label] - logits[row * 3] - std::log(sum);
    for (int i = 0; i < 3; ++i) {
      const double p = std::exp(double{logits[row * 3 + i]} - logits[row * 3]) / sum;
      EXPECT_NEAR(Running::At(predicted.at("p"), row * 3 + i), p, 1e-6);
      EXPECT_NEAR(Running::At(program.state("logits"), row * 3 + i), logits[row * 3 + i] - (p - (i == label)), 4e-6);
    }
  }
  EXPECT_NEAR(Running::At(predicted.at("loss"), 0), loss, 1e-5);
}

TEST(LowerValuesTest, ARuleOfOnesOwnReplacesTheDerivedOne) {
  Running program(R"(
    fn reverse(x) = x vjp(g) { return -g }
    fn scaled(x, k) { y = x * k; return y } vjp(g) { return g * k * 10 }
    model m {
      param a : float = 2; param b : float = 3
      loss = reverse(a) * 5 + scaled(b, 7) ** 2
      output loss
    }
    train m { minimize loss; optimizer sgd(lr=1) })");
  program.Run(Entry::kStep);
  EXPECT_EQ(program.Scalar("a"), 2 + 5);
  EXPECT_EQ(program.Scalar("b"), 3 - 2 * 21 * 70);
}

TEST(LowerValuesTest, PowersByAnIntegerMultiply) {
  Running program(R"(
    model m {
      input x : float[3]
      output x ** 0, x ** 1, x ** 2, x ** 5, x ** -3, x ** 7
    })");
  const std::vector<float> x = {-2, 0.5, 3};
  const NamedTensors y = program.Run(Entry::kPredict, {{"x", Tensor::Of<float>({3}, x)}});
  const int exponents[] = {0, 1, 2, 5, -3, 7};
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j < 3; ++j) {
      const std::string name = i == 0 ? "output" : absl::StrCat("output", i + 1);
      const double expected = std::pow(x[j], exponents[i]);
      EXPECT_NEAR(Running::At(y.at(name), j), expected, 1e-6 * std::abs(expected)) << name;
    }
  }
}

TEST(LowerValuesTest, IndexingMovesWhatNumPyMoves) {
  Running program(R"(
    model m {
      input x : i32[2,3]
      input i : i32[2]
      output x[1, -1], x[:, none, 0], x[..., 1:3], x[0, ::2], x.T[2], x[i], x[1][i], flip(x, axis=1), stack([x[0], x[1]], axis=1)
    })");
  const NamedTensors y = program.Run(Entry::kPredict, {{"x", Tensor::Of<int32_t>({2, 3}, {1, 2, 3, 4, 5, 6})},
                                                       {"i", Tensor::Of<int32_t>({2}, {1, 0})}});
  const auto expect = [&](const std::string& name, ir::Shape shape, std::vector<int32_t> elements) {
    EXPECT_TRUE(ir::SameBits(y.at(name), Tensor::Of<int32_t>(std::move(shape), elements))) << name;
  };
  expect("output", {}, {6});
  expect("output2", {2, 1}, {1, 4});
  expect("output3", {2, 2}, {2, 3, 5, 6});
  expect("output4", {2}, {1, 3});
  expect("output5", {2}, {3, 6});
  expect("output6", {2, 3}, {4, 5, 6, 1, 2, 3});
  expect("output7", {2}, {5, 4});
  expect("output8", {2, 3}, {3, 2, 1, 6, 5, 4});
  expect("output9", {3, 2}, {1, 4, 2, 5, 3, 6});
}

TEST(LowerValuesTest, AListAmongTheSizesStandsForItsItems) {
  Running program(R"(
    layer grid(extents) {
      param w : float[2, extents, 5] = ones
      apply(x) = x + w
    }
    model m {
      input x : float[2,3,4,5]
      g = grid([3, 4])
      h = grid([])
      output y = g(x), z = sum(x, axis=[1, 2]) + h.w
    })");
  const NamedTensors y = program.Run(Entry::kPredict, {{"x", Tensor(ir::Type{ir::DType::kF32, {2, 3, 4, 5}})}});
  EXPECT_EQ(y.at("y").type().shape, (ir::Shape{2, 3, 4, 5}));
  EXPECT_EQ(y.at("z").type().shape, (ir::Shape{2, 5}));
}

TEST(LowerValuesTest, TheTextbookIsCheckedAgainstItsNumber) {
  std::filesystem::current_path(GRADUS_SOURCE_DIR);
  auto module = LoadProgram("examples/textbook/regression.gr");
  ASSERT_THAT(module, IsOk());
  auto checks = LowerChecks(*module, {});
  ASSERT_THAT(checks, IsOk());
  ASSERT_EQ(checks->size(), 1u);
  const Check& check = (*checks)[0];
  auto state = ir::Interpret(check.initialize, {});
  ASSERT_THAT(state, IsOk());
  auto values = ir::Interpret(check.graph, state->outputs);
  ASSERT_THAT(values, IsOk());
  // By hand: sigmoid of 0.1, 0.2, 0.3 times 0.7, 0.8, 0.9, less 1, squared, halved.
  const double y = 0.7 / (1 + std::exp(-0.1)) + 0.8 / (1 + std::exp(-0.2)) + 0.9 / (1 + std::exp(-0.3));
  EXPECT_NEAR(Running::At(values->outputs.at("value0"), 0), (y - 1) * (y - 1) / 2, 1e-6);
  EXPECT_NEAR(Running::At(values->outputs.at("value0"), 0), Running::At(values->outputs.at("expected0"), 0),
              check.expectations[0].tolerance);
}

TEST(LowerValuesTest, ADrawnInputIsAnotherOneAtEveryStep) {
  Running program(R"(
    model m {
      input noise : float[4] = normal
      param w : float[4] = ones
      loss = sum(w * noise)
      output loss
    }
    train m { minimize loss; optimizer sgd(lr=1) })");
  program.Run(Entry::kStep);
  const Tensor first = program.state("w");
  program.Run(Entry::kStep);
  for (int i = 0; i < 4; ++i) {
    const double a = 1 - Running::At(first, i), b = Running::At(first, i) - Running::At(program.state("w"), i);
    EXPECT_NE(a, 0);
    EXPECT_GT(std::abs(a - b), 1e-6);
  }
}

}  // namespace
}  // namespace gradus::frontend
