// gradus check --grad: finds planted wrong gradients, at the statement that makes them wrong, and lets right ones pass.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/golden.h"
#include "tests/tools/command.h"
#include "tests/tools/planted_gradients.h"

namespace gradus::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class CheckGradientTest : public CommandTest {
 protected:
  nlohmann::json Check(const std::string& arguments, int expected_code) {
    const CommandResult result = Gradus(absl::StrCat("check --grad --json ", arguments));
    EXPECT_EQ(result.code, expected_code) << arguments << "\n" << result.out << result.error;
    return result.out.empty() ? nlohmann::json() : nlohmann::json::parse(result.out);
  }

  static std::vector<nlohmann::json> Wrong(const nlohmann::json& report) {
    std::vector<nlohmann::json> wrong;
    if (report.is_null()) return wrong;
    for (const auto& gradient : report["gradients"]) {
      for (const auto& one : gradient["wrong"]) wrong.push_back(one);
    }
    return wrong;
  }

  void ExpectRight(const std::string& arguments) {
    const nlohmann::json report = Check(arguments, 0);
    EXPECT_TRUE(Wrong(report).empty()) << arguments << "\n" << report.dump(2);
  }
};

// --- (a) wrong rules that a user writes

TEST_F(CheckGradientTest, EveryWrongRuleOfAUserIsFoundAtItsCall) {
  EXPECT_GE(std::size(kWrongRules), 20u);
  for (const WrongRule& rule : kWrongRules) {
    SCOPED_TRACE(rule.what);
    Write("m.gr", absl::StrReplaceAll(absl::StrCat(rule.function, kProgram), {{"CALL", rule.call}}));
    const std::vector<nlohmann::json> wrong = Wrong(Check("m.gr --random", 3));
    ASSERT_FALSE(wrong.empty());
    std::vector<std::string> by;
    for (const nlohmann::json& one : wrong) {
      EXPECT_EQ(one["statement"], "k");
      EXPECT_EQ(one["place"], "m.gr:10:7");
      EXPECT_EQ(one["rule"], "the vjp of f at m.gr:2:1");
      by.push_back(one["by"]);
      if (*rule.how != '\0') {
        EXPECT_EQ(one["what"], rule.how);
      }
    }
    EXPECT_EQ(absl::StrJoin(by, " "), rule.by);
  }
}

TEST_F(CheckGradientTest, TheSameRulesWrittenRightPass) {
  for (const auto& [function, call] : std::vector<std::pair<std::string, std::string>>{
           {"fn f(x) = tanh(x)\nvjp(g) { return g * (1 - tanh(x) ** 2) }", "f(l2(h))"},
           {"fn f(x, w) = x @ w\nvjp(g) { return g @ w.T, x.T @ g }", "f(h, l2.w)"},
           {"fn f(x, b) = x * b\nvjp(g) { return g * b, sum(g * x, axis=0) }", "f(h, s)"},
           {"fn f(a, b) = a / b\nvjp(g) { return g / b, -(g * a) / (b * b) }", "f(l2(h), 2 + h)"},
           {"fn f(a, b) = a * b\nvjp(g) { return g * b, g * a }", "f(h, h)"},
           {"fn f(x) { y = x * x\nreturn y * x } vjp(g) { return 3 * g * y }", "f(f(h)) + f(h)"},
           {"fn f(x) = x - mean(x, axis=1, keepdims=true)\nvjp(g) { return g - mean(g, axis=1, keepdims=true) }",
            "f(l2(h))"},
           // One of the slopes on both sides of a kink is as good as the other.
           {"fn f(x) = maximum(x, 0)\nvjp(g) { return where(x >= 0, g, 0) }", "f(0 * h)"}}) {
    Write("m.gr", absl::StrReplaceAll(absl::StrCat(function, kProgram), {{"CALL", call}}));
    ExpectRight("m.gr --random");
  }
}

TEST_F(CheckGradientTest, AWrongRuleIsFoundInTheSecondOrderToo) {
  Write("m.gr", R"(fn f(x) = sin(x)
vjp(g) { return g * (1 - x * x / 2) }
model m {
  dim B = 4
  input x : float[B,3]
  l1 = linear(3, 1)
  u = f(l1(x))
  u_x = grad(sum(u), x)
  loss = sum(u_x ** 2)
}
train m { minimize loss; optimizer sgd(lr=0.1); batch B; steps 1 }
)");
  const nlohmann::json report = Check("m.gr --random", 3);
  const std::vector<nlohmann::json> wrong = Wrong(report);
  ASSERT_EQ(wrong.size(), 1u);
  EXPECT_EQ(wrong[0]["place"], "m.gr:7:7");
  // The loss is computed by the wrong rule, and its own gradient is the derivative of that.
  EXPECT_FALSE(report["gradients"][0]["ok"].get<bool>());
  EXPECT_TRUE(report["gradients"][1]["ok"].get<bool>());
}

