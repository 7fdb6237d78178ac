#include "passes/plan.h"

#include <gtest/gtest.h>

#include "absl/strings/str_replace.h"
#include "frontend/lower.h"
#include "frontend/read_graph.h"
#include "ir/printer.h"
#include "ir/storage.h"
#include "passes/memory_report.h"
#include "passes/pipeline.h"
#include "passes/verify_plan.h"
#include "tests/matchers.h"

namespace gradus::passes {
namespace {

using testing_support::FailsWith;
using testing_support::IsOk;

// b takes the place of a; y may not take the place of b, which c reads after y is written. With two threads, z may lie
// where a value lay whose last reader is before the barrier.
constexpr char kPlanned[] =
    R"(graph g numerics 1 frozen target avx512 l1 49152 l2 1048576 threads 2 arena 131072 scratch 0 {
  input x : f32[128,64]
  state s : f32[128,64] = zeros         | arena 0+32768
section forward
  a : f32[128,64] = exp(x)              | arena 32768+32768
  barrier
  b : f32[128,64] = flip(a, axis=[0])   | arena 65536+32768
  barrier
  c : f32[128,64] = flip(b, axis=[1])   | arena 32768+32768
  t : f32[128,64] = s + x               | arena 0+32768
  next s = t
  output c
}
)";

absl::Status Verified(absl::string_view from, absl::string_view to) {
  const std::string text = absl::StrReplaceAll(kPlanned, {{from, to}});
  const absl::StatusOr<ir::Graph> graph = frontend::ReadGraph("g.gr", text);
  if (!graph.ok()) return graph.status();
  return VerifyPlan(*graph);
}

TEST(VerifyPlanTest, ASoundPlanIsAccepted) { EXPECT_THAT(Verified("", ""), IsOk()); }

TEST(VerifyPlanTest, PlantedConflictsAreFound) {
  // Not at its own index: flip cannot be computed in place.
  EXPECT_THAT(Verified("arena 65536+32768", "arena 32768+32768"),
              FailsWith("b reads a at 32768+32768, which b may overwrite"));
  EXPECT_THAT(Verified("axis=[1])   | arena 32768+32768", "axis=[1])   | arena 65536+32768"), FailsWith("c reads b"));
  // Half of it.
  EXPECT_THAT(Verified("axis=[1])   | arena 32768+32768", "axis=[1])   | arena 81920+32768"), FailsWith("c reads b"));
  // Over a state that the next step reads.
  EXPECT_THAT(Verified("exp(x)              | arena 32768", "exp(x)              | arena 0"),
              FailsWith("the memory plan is wrong"));
  // A new state that lies elsewhere is copied, and what it needs for that must not be overwritten.
  EXPECT_THAT(Verified("s + x               | arena 0", "s + x               | arena 32768"),
              FailsWith("the memory plan is wrong"));
}

TEST(VerifyPlanTest, AMissingBarrierIsFound) {
  EXPECT_THAT(Verified("  barrier\n  b ", "  b "), FailsWith("b reads a before it is written on every thread"));
}

// Threads are at different iterations of a scan in strips: two values may share bytes only if these are the same rows.
TEST(VerifyPlanTest, RowsOfOthersInAStripAreFound) {
  const std::string planned =
      R"(graph g numerics 1 frozen target avx512 l1 49152 l2 1048576 threads 2 arena 327680 scratch 102016 {
  input x  : f32[4,96,128]
  input h0 : f32[96,128]
  input w  : f32[128,256]
  hT   : f32[96,128] = scan a in x carry h = h0 capture w {
    mul = fused(h, w) { z = h @ w; yield z + 1 }         | arena 49152+98304
    k = fused(mul, a) { yield mul[:, 0:128] * a }        | arena 278528+49152/0
    next h = k
  }                                                      | arena 278528+49152
  output hT
})";
  const auto verified = [&](absl::string_view from, absl::string_view to) {
    auto graph = frontend::ReadGraph("g.gr", absl::StrReplaceAll(planned, {{from, to}}));
    return graph.ok() ? VerifyPlan(*graph) : graph.status();
  };
  EXPECT_THAT(verified("", ""), IsOk());
  EXPECT_THAT(verified("49152/0", "49152/49152"), FailsWith("may overwrite before"));
  EXPECT_THAT(verified("0:128] * a }", "0:128] * flip(a, axis=[0]) }"),
              FailsWith("k reads mul before it is written on every thread"))
      << "a row that needs all others needs a barrier";
}

