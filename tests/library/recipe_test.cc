// What a recipe does beside its optimizer, against PyTorch: clipping, accumulation, averages, groups, freezing, batches
// of any size.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "passes/backprop.h"
#include "passes/pipeline.h"
#include "tests/codegen/native_run.h"
#include "tests/differential/native_difference.h"
#include "tests/library/reference.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

using nlohmann::json;

const json& Recipes() {
  static const json all = json::parse(std::ifstream(absl::StrCat(GRADUS_SOURCE_DIR, "/tests/library/recipes.json")));
  return all;
}

std::string Program(const json& recipe) {
  const std::string text = recipe["text"];
  return absl::StrCat("model m {\n  dim B = ", recipe["batch"].get<int>(), R"(
  input x : float[B,3]; input t : float[B,2]
  fc1 = linear(3, 4); fc2 = linear(4, 2)
  y = fc2(tanh(fc1(x)))
  loss = mse(y, t)
  output y
}
train m { minimize loss)",
                      absl::StartsWith(text, "wrt") ? " " : "; ", text, " }\n");
}

// Rows of the data, as the model's input.
ir::Tensor Rows(const json& values, int64_t width, const std::vector<int64_t>& examples) {
  std::vector<double> rows;
  for (const int64_t example : examples) {
    for (int64_t i = 0; i < width; ++i) rows.push_back(values[example * width + i].get<double>());
  }
  return ir::Tensor::Of<double>({static_cast<int64_t>(examples.size()), width}, rows);
}

void FeedExamples(const std::vector<int64_t>& examples, ir::NamedTensors& declared) {
  declared["x"] = Rows(Recipes()[0]["x"], 3, examples);
  declared["t"] = Rows(Recipes()[0]["t"], 2, examples);
}

// Initial states, with the parameters of the file and averages that begin as they do.
absl::StatusOr<ir::NamedTensors> InitialState(const std::string& text) {
  ASSIGN_OR_RETURN(const ir::Graph initialize, LowerText(text, frontend::Entry::kInitialize));
  ASSIGN_OR_RETURN(const ir::StepValues initial, ir::Interpret(initialize, {{"seed", ir::Tensor::Scalar<int64_t>(0)}}));
  ir::NamedTensors state = initial.outputs;
  for (const auto& [name, values] : Recipes()[0]["initial"].items()) {
    ir::Tensor& tensor = state.at(name);
    const ir::Tensor given = ir::Tensor::Of<double>(tensor.type().shape, values.get<std::vector<double>>());
    // The average is a copy of the same draw.
    if (const auto average = state.find(name + ".ema"); average != state.end()) {
      EXPECT_TRUE(SameBits(average->second, tensor)) << name;
      average->second = given;
    }
    tensor = given;
  }
  return state;
}

absl::Status ExpectAsPyTorch(const json& recipe) {
  const std::string text = Program(recipe);
  ASSIGN_OR_RETURN(ir::NamedTensors state, InitialState(text));
  ASSIGN_OR_RETURN(ir::Graph step, LowerText(text, frontend::Entry::kStep));
  RETURN_IF_ERROR(passes::Backprop(step).status());
  const auto batches = recipe["batches"].get<std::vector<std::vector<int64_t>>>();
  const int64_t accumulate = recipe["accumulate"];
  for (size_t i = 0; i < batches.size(); ++i) {
    ir::NamedTensors declared = state;
    FeedExamples(batches[i], declared);
    if (step.Find("step") != nullptr) declared["step"] = ir::Tensor::Scalar<int64_t>(static_cast<int64_t>(i) + 1);
    ASSIGN_OR_RETURN(const ir::StepValues values, ir::Interpret(step, declared));
    for (const auto& [name, tensor] : values.next) state.insert_or_assign(name, tensor);
    if ((static_cast<int64_t>(i) + 1) % accumulate != 0) continue;
    const std::string update = absl::StrCat((static_cast<int64_t>(i) + 1) / accumulate);
    if (!recipe["values"].contains(update)) continue;
    for (const auto& [name, expected] : recipe["values"][update].items()) {
      EXPECT_EQ(Difference(expected.get<std::vector<double>>(), state.at(name)), "") << name << " after " << update;
      if (!recipe.contains("averages")) continue;
      const auto average = state.find(name + ".ema");
      const std::vector<double> of_it = recipe["averages"][update][name];
      EXPECT_EQ(Difference(of_it, average == state.end() ? state.at(name) : average->second), "")
          << "average of " << name << " after " << update;
    }
  }
  ASSIGN_OR_RETURN(const ir::Graph predict, LowerText(text, frontend::Entry::kPredict));
  std::vector<int64_t> first(recipe["batch"].get<size_t>());
  for (size_t i = 0; i < first.size(); ++i) first[i] = static_cast<int64_t>(i);
  FeedExamples(first, state);
  ASSIGN_OR_RETURN(const ir::StepValues predicted, ir::Interpret(predict, state));
  EXPECT_EQ(Difference(recipe["predicted"].get<std::vector<double>>(), predicted.outputs.at("y")), "") << "prediction";
  return absl::OkStatus();
}

TEST(RecipeTest, ParametersAveragesAndPredictionsAreThoseOfPyTorch) {
  ASSERT_GT(Recipes().size(), 15u);
  for (size_t i = 1; i < Recipes().size(); ++i) {
    SCOPED_TRACE(Recipes()[i]["name"].get<std::string>());
    EXPECT_THAT(ExpectAsPyTorch(Recipes()[i]), IsOk());
  }
}