TEST_F(CheckGradientTest, SeveralWrongRulesAreNamedInTheOrderOfTheProgram) {
  Write("m.gr", absl::StrReplaceAll(absl::StrCat("fn a(x) = x * x\nvjp(g) { return g * x }\n"
                                                 "fn b(x) = sin(x)\nvjp(g) { return g * sin(x) }",
                                                 kProgram),
                                    {{"CALL", "b(l2(a(h)))"}}));
  const std::vector<nlohmann::json> wrong = Wrong(Check("m.gr --random", 3));
  ASSERT_EQ(wrong.size(), 2u);
  EXPECT_EQ(wrong[0]["rule"], "the vjp of a at m.gr:2:1");
  EXPECT_EQ(wrong[1]["rule"], "the vjp of b at m.gr:4:1");
}

// --- (b) a printed step, edited

TEST_F(CheckGradientTest, EveryWrongEditOfAPrintedStepIsFoundAtItsLine) {
  EXPECT_GE(std::size(kWrongEdits), 20u);
  Write("m.gr", kStepProgram);
  const std::string step = Gradus("grad m.gr").out;
  Write("step.gr", step);
  ExpectRight("step.gr --random");
  for (const WrongEdit& edit : kWrongEdits) {
    SCOPED_TRACE(edit.what);
    const size_t at = step.find(edit.from);
    ASSERT_NE(at, std::string::npos) << edit.from << " is not in\n" << step;
    ASSERT_EQ(step.find(edit.from, at + 1), std::string::npos) << edit.from;
    const std::string edited = absl::StrReplaceAll(step, {{edit.from, edit.to}});
    Write("step.gr", edited);
    const std::vector<nlohmann::json> wrong = Wrong(Check("step.gr --random", 3));
    ASSERT_GE(wrong.size(), 1u);
    EXPECT_EQ(wrong[0]["statement"].get<std::string>(), edit.statement);
    EXPECT_EQ(wrong[0]["adjoint"].get<std::string>(), edit.adjoint);
    const std::vector<std::string> lines = absl::StrSplit(edited, '\n');
    EXPECT_THAT(lines[wrong[0].value("line", 1) - 1], HasSubstr(absl::StrCat(edit.adjoint, " ")));
    EXPECT_EQ(wrong.size(), 1u) << wrong[1].dump(2);
  }
}

// --- right models

TEST_F(CheckGradientTest, EveryExampleIsRight) {
  int examples = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(GRADUS_SOURCE_DIR "/examples")) {
    if (entry.path().extension() != ".gr") continue;
    const std::string stem = entry.path().stem();
    std::string arguments = absl::StrCat(entry.path().string(), " --random");
    if (stem == "char_gpt" || stem == "gpt_medium" || stem == "writer")
      absl::StrAppend(&arguments, " --set B=2 --set T=4 --set V=5 --set D=8 --set L=2 --set H=2");
    if (stem == "char_lstm") absl::StrAppend(&arguments, " --set B=2 --set T=12 --set V=5 --set E=4 --set H=6");
    if (stem == "forecaster") absl::StrAppend(&arguments, " --set B=4 --set T=12 --set H=6");
    if (stem == "unet") absl::StrAppend(&arguments, " --set B=2 --set S=8");
    if (stem == "resnet20") {
      // Every layer, on smaller images.
      Write("resnet20.gr", absl::StrReplaceAll(Slurp(entry.path()), {{"[B,32,32,3]", "[B,8,8,3]"}}));
      arguments = "resnet20.gr --random --set B=2";
    }
    const CommandResult result = Gradus(absl::StrCat("check --grad ", arguments));
    ++examples;
    const size_t several = result.error.find(" has several: ");
    if (several == std::string::npos) {
      EXPECT_EQ(result.code, 0) << arguments << "\n" << result.out << result.error;
      continue;
    }
    const std::string list = result.error.substr(several + 14, result.error.find(" [", several) - several - 14);
    for (const absl::string_view name : absl::StrSplit(list, ", "))
      ExpectRight(absl::StrCat(arguments, " --model ", name));
  }
  EXPECT_GE(examples, 20);
  ExpectRight(Example("digits.gr"));
  ExpectRight(Example("xor.gr"));
  for (const char* example : {"digits.gr", "tiny.gr", "textbook/regression.gr"}) {
    for (const char* stage : {"parsed", "step", "simplified"}) {
      Write("printed.gr", Gradus(absl::StrCat("show --stage ", stage, " ", Example(example))).out);
      ExpectRight("printed.gr --random");
    }
  }
}

