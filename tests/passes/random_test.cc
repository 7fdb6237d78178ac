// Every pass on random well-typed graphs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "frontend/read_graph.h"
#include "ir/builder.h"
#include "ir/interpreter.h"
#include "ir/printer.h"
#include "ir/region.h"
#include "ir/storage.h"
#include "passes/pipeline.h"
#include "passes/verify_plan.h"
#include "tests/differential/random_graph.h"
#include "tests/matchers.h"

namespace gradus::passes {
namespace {

using testing_support::IsOk;

// GRADUS_COUNT=20000 runs that many.
uint64_t Graphs() {
  const char* count = std::getenv("GRADUS_COUNT");
  return count != nullptr ? std::strtoull(count, nullptr, 10) : 300;
}

ir::NamedTensors Bind(uint64_t seed, const ir::Graph& graph) {
  const std::vector<ir::Tensor> values = testing_support::RandomDeclarations(seed, graph);
  ir::NamedTensors declared;
  size_t i = 0;
  for (const auto& s : graph.body.statements) {
    if (ir::IsDeclaration(s->op)) declared.emplace(s->result()->name, values[i++]);
  }
  return declared;
}

void ExpectSameBits(const ir::NamedTensors& before, const ir::NamedTensors& after, const std::string& text) {
  ASSERT_EQ(before.size(), after.size()) << text;
  for (const auto& [name, tensor] : before) {
    ASSERT_TRUE(after.contains(name)) << name << text;
    ASSERT_TRUE(ir::SameBits(tensor, after.at(name))) << name << " differs\n" << text;
  }
}

std::string Printed(const ir::Graph& graph) { return ir::Print(graph); }

TEST(RandomPassTest, EveryPassIsHonestAndGivesTheSameOnTheReparsedText) {
  for (uint64_t seed = 0; seed < Graphs(); ++seed) {
    ir::Graph graph = testing_support::RandomGraph(
        seed, {.statements = 20, .gradient = seed % 2 == 1, .loops = seed % 4 == 2 ? 5 : 0});
    RunOptions options;
    options.check_changed = true;
    for (const Pass& pass : kStepPipeline) {
      const std::string before = Printed(graph);
      absl::StatusOr<ir::Graph> reread = frontend::ReadGraph("g.gr", before);
      ASSERT_THAT(reread, IsOk()) << before;
      const Pass one[] = {pass};
      ASSERT_THAT(RunPasses(one, graph, options), IsOk()) << pass.name << "\n" << before;
      ASSERT_THAT(RunPasses(one, *reread, options), IsOk()) << pass.name << "\n" << before;
      ASSERT_EQ(Printed(graph), Printed(*reread)) << pass.name << "\n" << before;
    }
  }
}

TEST(RandomPassTest, FusionChangesNoBit) {
  uint64_t fused = 0;
  for (uint64_t seed = 0; seed < Graphs(); ++seed) {
    ir::Graph graph = testing_support::RandomGraph(
        seed, {.statements = 30, .gradient = seed % 2 == 1, .loops = seed % 4 == 2 ? 5 : 0});
    RunOptions options;
    options.stop_after = "simplified";
    ASSERT_THAT(RunPasses(kStepPipeline, graph, options), IsOk());
    const std::string text = Printed(graph);
    const ir::NamedTensors declared = Bind(seed, graph);
    const absl::StatusOr<ir::StepValues> before = ir::Interpret(graph, declared);
    ASSERT_THAT(before, IsOk()) << text;
    const Pass fuse[] = {{"fuse", Fuse}};
    ASSERT_THAT(RunPasses(fuse, graph), IsOk()) << text;
    const absl::StatusOr<ir::StepValues> after = ir::Interpret(graph, declared);
    ASSERT_THAT(after, IsOk()) << text << Printed(graph);
    ExpectSameBits(before->outputs, after->outputs, text + Printed(graph));
    ExpectSameBits(before->next, after->next, text + Printed(graph));
    for (const auto& s : graph.body.statements) {
      if (s->op != ir::Op::kFused) continue;
      ++fused;
      ASSERT_THAT(ir::ClassifyRegion(*s->region), IsOk()) << ir::Print(*s);
    }
  }
  EXPECT_GT(fused, Graphs() / 2);
}

TEST(RandomPassTest, EveryPlanIsSoundWithAnyNumberOfThreads) {
  uint64_t in_place = 0;
  for (uint64_t seed = 0; seed < Graphs(); ++seed) {
    const ir::Graph original = testing_support::RandomGraph(seed, {.statements = 30,
                                                                   .gradient = seed % 2 == 1,
                                                                   .max_elements = seed % 4 < 2 ? 6000 : 100000,
                                                                   .loops = seed % 6 < 3 && seed % 2 == 0 ? 5 : 0});
    for (const int64_t threads : {1, 2, 7}) {
      ir::Graph graph = original.Clone();
      RunOptions options;
      options.options.threads = threads;
      options.options.fuse = seed % 3 != 0;
      ASSERT_THAT(RunPasses(kStepPipeline, graph, options), IsOk());
      ASSERT_THAT(VerifyPlan(graph), IsOk()) << Printed(graph);
      for (const auto& s : graph.body.statements) {
        in_place += s->op == ir::Op::kNext && !ir::IsExecuted(*s) ? 1 : 0;
      }
      const absl::StatusOr<ir::Graph> reread = frontend::ReadGraph("g.gr", Printed(graph));
      ASSERT_THAT(reread, IsOk()) << Printed(graph);
      ASSERT_EQ(Printed(*reread), Printed(graph));
      ASSERT_THAT(VerifyPlan(*reread), IsOk());
    }
  }
  EXPECT_GT(in_place, Graphs() / 3);
}

TEST(RandomPassTest, ABisectionPlansAProgramWhateverItsLimit) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const bool loops = seed % 4 == 0;
    const ir::Graph original = testing_support::RandomGraph(seed, {.gradient = !loops, .loops = loops ? 3 : 0});
    std::string last;
    for (int64_t limit = 0; limit < 7; ++limit) {
      ir::Graph graph = original.Clone();
      RunOptions options;
      options.limit = limit;
      ASSERT_THAT(RunPasses(kStepPipeline, graph, options), IsOk());
      ASSERT_THAT(VerifyPlan(graph), IsOk()) << Printed(graph);
      last = Printed(graph);
    }
    ir::Graph graph = original.Clone();
    ASSERT_THAT(RunPasses(kStepPipeline, graph), IsOk());
    EXPECT_EQ(Printed(graph), last);
  }
}

