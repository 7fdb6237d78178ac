// A fused native training step of activation × loss × optimizer gives the bits of the interpreter.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "frontend/lower.h"
#include "passes/pipeline.h"
#include "tests/codegen/native_run.h"
#include "tests/differential/native_difference.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

constexpr std::array kActivations = {"identity(z)",
                                     "sigmoid(z)",
                                     "tanh(z)",
                                     "relu(z)",
                                     "leaky_relu(z)",
                                     "p(z)",
                                     "relu6(z)",
                                     "elu(z)",
                                     "selu(z)",
                                     "celu(z, alpha=2)",
                                     "gelu(z)",
                                     "gelu_tanh(z)",
                                     "silu(z)",
                                     "mish(z)",
                                     "softplus(z)",
                                     "softplus(z, beta=2)",
                                     "log_sigmoid(z)",
                                     "softsign(z)",
                                     "hard_sigmoid(z)",
                                     "hard_swish(z)",
                                     "hard_tanh(z)",
                                     "soft_shrink(z)",
                                     "softmax(z)",
                                     "log_softmax(z)",
                                     "maxout(concat([z, -z], axis=1), 2)"};
constexpr std::array kLosses = {
    "mse(y, t)",
    "least_squares(y, t)",
    "mae(y, t)",
    "mean(huber(y, t))",
    "mean(smooth_l1(y, t))",
    "mean(log_cosh(y, t))",
    "mean(binary_cross_entropy(sigmoid(y), q))",
    "mean(binary_cross_entropy_with_logits(y, q))",
    "mean(focal(y, q, alpha=0.25))",
    "mean(cross_entropy(y, label))",
    "mean(cross_entropy(y, q))",
    "mean_cross_entropy(y, label, smoothing=0.1, weights=[1, 2, 0.5], ignore=1)",
    "mean(kl_divergence(log_softmax(y), q))",
    "mean(hinge(y, sign(t)))",
    "mean(cosine_embedding(y, t, 1))",
    "mean(triplet(y, t, q))",
    "mean(poisson_nll(y, q, full=true))",
    "mean(gaussian_nll(y, t, softplus(y)))",
    "weighted_mean(squared_error(y, t), q)",
};
constexpr std::array kOptimizers = {
    "sgd(lr=0.1)",
    "momentum(lr=warmup(0.1, 3), weight_decay=0.1)",
    "nesterov(lr=cosine_decay(0.1, 9), clip_norm=1)",
    "adagrad(lr=0.1)",
    "adadelta",
    "rmsprop(lr=one_cycle(0.1, 20))",
    "rmsprop(mu=0.9, centered=true)",
    "adam(lr=0.1, clip=0.5)",
    "amsgrad(lr=exponential_decay(0.1, 0.9))",
    "adamax",
    "nadam(weight_decay=0.1, decoupled=true)",
    "radam(beta2=0.9)",
    "adamw",
    "lion(weight_decay=0.1)",
    "lamb(weight_decay=0.1)",
    "adam(lr=piecewise([0.1, 0.01], [1]), weight_decay=polynomial_decay(0.1, 5))",
    "sgd(lr=cosine_restarts(0.1, 2, growth=2))",
    "sgd(lr=step_decay(0.1, 2))",
};