TEST_F(CheckGradientTest, EveryActivationWithEveryLossIsRight) {
  const char* const activations[] = {"identity(z)",
                                     "sigmoid(z)",
                                     "tanh(z)",
                                     "relu(z)",
                                     "leaky_relu(z)",
                                     "rect(z)",
                                     "relu6(z)",
                                     "elu(z)",
                                     "selu(z)",
                                     "celu(z)",
                                     "gelu(z)",
                                     "gelu_tanh(z)",
                                     "silu(z)",
                                     "mish(z)",
                                     "softplus(z)",
                                     "log_sigmoid(z)",
                                     "softsign(z)",
                                     "hard_sigmoid(z)",
                                     "hard_swish(z)",
                                     "hard_tanh(z)",
                                     "softmax(z)",
                                     "log_softmax(z)",
                                     "maxout(concat([z, -z], axis=1), 2)"};
  const char* const losses[] = {"mse(y, t)",
                                "least_squares(y, t)",
                                "mae(y, t)",
                                "mean(huber(y, t))",
                                "mean(smooth_l1(y, t))",
                                "mean(log_cosh(y, t))",
                                "mean(binary_cross_entropy(sigmoid(y), sigmoid(t)))",
                                "mean(binary_cross_entropy_with_logits(y, sigmoid(t)))",
                                "mean(binary_cross_entropy_with_logits(y, sigmoid(t), positive=3))",
                                "mean(cross_entropy(y, c))",
                                "mean(cross_entropy(y, softmax(t)))",
                                "mean(cross_entropy(y, c, smoothing=0.1))",
                                "mean_cross_entropy(y, c, ignore=1)",
                                "mean(kl_divergence(log_softmax(y), softmax(t)))",
                                "mean(hinge(y, sign(t)))",
                                "mean(1 - cosine_similarity(y, t))",
                                "mean(cosine_embedding(y, t, sign(t[:, 0])))",
                                "mean(triplet(y, t, flip(t, axis=1)))",
                                "mean(poisson_nll(y, exp(t)))",
                                "mean(gaussian_nll(y, t, exp(y)))"};
  for (const char* activation : activations) {
    std::string text = R"(model m {
  dim B = 4
  input x : float[B,3]
  input t : float[B,3]
  input c : i32[B]
  rect = prelu()
  l1 = linear(3, 4); l2 = linear(4, 3)
  z = 3 * l1(x)
)";
    absl::StrAppend(&text, "  y = l2(", activation, ")\n");
    std::string sum = "0";
    int number = 0;
    for (const char* loss : losses) {
      absl::StrAppend(&text, "  loss", ++number, " = ", loss, "\n");
      absl::StrAppend(&sum, " + ", number, " * loss", number);
    }
    Write("m.gr", absl::StrCat(text, "  loss = ", sum,
                               "\n}\ntrain m { minimize loss; optimizer sgd(lr=0.1); batch B; steps 1 }\n"));
    ExpectRight("m.gr --random");
  }
}

TEST_F(CheckGradientTest, SecondDerivativesInsideTheLossAreRight) {
  Write("pinn.gr", absl::StrCat(Slurp(GRADUS_SOURCE_DIR "/tests/frontend/models/pinn.gr"),
                                "\ntrain pinn { minimize loss; optimizer adam(lr=0.1); steps 1 }\n"));
  const nlohmann::json report = Check("pinn.gr --random --set N=8 --set M=4", 0);
  ASSERT_EQ(report["gradients"].size(), 3u);
  EXPECT_EQ(report["gradients"][0]["parameters"][0]["name"], "x");
}

TEST_F(CheckGradientTest, StopGradientAndGroupsAndStatesAreRight) {
  Write("m.gr", R"(model m {
  dim B = 4
  input x : float[B,3]
  input noise : float[B,3] = normal(std=1)
  state mean0 : float[3] = zeros
  l1 = linear(3, 3); l2 = linear(3, 1)
  centered = x + noise - stop_gradient(mean0)
  next mean0 = 0.9 * mean0 + 0.1 * mean(x, axis=0)
  h = tanh(l1(centered))
  rounded = h + stop_gradient(round(4 * h) / 4 - h)
  for i in range(2) { rounded = rounded * l1(rounded) }
  y = l2(rounded)
  score = mean(y)
  loss = mean(y ** 2)
}
train m {
  minimize loss wrt l1.*
  optimizer momentum(lr=0.1)
  minimize 0 - score wrt l2.*
  optimizer adam(lr=0.1)
  batch B; steps 1
}
)");
  const nlohmann::json report = Check("m.gr --random", 0);
  EXPECT_EQ(report["gradients"].size(), 2u);
}

