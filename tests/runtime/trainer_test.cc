#include "runtime/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "runtime/shuffle.h"
#include "tests/matchers.h"
#include "tests/runtime/program.h"

namespace gradus::runtime {
namespace {

using testing_support::FailsWith;
using testing_support::IsOk;

// Learns the mean of its data: the state after a step is known by hand.
constexpr char kMean[] = R"(model mean_of {
  dim B = 2
  input x : float[B]
  param w : float = 0
  loss = mean((x - w) ** 2)
  error = mean(abs(x - w))
  output shifted
  shifted = x - w
}
train mean_of {
  minimize  loss
  optimizer sgd(lr=0.5)
  metric    error
  metric    root = sqrt(loss)
  data      x = [1, 2, 3, 4, 5]
  validate  x = [1, 2, 6]
  batch B; epochs 3; seed 1
}
)";

std::string Mean(std::vector<std::pair<const char*, const char*>> replace = {}) {
  std::string text =
      absl::StrReplaceAll(kMean, {{"  output shifted\n  shifted = x - w\n", "  shifted = x - w\n  output shifted\n"}});
  for (const auto& [from, to] : replace) text = absl::StrReplaceAll(text, {{from, to}});
  return text;
}

CompileOptions Interpreted() {
  CompileOptions options;
  options.interpret = true;
  return options;
}

double At(const Averages& averages, const std::string& name) {
  for (const auto& [n, value] : averages) {
    if (n == name) return value;
  }
  ADD_FAILURE() << name << " is not reported";
  return 0;
}

TEST(TrainerTest, AnEpochTakesWholeBatchesAndDropsTheRest) {
  const TestProgram loaded = LoadText(Mean());
  const auto plan = PlanTraining(loaded.program, loaded.data);
  ASSERT_THAT(plan, IsOk());
  EXPECT_EQ(plan->steps_per_epoch, 2);
  EXPECT_EQ(plan->dropped, 1);
  EXPECT_EQ(plan->total_steps, 6);
}

TEST(TrainerTest, StepsReplaceOrLimitEpochs) {
  EXPECT_EQ(PlanTraining(LoadText(Mean({{"epochs 3", "steps 5"}})).program, LoadText(Mean()).data)->total_steps, 5);
}

TEST(TrainerTest, DataThatFillNoBatchAreRefused) {
  const TestProgram loaded = LoadText(Mean({{"[1, 2, 3, 4, 5]", "[1]"}}));
  EXPECT_THAT(PlanTraining(loaded.program, loaded.data),
              FailsWith("the data have 1 examples, fewer than one batch of 2"));
}

TEST(TrainerTest, TheStateIsThatOfGradientDescentOverTheShuffledBatches) {
  const TestProgram loaded = LoadText(Mean());
  for (const bool interpret : {true, false}) {
    CompileOptions options;
    options.interpret = interpret;
    const Compiled compiled = CompileAll(loaded, options, 1);
    std::vector<EpochReport> reports;
    TrainCallbacks callbacks;
    callbacks.epoch = [&](const EpochReport& report) { reports.push_back(report); };
    ASSERT_THAT(
        Train(loaded.program, compiled.entries, *compiled.executable, loaded.data, &loaded.validation, 1, callbacks),
        IsOk());
    ASSERT_EQ(reports.size(), 3u);
    // With lr = 0.5 a step moves w to the mean of its batch, so w ends at the mean of the last one.
    const float w = compiled.executable->ReadState("w").data<float>()[0];
    EXPECT_EQ(w * 2, std::round(w * 2));
    // (1 - w)², (2 - w)² in a batch of two and (6 - w)² in one of one, averaged over three examples.
    const double loss = ((1 - w) * (1 - w) + (2 - w) * (2 - w) + (6 - w) * (6 - w)) / 3;
    EXPECT_NEAR(At(reports[2].validation, "loss"), loss, 1e-6);
    EXPECT_NEAR(At(reports[2].validation, "root"), std::sqrt(loss), 1e-6);
    EXPECT_EQ(compiled.executable->step(), 6);
  }
}

TEST(TrainerTest, PredictionKeepsTheOrderOfTheDataAndTheShortBatch) {
  const TestProgram loaded = LoadText(Mean());
  const Compiled compiled = CompileAll(loaded, {}, 1);
  compiled.executable->WriteState("w", ir::Tensor::Scalar(0.5f));
  const auto outputs = Predict(loaded.program, compiled.entries, *compiled.executable, loaded.validation);
  ASSERT_THAT(outputs, IsOk());
  const auto values = (*outputs)[0].second.data<float>();
  EXPECT_THAT(std::vector<float>(values.begin(), values.end()), testing::ElementsAre(0.5, 1.5, 5.5));
  EXPECT_EQ(compiled.executable->step(), 0) << "prediction is no step of training";
}