// One network for each loss, with this activation and with an optimizer of its own: over all activations every loss
// meets every optimizer, and every activation meets all of both. With one layer the loss meets the activation without a
// product between them; two are as people have them, and take twice as long.
std::string Program(size_t activation, size_t round, bool two_layers) {
  static_assert(kLosses.size() >= kOptimizers.size() && kActivations.size() >= kOptimizers.size());
  std::string model =
      "model m {\n  dim B = 5\n  input x : float[B,7]; input t : float[B,3]; input q : float[B,3]; input label : "
      "i32[B]\n";
  std::string train = "train m {\n";
  for (size_t i = 0; i < kLosses.size(); ++i) {
    absl::StrAppend(
        &model,
        absl::StrReplaceAll(
            R"(
  first$ = linear(7, 19); p$ = prelu(19)SECOND
  z = first$(x)
  h = ACTIVATION
  y = OUTPUT
  loss$ = )",
            {{"$", absl::StrCat(i)},
             {"SECOND", two_layers ? absl::StrCat("; second", i, " = linear(19, 3)") : ""},
             {"OUTPUT", two_layers ? absl::StrCat("second", i, "(h)") : "h[:, 0:3]"},
             {"ACTIVATION", absl::StrReplaceAll(kActivations[activation], {{"p(", absl::StrCat("p", i, "(")}})}}),
        kLosses[i]);
    absl::StrAppend(&train, "  minimize loss", i, "; optimizer ",
                    kOptimizers[(activation + i + round) % kOptimizers.size()], "\n");
  }
  return absl::StrCat(model, "\n  output y\n}\n", train, "}\n");
}

// Numbers that are neither round nor equal, of either sign or between 0 and 1.
ir::Tensor Numbers(const ir::Type& type, bool probabilities, uint64_t seed) {
  ir::Tensor tensor(type);
  ir::Dispatch(type.element, [&](auto tag) {
    using T = decltype(tag);
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
    for (T& element : tensor.data<T>()) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const double u = static_cast<double>(state >> 40) / (1 << 24);
      element = static_cast<T>(std::is_integral_v<T> ? static_cast<double>((state >> 40) % 3)
                               : probabilities       ? 0.05 + 0.9 * u
                                                     : 3 * u - 1.5);
    }
  });
  return tensor;
}

std::string DifferenceOf(const std::string& text, const char* type) {
  auto module = frontend::ParseProgram("m.gr", text);
  if (!module.ok()) return module.status().ToString();
  frontend::LowerOptions options;
  options.set = {{"float", type}};
  absl::StatusOr<ir::Graph> graph = frontend::Lower(*module, options, frontend::Entry::kStep);
  if (!graph.ok()) return graph.status().ToString();
  passes::RunOptions until_frozen;
  until_frozen.stop_after = "simplified";
  const auto passed = passes::RunPasses(passes::kStepPipeline, *graph, until_frozen);
  if (!passed.ok()) return passed.status().ToString();
  ir::NamedTensors declared;
  uint64_t seed = 1;
  for (const auto& statement : graph->body.statements) {
    if (!ir::IsDeclaration(statement->op) || statement->op == ir::Op::kNext) continue;
    const ir::Value& value = *statement->result();
    // States of optimizers are sums of squares or the like.
    const bool state = statement->op == ir::Op::kState;
    declared.emplace(value.name, value.name == "step" ? ir::Tensor::Scalar<int64_t>(1)
                                                      : Numbers(value.type, state || value.name == "q", ++seed));
  }
  RunConfiguration configuration;
  configuration.target = TargetsOfThisMachine()[0];
  return Difference(*graph, declared, configuration);
}

// With GRADUS_ROUNDS=18 every activation × loss × optimizer, in two layers; with 0 a fifth of the activations.
TEST(NativeTest, AStepOfEveryPairHasTheBitsOfTheInterpreter) {
  size_t rounds = 1;
  const char* given = std::getenv("GRADUS_ROUNDS");
  if (given != nullptr) {
    ASSERT_TRUE(absl::SimpleAtoi(given, &rounds));
  }
  const size_t networks = rounds == 0 ? kActivations.size() / 5 : rounds * kActivations.size();
  for (size_t i = 0; i < networks; ++i) {
    const std::string text = Program(i % kActivations.size(), i / kActivations.size(), given != nullptr && rounds > 0);
    EXPECT_EQ(DifferenceOf(text, i % 4 == 3 ? "f64" : "f32"), "") << text;
  }
}

}  // namespace
}  // namespace gradus::testing_support