TEST(RecipeTest, NativeStepsHaveTheBitsOfTheInterpreter) {
  constexpr int64_t kThreads[] = {1, 2, 7};
  for (size_t i = 1; i < Recipes().size(); ++i) {
    const json& recipe = Recipes()[i];
    SCOPED_TRACE(recipe["name"].get<std::string>());
    const std::string text = Program(recipe);
    auto graph = LowerText(text, frontend::Entry::kStep);
    ASSERT_THAT(graph, IsOk());
    passes::RunOptions until_frozen;
    until_frozen.stop_after = "simplified";
    ASSERT_THAT(passes::RunPasses(passes::kStepPipeline, *graph, until_frozen), IsOk());
    auto declared = InitialState(text);
    ASSERT_THAT(declared, IsOk());
    FeedExamples(recipe["batches"][0].get<std::vector<int64_t>>(), *declared);
    if (graph->Find("step") != nullptr) (*declared)["step"] = ir::Tensor::Scalar<int64_t>(1);
    const bool all = recipe["name"] == "all of it";
    for (const int64_t threads : kThreads) {
      if (!all && threads != kThreads[i % 3]) continue;
      RunConfiguration configuration;
      configuration.target = TargetsOfThisMachine()[0];
      configuration.threads = threads;
      configuration.steps = 7;  // past two updates of an accumulation
      EXPECT_EQ(Difference(*graph, *declared, configuration), "") << threads << " threads";
    }
  }
}

// What a frozen parameter would have been is not even computed.
TEST(RecipeTest, NoGradientIsTakenByAFrozenParameter) {
  for (const char* text : {"optimizer none for fc1.*; optimizer sgd(lr=1)", "wrt fc2.*; optimizer sgd(lr=1)"}) {
    auto step = LowerText(Program({{"batch", 2}, {"text", text}}), frontend::Entry::kStep);
    ASSERT_THAT(step, IsOk());
    ASSERT_THAT(passes::Backprop(*step), IsOk());
    EXPECT_NE(step->Find("d.fc2.w"), nullptr);
    EXPECT_EQ(step->Find("d.fc1.w"), nullptr) << text;
    for (const auto& statement : step->body.statements) {
      if (statement->op == ir::Op::kNext) {
        EXPECT_NE(statement->operands[0]->name, "fc1.w") << text;
      }
    }
  }
}

// A number of a recipe that depends on the step takes the type of the parameter, whatever it is made of.
TEST(RecipeTest, ConditionsOnTheStepAreHyperparameters) {
  for (const char* rate : {"where(step > 3, 1, 2)", "where(step > 3 and not step == 5 or epoch < 2, 1, 0.5)",
                           "piecewise([1, 0], [1])", "1 * step"}) {
    for (const auto* type : {"f32", "f64"}) {
      const std::string text = absl::StrCat("model m { param w : ", type, "[2] = ones; loss = sum(w * w); output w }\n",
                                            "train m { minimize loss; optimizer sgd(lr=", rate, ") }");
      EXPECT_THAT(LowerText(text, frontend::Entry::kStep), IsOk()) << text;
    }
  }
}

TEST(RecipeTest, SchedulesCountUpdates) {
  auto step = LowerText(Program({{"batch", 2}, {"text", "optimizer sgd(lr=piecewise([1, 0], [1])); accumulate 2"}}),
                        frontend::Entry::kStep);
  ASSERT_THAT(step, IsOk());
  ASSERT_THAT(passes::Backprop(*step), IsOk());
  auto state = InitialState(Program({{"batch", 2}, {"text", "optimizer sgd(lr=1); accumulate 2"}}));
  ASSERT_THAT(state, IsOk());
  FeedExamples({0, 1}, *state);
  std::vector<bool> moved;
  for (int64_t i = 1; i <= 4; ++i) {
    (*state)["step"] = ir::Tensor::Scalar(i);
    auto values = ir::Interpret(*step, *state);
    ASSERT_THAT(values, IsOk());
    moved.push_back(!SameBits(values->next.at("fc1.w"), state->at("fc1.w")));
    for (const auto& [name, tensor] : values->next) (*state)[name] = tensor;
  }
  EXPECT_EQ(moved, (std::vector<bool>{false, true, false, false}));  // the rate of the second update is 0
}

TEST(RecipeTest, GradientsOfTwoTypesHaveOneNorm) {
  auto step = LowerText(R"(model m {
  param a : f32[2] = ones; param b : f64[2] = ones
  loss = f64(sum(a * a)) + sum(b * b)
  output loss
}
train m { minimize loss; optimizer sgd(lr=1); clip 1 })",
                        frontend::Entry::kStep);
  ASSERT_THAT(step, IsOk());
  ASSERT_THAT(passes::Backprop(*step), IsOk());
  const auto values =
      ir::Interpret(*step, {{"a", ir::Tensor::Of<float>({2}, {1, 1})}, {"b", ir::Tensor::Of<double>({2}, {1, 1})}});
  ASSERT_THAT(values, IsOk());
  // Four slopes of 2 are 4 long; each becomes ½.
  EXPECT_NEAR(values->next.at("a").data<float>()[0], 0.5, 1e-6);
  EXPECT_NEAR(values->next.at("b").data<double>()[1], 0.5, 1e-6);
}

}  // namespace
}  // namespace gradus::testing_support
