// Every optimizer and schedule of the library against PyTorch: the parameter after each of 20 updates and more.
#include <gtest/gtest.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "passes/backprop.h"
#include "tests/library/reference.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

// A model whose gradient by w is its input c, trained by this optimizer.
std::string Program(const std::string& optimizer, const std::string& parameter, int64_t size) {
  return absl::StrCat("model m {\n  input c : float[", size, "]\n  param w : float[", size, "] = ", parameter,
                      "\n  loss = sum(c * w)\n  output w\n}\ntrain m { minimize loss; optimizer ", optimizer, " }\n");
}

// What `minimize` would be given: w after each gradient.
absl::StatusOr<std::vector<ir::Tensor>> Train(const ReferenceUpdates& c) {
  const std::string text = Program(c.text, c.parameter, c.size);
  ASSIGN_OR_RETURN(const ir::Graph initialize, LowerText(text, frontend::Entry::kInitialize));
  ASSIGN_OR_RETURN(const ir::StepValues initial, ir::Interpret(initialize, {}));
  ASSIGN_OR_RETURN(ir::Graph step, LowerText(text, frontend::Entry::kStep));
  RETURN_IF_ERROR(passes::Backprop(step).status());
  ir::NamedTensors state = initial.outputs;
  std::vector<ir::Tensor> updates;
  for (size_t i = 0; i < c.gradients.size(); ++i) {
    ir::NamedTensors declared = state;
    declared.emplace("c", ir::Tensor::Of<double>({c.size}, c.gradients[i]));
    if (step.Find("step") != nullptr)
      declared.emplace("step", ir::Tensor::Scalar<int64_t>(static_cast<int64_t>(i) + 1));
    ASSIGN_OR_RETURN(const ir::StepValues values, ir::Interpret(step, declared));
    for (const auto& [name, tensor] : values.next) state.insert_or_assign(name, tensor);
    updates.push_back(state.at("w"));
  }
  return updates;
}

TEST(OptimizerTest, UpdatesAreThoseOfPyTorch) {
  for (const ReferenceUpdates& c : ReadUpdates("optimizers.json")) {
    SCOPED_TRACE(c.name);
    const auto updates = Train(c);
    EXPECT_THAT(updates, IsOk());
    if (!updates.ok()) continue;
    EXPECT_GE(updates->size(), 20u);
    for (size_t i = 0; i < updates->size(); ++i) {
      EXPECT_EQ(Difference(c.values[i], (*updates)[i]), "") << "after update " << i + 1;
    }
  }
}

// A gradient that is 0 from the start moves nothing and divides by nothing.
TEST(OptimizerTest, NoGradientNoMoveNoNan) {
  for (const char* optimizer : {"sgd(lr=0.1)", "momentum(lr=0.1)", "nesterov(lr=0.1)", "adagrad", "adadelta", "rmsprop",
                                "rmsprop(centered=true, mu=0.9)", "adam", "amsgrad", "adamax", "nadam", "radam",
                                "adamw(weight_decay=0)", "lion", "lamb", "sgd(lr=0.1, clip_norm=1)"}) {
    const ReferenceUpdates c{"", optimizer, "[0.5, 0]", 2, {{0, 0}, {0, 0}}, {}};
    const auto updates = Train(c);
    ASSERT_THAT(updates, IsOk()) << optimizer;
    EXPECT_EQ(Difference({0.5, 0}, updates->back()), "") << optimizer;
  }
}

// Each number of an optimizer may depend on the step.
TEST(OptimizerTest, EveryNumberMayBeASchedule) {
  const std::string text =
      "adam(lr=warmup(0.1, 5), beta1=0.9 - 0.1 / step, weight_decay=step_decay(0.1, 2), clip=1 / step, "
      "clip_norm=2 / step)";
  const auto updates = Train({"", text, "[0.5, -1]", 2, {{1, 2}, {0.5, -3}, {0.1, 0.1}}, {}});
  ASSERT_THAT(updates, IsOk());
  for (const double w : updates->back().data<double>()) EXPECT_TRUE(std::isfinite(w));
}

}  // namespace
}  // namespace gradus::testing_support