TEST(TrainerTest, ALossThatIsNotFiniteNamesItsStep) {
  const TestProgram loaded = LoadText(Mean({{"lr=0.5", "lr=1e30"}}));
  for (const CompileOptions& options : {Interpreted(), CompileOptions()}) {
    const Compiled compiled = CompileAll(loaded, options, 1);
    EXPECT_THAT(Train(loaded.program, compiled.entries, *compiled.executable, loaded.data, nullptr, 1, {}),
                FailsWith("step 2 (epoch 1): loss is not finite"));
  }
}

TEST(TrainerTest, AComputedIndexOutOfRangeIsASentenceWithItsPlace) {
  const TestProgram loaded = LoadText(R"(model m {
  dim B = 2
  input i : i32[B]
  param table : float[3] = [1, 2, 3]
  loss = mean(gather(table, i + 1))
}
train m {
  minimize  loss
  optimizer sgd(lr=0.5)
  data      i = [0, 1, 2, 1]
  batch B; epochs 1; seed 1
}
)");
  for (const CompileOptions& options : {Interpreted(), CompileOptions()}) {
    const Compiled compiled = CompileAll(loaded, options, 1);
    const auto report = Train(loaded.program, compiled.entries, *compiled.executable, loaded.data, nullptr, 1, {});
    EXPECT_THAT(report, FailsWith("5:10")) << options.interpret;
    EXPECT_THAT(report, FailsWith("index 3"));
  }
}

// With lr = 0.5 a step moves w to the mean of its batch.
float Trained(const TestProgram& loaded, const CompileOptions& options, const char* name = "w") {
  const Compiled compiled = CompileAll(loaded, options, 1);
  EXPECT_THAT(Train(loaded.program, compiled.entries, *compiled.executable, loaded.data, nullptr, 1, {}), IsOk());
  return compiled.executable->ReadState(name).data<float>()[0];
}

TEST(TrainerTest, ABatchIsAllTheDataOrOneExampleOrBetween) {
  const TestProgram full = LoadText(Mean({{"B = 2", "B = 5"}})), one = LoadText(Mean({{"B = 2", "B = 1"}}));
  const TestProgram whole = LoadText(
      Mean({{"float[B]", "float[5]"}, {"batch B; ", ""}, {"dim B = 2", ""}, {"  validate  x = [1, 2, 6]\n", ""}}));
  const TestProgram alone = LoadText(Mean({{"float[B]", "float"}, {"batch B; ", ""}, {"dim B = 2", ""}}));
  std::vector<int64_t> order(5);
  ShuffleOrder(absl::MakeSpan(order), 1, 3);
  for (const CompileOptions& options : {Interpreted(), CompileOptions()}) {
    EXPECT_NEAR(Trained(full, options), 3, 1e-6);
    EXPECT_NEAR(Trained(whole, options), 3, 1e-6);
    EXPECT_EQ(Trained(one, options), order.back() + 1);
    EXPECT_EQ(Trained(alone, options), order.back() + 1);
  }
}

TEST(TrainerTest, AccumulatedBatchesAreOneBatchOfTheirExamples) {
  const TestProgram two = LoadText(Mean({{"seed 1", "seed 1; accumulate 2"}})),
                    four = LoadText(Mean({{"B = 2", "B = 4"}}));
  const auto plan = PlanTraining(two.program, two.data);
  ASSERT_THAT(plan, IsOk());
  EXPECT_EQ(plan->steps_per_epoch, 1);
  EXPECT_EQ(plan->dropped, 1);
  EXPECT_EQ(plan->total_steps, 3);
  CompileOptions threads;
  threads.threads = 7;
  for (const CompileOptions& options : {Interpreted(), CompileOptions(), threads}) {
    EXPECT_EQ(Trained(two, options), Trained(four, options));  // sums of small integers: no rounding
  }
  const Compiled compiled = CompileAll(two, {}, 1);
  TrainCallbacks callbacks;
  std::vector<int64_t> steps;
  callbacks.epoch = [&](const EpochReport& report) { steps.push_back(report.step); };
  ASSERT_THAT(Train(two.program, compiled.entries, *compiled.executable, two.data, nullptr, 1, callbacks), IsOk());
  EXPECT_THAT(steps, testing::ElementsAre(1, 2, 3)) << "updates are counted, not batches";
  EXPECT_THAT(PlanTraining(LoadText(Mean({{"seed 1", "accumulate 3"}})).program, two.data),
              FailsWith("the data have 5 examples, fewer than one batch of 2 accumulated 3 times"));
}

TEST(TrainerTest, ALossThatIsNotFiniteNamesItsUpdate) {
  const TestProgram loaded = LoadText(Mean({{"lr=0.5", "lr=1e30"}, {"seed 1", "seed 1; accumulate 2"}}));
  const Compiled compiled = CompileAll(loaded, {}, 1);
  EXPECT_THAT(Train(loaded.program, compiled.entries, *compiled.executable, loaded.data, nullptr, 1, {}),
              FailsWith("step 2 (epoch 2): loss is not finite"));
}