TEST(VerifyPlanTest, RangesOutsideTheArenaOrOfAnotherSizeAreFound) {
  EXPECT_THAT(Verified("arena 131072 ", "arena 98000 "), FailsWith("of an arena of 98000"));
  EXPECT_THAT(Verified("arena 65536+32768", "arena 65536+32764"), FailsWith("b : f32[128,64] lies at 65536+32764"));
  EXPECT_THAT(Verified("arena 65536+32768", "arena 65540+32768"), FailsWith("lies at 65540"));
  EXPECT_THAT(Verified("zeros         | arena 0+", "zeros         | arena 64+"), FailsWith("s does not lie at 0"));
  EXPECT_THAT(Verified(" | arena 65536+32768", ""), FailsWith("b lies nowhere"));
}

TEST(PlanTest, TheReportNamesWhatIsLiveAtThePeak) {
  absl::StatusOr<ir::Graph> graph = frontend::ReadGraph("g.gr", R"(graph g numerics 1 frozen {
  input x : f32[64,64]
section forward
  a : f32[64,64] = x @ x
  b : f32[64,64] = a @ x
  y : f32 = sum(b, axis=[0, 1])
  output y
})");
  ASSERT_THAT(graph, IsOk());
  RunOptions options;
  const Pass passes[] = {{"schedule", Schedule}, {"plan", PlanMemory}};
  ASSERT_THAT(RunPasses(passes, *graph, options), IsOk());
  const MemoryReport report = ReportMemory(*graph);
  EXPECT_EQ(report.state_bytes, 0);
  EXPECT_EQ(report.arena_bytes, 2 * 64 * 64 * 4);
  EXPECT_EQ(report.live_bytes, report.arena_bytes);
  EXPECT_EQ(report.peak, "b");
  ASSERT_EQ(report.live.size(), 2u);
  EXPECT_EQ(report.live[0].name, "a");
}

TEST(PlanTest, StatesLieAtTheSamePlacesInEveryEntryOfAProgram) {
  const absl::StatusOr<frontend::Module> module =
      frontend::LoadProgram(std::string(GRADUS_SOURCE_DIR) + "/examples/mlp.gr");
  ASSERT_THAT(module, IsOk());
  std::vector<std::vector<std::pair<std::string, int64_t>>> places;
  for (const frontend::Entry entry : {frontend::Entry::kStep, frontend::Entry::kEvaluate, frontend::Entry::kPredict}) {
    absl::StatusOr<ir::Graph> graph = frontend::Lower(*module, {}, entry);
    ASSERT_THAT(graph, IsOk());
    RunOptions options;
    options.options.threads = 2;
    ASSERT_THAT(RunPasses(kStepPipeline, *graph, options), IsOk());
    ASSERT_THAT(VerifyPlan(*graph), IsOk());
    places.emplace_back();
    for (const auto& s : graph->body.statements) {
      if (s->op == ir::Op::kParam || s->op == ir::Op::kState) {
        places.back().emplace_back(s->result()->name, s->result()->arena->offset);
      }
    }
  }
  EXPECT_FALSE(places[0].empty());
  EXPECT_EQ(places[0], places[1]);
  EXPECT_EQ(places[0], places[2]);
}

TEST(PlanTest, TheStepOfAnMlpUpdatesEveryStateInPlaceAndStoresNoGradientOfItsBiases) {
  const absl::StatusOr<frontend::Module> module =
      frontend::LoadProgram(std::string(GRADUS_SOURCE_DIR) + "/examples/mlp.gr");
  ASSERT_THAT(module, IsOk());
  absl::StatusOr<ir::Graph> graph = frontend::Lower(*module, {}, frontend::Entry::kStep);
  ASSERT_THAT(graph, IsOk());
  RunOptions options;
  options.options.threads = 2;
  ASSERT_THAT(RunPasses(kStepPipeline, *graph, options), IsOk());
  int updates = 0;
  for (const auto& s : graph->body.statements) {
    if (s->op != ir::Op::kNext) continue;
    ++updates;
    EXPECT_FALSE(ir::IsExecuted(*s)) << ir::Print(*s);
  }
  EXPECT_EQ(updates, 18);
  EXPECT_EQ(graph->Find("d.fc1.b"), nullptr);
  EXPECT_NE(graph->Find("d.fc1.w"), nullptr);
}

}  // namespace
}  // namespace gradus::passes
