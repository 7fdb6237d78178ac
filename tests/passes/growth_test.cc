// What the passes cost grows with the program as the program does.
#include <gtest/gtest.h>
#include <time.h>

#include "absl/strings/str_cat.h"
#include "frontend/read_graph.h"
#include "passes/fuse_order.h"
#include "passes/pipeline.h"
#include "tests/matchers.h"

namespace gradus::passes {
namespace {

using testing_support::IsOk;

// Contractions and elementwise statements that read what is near or as far back as there is, and their gradient.
ir::Graph Program(int statements) {
  std::string text =
      "graph g numerics 1 {\n  input x : f32[8,8]\n  param w : f32[8,8] = normal(std=0.1)\n  param b : f32[8] = zeros\n"
      "section forward\n  v0 : f32[8,8] = x + b\n";
  uint32_t random = 1;
  for (int i = 1; i < statements; ++i) {
    random = random * 1664525 + 1013904223;
    const int p = i - 1, q = static_cast<int>((random >> 8) % static_cast<uint32_t>(i));
    absl::StrAppend(&text, "  v", i, " : f32[8,8] = ");
    switch (i % 5) {
      case 0:
        absl::StrAppend(&text, "v", p, " @ w\n");
        break;
      case 1:
        absl::StrAppend(&text, "v", p, " + b\n");
        break;
      case 2:
        absl::StrAppend(&text, "maximum(v", p, ", v", q, ")\n");
        break;
      case 3:
        absl::StrAppend(&text, "tanh(v", p, ")\n");
        break;
      default:
        absl::StrAppend(&text, "v", p, " * v", std::max(0, p - 7), "\n");
    }
  }
  absl::StrAppend(&text, "  loss : f32 = sum(v", statements - 1, ", axis=[0, 1])\n",
                  "  d.w : f32[8,8], d.b : f32[8] = grad(loss, [w, b], number=1)\n  next w = w - d.w\n  next b = b - "
                  "d.b\n  output loss\n}\n");
  absl::StatusOr<ir::Graph> graph = frontend::ReadGraph("g.gr", text);
  EXPECT_THAT(graph, IsOk());
  return *std::move(graph);
}

double Seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Of this thread's time; the least of a few runs, which a busy machine disturbs least.
double SecondsOfPasses(int statements, int runs) {
  double least = 1e9;
  for (int run = 0; run < runs; ++run) {
    ir::Graph graph = Program(statements);
    RunOptions options;
    const double start = Seconds();
    EXPECT_THAT(RunPasses(kStepPipeline, graph, options), IsOk());
    least = std::min(least, Seconds() - start);
  }
  return least;
}

TEST(GrowthTest, EightTimesAsManyStatementsTakeThePassesLessThanTwentyTimesAsLong) {
  const double few = SecondsOfPasses(500, 3), many = SecondsOfPasses(4000, 1);
  EXPECT_LT(many, 20 * few) << few << " s for 500 statements, " << many << " s for 4000; squared it would be 64 times";
}

int64_t StepsOfJoining(int statements) {
  ir::Graph graph = Program(statements);
  RunOptions options;
  options.stop_after = "simplified";
  EXPECT_THAT(RunPasses(kStepPipeline, graph, options), IsOk());
  Groups groups(graph);
  GroupOrder order(groups, false);
  int64_t joins = 0;
  for (int node = 0; node < groups.size(); ++node) {
    for (int input : groups.inputs(node)) {
      const int a = groups.group(input), b = groups.group(node);
      if (a == b || groups.members(a).size() + groups.members(b).size() > 32) continue;
      if (order.Between(a, b) != GroupOrder::kNone) continue;
      order.Join(a, b);
      groups.Join(a, b);
      ++joins;
    }
  }
  EXPECT_GT(joins, statements / 2);
  return order.steps();
}

TEST(GrowthTest, TheSearchForWhatStandsBetweenTwoKernelsStaysNearThem) {
  const int64_t few = StepsOfJoining(500), many = StepsOfJoining(4000);
  EXPECT_LT(many, 16 * few) << few << " steps for 500 statements, " << many << " for 4000";
}

TEST(GrowthTest, AValueThatEverythingReadsIsNotLookedThroughForEveryReader) {
  const auto steps = [](int readers) {
    std::string text =
        "graph g numerics 1 {\n  input x : f32[8]\nsection forward\n  c : f32[8] = exp(x)\n  v0 : f32[8] = x\n";
    for (int i = 1; i <= readers; ++i) absl::StrAppend(&text, "  v", i, " : f32[8] = v", i - 1, " + c\n");
    const absl::StatusOr<ir::Graph> graph =
        frontend::ReadGraph("g.gr", absl::StrCat(text, "  output v", readers, "\n}\n"));
    EXPECT_THAT(graph, IsOk());
    const Groups groups(*graph);
    GroupOrder order(groups, false);
    for (int node = 2; node < groups.size(); ++node) {
      const int between = order.Between(0, node);
      EXPECT_TRUE(between >= 0 || node < 3 || between == GroupOrder::kTooFar) << node;
    }
    return order.steps();
  };
  const int64_t few = steps(500), many = steps(4000);
  EXPECT_LT(many, 32 * few) << few << " steps for 500 readers, " << many << " for 4000";
}

// Against the closure of the whole relation, recomputed after every join.
TEST(GrowthTest, TwoKernelsJoinExactlyWhereNoThirdOneStandsBetweenThem) {
  ir::Graph graph = Program(60);
  RunOptions options;
  options.stop_after = "simplified";
  ASSERT_THAT(RunPasses(kStepPipeline, graph, options), IsOk());
  Groups groups(graph);
  GroupOrder order(groups, true);
  const int size = groups.size();
  const auto closure = [&] {
    std::vector<std::vector<bool>> reads(size, std::vector<bool>(size, false));
    for (int node = 0; node < size; ++node) {
      for (int input : groups.inputs(node)) {
        if (groups.group(node) != groups.group(input)) reads[groups.group(node)][groups.group(input)] = true;
      }
    }
    for (int k = 0; k < size; ++k) {
      for (int i = 0; i < size; ++i) {
        for (int j = 0; reads[i][k] && j < size; ++j) reads[i][j] = reads[i][j] || reads[k][j];
      }
    }
    return reads;
  };
  uint32_t random = 7;
  int joins = 0, blocked = 0;
  std::vector<std::vector<bool>> reads = closure();
  for (int attempt = 0; attempt < 600; ++attempt) {
    random = random * 1664525 + 1013904223;
    const int a = groups.group(static_cast<int>((random >> 8) % size));
    random = random * 1664525 + 1013904223;
    const int b = groups.group(static_cast<int>((random >> 8) % size));
    if (a == b) continue;
    int first = GroupOrder::kNone;
    for (int g = size - 1; g >= 0; --g) {
      if ((reads[b][g] && reads[g][a]) || (reads[a][g] && reads[g][b])) first = g;
    }
    ASSERT_EQ(order.Between(a, b), first) << a << " and " << b << " after " << joins << " joins";
    ASSERT_EQ(order.AreOrdered(a, b), reads[a][b] || reads[b][a]);
    if (first != GroupOrder::kNone) {
      ++blocked;
      continue;
    }
    order.Join(a, b);
    groups.Join(a, b);
    ++joins;
    reads = closure();
    for (int g = 0; g < size; ++g) ASSERT_FALSE(reads[g][g]) << "a circle";
  }
  EXPECT_GT(joins, 20);
  EXPECT_GT(blocked, 100);
}

}  // namespace
}  // namespace gradus::passes