// Names that are bound again, two objectives, and everything that a recipe does to gradients afterwards.
TEST_F(CheckGradientTest, RecipesAreRightAsProgramsAndInPrint) {
  Write("m.gr", R"(model m {
  dim B = 4
  input x : float[B,3]
  input y : i32[B]
  l1 = linear(3, 5); l2 = linear(5, 5); l3 = linear(5, 4)
  h = relu(l1(x))
  h = h + tanh(l2(h))
  h = h * sigmoid(h)
  logits = l3(h)
  loss = mean(cross_entropy(logits, y))
  reg = sum(l1.w ** 2)
}
train m {
  minimize loss wrt l2.*, l3.*
  optimizer adam(lr=0.1) for *.w
  optimizer none for l2.b
  optimizer sgd(lr=0.1)
  clip 1
  minimize loss + reg wrt l1.* every 2
  optimizer sgd(lr=0.1)
  accumulate 2
  ema 0.99
  batch B; epochs 1
}
)");
  EXPECT_EQ(Check("m.gr --random", 0)["gradients"].size(), 2u);
  EXPECT_THAT(Gradus("grad m.gr").out, HasSubstr("\n  d2.h       : f32[4,5] = d2.h'2 + "));
  for (const char* stage : {"parsed", "step", "simplified"}) {
    Write("printed.gr", Gradus(absl::StrCat("show m.gr --stage ", stage)).out);
    EXPECT_EQ(Check("printed.gr --random", 0)["gradients"].size(), 2u) << stage;
  }
}

// A rule that is no derivative on purpose is taken at its word, and everything around it is still checked.
TEST_F(CheckGradientTest, ATrustedRuleIsTakenAtItsWord) {
  const std::string program = R"(fn gently(x) = x * x
vjp(g) { return maximum(-1, minimum(2 * g * x, 1)) / 2 }
fn wrong(x) = sin(x)
vjp(g) { return -g * cos(x) }
model m {
  dim B = 4
  input x : float[B,3]
  l1 = linear(3, 5); l2 = linear(5, 5)
  h = FUNCTION(l1(x))
  k = straight_through(round(4 * h) / 4, h) + 0.5 * gently(3 * h)
  loss = mean(l2(k) ** 2)
}
train m { minimize loss; optimizer sgd(lr=0.1); batch B; steps 1 }
)";
  Write("m.gr", absl::StrReplaceAll(program, {{"FUNCTION", "tanh"}}));
  ExpectRight("m.gr --random --trust gently");
  const CommandResult untrusted = Gradus("check --grad m.gr --random");
  EXPECT_EQ(untrusted.code, 3);
  EXPECT_THAT(untrusted.out,
              HasSubstr("if that rule is not meant to be the derivative of the value: --trust gently\n"));
  Write("m.gr", absl::StrReplaceAll(program, {{"FUNCTION", "wrong"}}));
  const nlohmann::json report = Check("m.gr --random --trust gently", 3);
  ASSERT_EQ(Wrong(report).size(), 1u);
  EXPECT_EQ(Wrong(report)[0]["rule"], "the vjp of wrong at m.gr:4:1");
  EXPECT_EQ(report["gradients"][0]["parameters"][0]["verdict"], "wrong");
  EXPECT_EQ(report["gradients"][0]["parameters"][2]["verdict"], "right");
}

TEST_F(CheckGradientTest, AProgramWithoutARecipeIsCheckedWhereItSaysGrad) {
  Write("m.gr", R"(model m {
  param x : float[3] = [-1, 0.5, 2]
  y = sum(x ** 3)
  one = grad(y, x)
  two = grad(sum(one), x)
  output one, two
}
)");
  EXPECT_EQ(Check("m.gr", 0)["gradients"].size(), 2u);
}

// --- kinks, rounding, what is not finite