TEST(TrainerTest, WhatIsValidatedAndPredictedIsTheAverage) {
  const TestProgram loaded = LoadText(Mean({{"seed 1", "seed 1; ema 0.75"}}));
  for (const CompileOptions& options : {Interpreted(), CompileOptions()}) {
    const Compiled compiled = CompileAll(loaded, options, 1);
    EpochReport last;
    TrainCallbacks callbacks;
    callbacks.epoch = [&](const EpochReport& report) { last = report; };
    ASSERT_THAT(
        Train(loaded.program, compiled.entries, *compiled.executable, loaded.data, &loaded.validation, 1, callbacks),
        IsOk());
    const float w = compiled.executable->ReadState("w").data<float>()[0];
    const float ema = compiled.executable->ReadState("w.ema").data<float>()[0];
    EXPECT_GT(ema, 0);
    EXPECT_LT(ema, w) << "it began at 0 and follows";
    EXPECT_NEAR(At(last.validation, "error"), (std::abs(1 - ema) + std::abs(2 - ema) + std::abs(6 - ema)) / 3, 1e-6);
    const auto outputs = Predict(loaded.program, compiled.entries, *compiled.executable, loaded.validation);
    ASSERT_THAT(outputs, IsOk());
    EXPECT_EQ((*outputs)[0].second.data<float>()[0], 1 - ema);
    // Parameters alone, as from a file of other training: the average begins as they do.
    ASSERT_THAT(
        InitializeState(compiled.initialize, 1, {{"w", ir::Tensor::Scalar(2.5f)}}, "a file", *compiled.executable),
        IsOk());
    EXPECT_EQ(compiled.executable->ReadState("w.ema").data<float>()[0], 2.5f);
    // A saved average is not overwritten by a copy.
    ASSERT_THAT(
        InitializeState(compiled.initialize, 1, {{"w", ir::Tensor::Scalar(2.5f)}, {"w.ema", ir::Tensor::Scalar(1.5f)}},
                        "a file", *compiled.executable),
        IsOk());
    EXPECT_EQ(compiled.executable->ReadState("w.ema").data<float>()[0], 1.5f);
  }
}

// Two that train against each other: both gradients are those at the numbers that the step begins with, in either
// order.
TEST(TrainerTest, ObjectivesDifferentiateAtTheStartOfAStepAndUpdateTogether) {
  const char* const one = "minimize (a - b) ** 2 wrt a; optimizer sgd(lr=0.125); ";
  const char* const other = "minimize (b + a) ** 2 wrt b every 2; optimizer sgd(lr=0.25); ";
  for (const bool swapped : {false, true}) {
    const TestProgram loaded = LoadText(
        absl::StrCat("model m { param a : float = 1; param b : float = 2; param c : float = 3; output a * b * c }\n",
                     "train m { ", swapped ? other : one, swapped ? one : other, "steps 5 }\n"));
    for (const CompileOptions& options : {Interpreted(), CompileOptions()}) {
      const Compiled compiled = CompileAll(loaded, options, 1);
      ASSERT_THAT(Train(loaded.program, compiled.entries, *compiled.executable, loaded.data, nullptr, 1, {}), IsOk());
      float a = 1, b = 2;
      for (int step = 1; step <= 5; ++step) {
        const float da = 2 * (a - b), db = 2 * (b + a);
        a -= 0.125f * da;
        if (step % 2 == 0) b -= 0.25f * db;
      }
      EXPECT_EQ(compiled.executable->ReadState("a").data<float>()[0], a);
      EXPECT_EQ(compiled.executable->ReadState("b").data<float>()[0], b);
      EXPECT_EQ(compiled.executable->ReadState("c").data<float>()[0], 3);
    }
  }
}

TEST(TrainerTest, ResultsDoNotDependOnHowStepsAreChunked) {
  const TestProgram loaded = LoadExample("digits.gr");
  const Compiled one = CompileAll(loaded, {}, 1), other = CompileAll(loaded, {}, 1);
  frontend::Program program = *frontend::Describe(loaded.module, {});
  program.epochs = 1;
  ASSERT_THAT(Train(program, one.entries, *one.executable, loaded.data, nullptr, 1, {}), IsOk());
  TrainCallbacks slow;
  slow.progress = [](int64_t, double, const Averages&, double) { usleep(45000); };  // keeps chunks at one step
  ASSERT_THAT(Train(program, other.entries, *other.executable, loaded.data, nullptr, 1, slow), IsOk());
  for (const NamedType& state : one.executable->state()) {
    EXPECT_TRUE(SameBits(one.executable->ReadState(state.name), other.executable->ReadState(state.name))) << state.name;
  }
}

}  // namespace
}  // namespace gradus::runtime