TEST(RandomPassTest, SimplifyingChangesNoFiniteValueByMoreThanRounding) {
  for (uint64_t seed = 0; seed < Graphs(); ++seed) {
    ir::Graph graph =
        testing_support::RandomGraph(seed, {.statements = 20, .gradient = seed % 2 == 1, .float_only = true});
    const Pass backprop[] = {{"backprop", Backprop}};
    ASSERT_THAT(RunPasses(backprop, graph), IsOk());
    const ir::NamedTensors declared = Bind(seed, graph);
    const std::string text = Printed(graph);
    // A step between two whole numbers makes rounding as large as it likes.
    const bool jumps = std::any_of(graph.body.statements.begin(), graph.body.statements.end(),
                                   [](const auto& s) { return s->op == ir::Op::kMod || s->op == ir::Op::kFloorDiv; });
    if (jumps) continue;
    const absl::StatusOr<ir::StepValues> before = ir::Interpret(graph, declared);
    ASSERT_THAT(before, IsOk()) << text;
    RunOptions options;
    options.stop_after = "simplified";
    ASSERT_THAT(RunPasses(kStepPipeline, graph, options), IsOk()) << text;
    const absl::StatusOr<ir::StepValues> after = ir::Interpret(graph, declared);
    ASSERT_THAT(after, IsOk()) << text;
    for (const auto& [name, tensor] : before->outputs) {
      if (tensor.type().element != ir::DType::kF64) continue;
      const auto x = tensor.data<double>();
      const auto y = after->outputs.at(name).data<double>();
      for (size_t i = 0; i < x.size(); ++i) {
        if (!std::isfinite(x[i]) || std::abs(x[i]) > 1e100) continue;
        ASSERT_NEAR(x[i], y[i], 1e-9 * std::max(1.0, std::abs(x[i]))) << name << "\n" << text << Printed(graph);
      }
    }
  }
}

}  // namespace
}  // namespace gradus::passes