TEST_F(CheckGradientTest, AKinkIsNoError) {
  Write("m.gr", R"(model m {
  input x : float[4]
  param a : float[4] = zeros
  param b : float[4] = zeros
  param w : float[4] = [1, 2, 3, 4]
  loss = sum(w * relu(a - a)) + sum(w * abs(b * x * 0)) + sum(max(w * 0)) + sum(maximum(w, w) * x)
}
train m { minimize loss; optimizer sgd(lr=0.1); steps 1 }
)");
  ExpectRight("m.gr --random");
  // At the initial values themselves, where relu, abs and maximum have their kinks.
  Write("k.gr", R"(model k {
  input x : float[3]
  param a : float[3] = zeros
  param b : float[3] = zeros
  loss = sum(relu(a) * x) + sum(abs(b)) + sum(maximum(a, b) * x) + max(a)
}
train k { minimize loss; optimizer sgd(lr=0.1); steps 1; data x = [1, 2, 3] }
)");
  ASSERT_EQ(Gradus("train k.gr --steps 1 --save k.safetensors").code, 0);
  Write("zero.gr", absl::StrReplaceAll(Slurp(Path("k.gr")), {{"lr=0.1", "lr=0"}}));
  ASSERT_EQ(Gradus("train zero.gr --steps 1 --save zero.safetensors").code, 0);
  const CommandResult result = Gradus("check --grad k.gr --load zero.safetensors");
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_THAT(result.out, HasSubstr(" | "));
}

TEST_F(CheckGradientTest, AGradientThatIsOnlyRoundingIsNoError) {
  // A shift before a softmax, and a bias before centering, change nothing.
  Write("m.gr", R"(model m {
  dim B = 4
  input x : float[B,3]
  input y : i32[B]
  param shift : float[1] = ones
  param b : float[3] = ones
  fc = linear(3, 3)
  z = fc(x) + broadcast(b, [1, 3])
  c = z - mean(z, axis=0, keepdims=true)
  logits = c / sqrt(mean(c ** 2, axis=0, keepdims=true) + 0.00001) + shift
  loss = mean(cross_entropy(logits, y))
}
train m { minimize loss; optimizer sgd(lr=0.1); batch B; steps 1 }
)");
  ExpectRight("m.gr --random");
}

TEST_F(CheckGradientTest, ADerivativeThatIsNotFiniteIsNamedWithItsRule) {
  Write("m.gr", absl::StrReplaceAll(absl::StrCat("fn f(x) = 2 * x\nvjp(g) { return g * (x - x) / (x - x) }", kProgram),
                                    {{"CALL", "f(l2(h))"}}));
  const CommandResult result = Gradus("check --grad m.gr --random");
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.out, HasSubstr("The first statement that is not finite: d.l2.z, m.gr:10:7 (nan)\n"
                                    "  by the vjp of f at m.gr:2:1\n"));
}

TEST_F(CheckGradientTest, WhatIsNotFiniteIsNamed) {
  Write("m.gr", R"(model m {
  input x : float[3]
  param a : float[3] = zeros
  h = a - 5
  l = 1 / (h - h)
  loss = sum(l * x)
}
train m { minimize loss; optimizer sgd(lr=0.1); steps 1 }
)");
  const CommandResult result = Gradus("check --grad m.gr --random");
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.out, AllOf(HasSubstr("NOT FINITE"), HasSubstr("The first statement that is not finite: "),
                                HasSubstr("m.gr:5:")));
}

// --- the command

TEST_F(CheckGradientTest, WhatItNeedsIsSaid) {
  Write("m.gr",
        "model m { input x : float[3]; param a : float[3] = ones; loss = sum(a * x); output loss }\n"
        "train m { minimize loss; optimizer sgd(lr=0.1); steps 1 }\n");
  EXPECT_THAT(Gradus("check --grad m.gr").error, HasSubstr("--random checks with random inputs"));
  for (const char* wrong : {"--random", "--grad --random --threads 2", "--grad --random --fuse off",
                            "--grad --random --data x.npz", "--grad --random --seed -1"}) {
    EXPECT_EQ(Gradus(absl::StrCat("check m.gr ", wrong)).code, 2) << wrong;
  }
  EXPECT_THAT(Gradus("check --grad m.gr --random --trust nobody").error,
              HasSubstr("m.step: no function nobody with a vjp is used in it"));
  Write("n.gr", "model m { input x : float[3]; output x }\n");
  EXPECT_THAT(Gradus("check --grad n.gr").error, HasSubstr("has no recipe and no `grad`"));
  Write("huge.gr", R"(model huge {
  dim B = 64, W = 300000
  input x : float[B,W]
  l = linear(W, W)
  loss = mean(l(x) ** 2)
}
train huge { minimize loss; optimizer sgd(lr=0.1); batch B; epochs 1 }
)");
  EXPECT_THAT(Gradus("check --grad huge.gr --random").error, HasSubstr("more than the "));
  Write("fused.gr", Gradus("show m.gr --stage plan").out);
  EXPECT_EQ(Gradus("check --grad fused.gr --random").code, 1);
}

}  // namespace
}  // namespace gradus::tools
