#include "tests/differential/random_graph.h"

#include <gtest/gtest.h>

#include "absl/container/flat_hash_set.h"
#include "ir/builder.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "passes/backprop.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

TEST(RandomGraphTest, IsTheSameFromRunToRunAndCoversEveryOperation) {
  absl::flat_hash_set<ir::Op> seen;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const RandomGraphOptions options{.gradient = seed % 2 == 1, .loops = seed % 4 == 2 ? 5 : 0};
    const ir::Graph graph = RandomGraph(seed, options);
    EXPECT_EQ(ir::Print(graph), ir::Print(RandomGraph(seed, options)));
    for (const auto& s : graph.body.statements) seen.insert(s->op);
  }
  for (const ir::OpInfo& info : ir::AllOps()) {
    const bool later = info.op == ir::Op::kFused || info.op == ir::Op::kBarrier || info.op == ir::Op::kCustomVjp;
    EXPECT_EQ(seen.contains(info.op), !later) << info.mnemonic;
  }
}

TEST(RandomGraphTest, BackpropLeavesAWellFormedGraphWithoutMarkers) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    ir::Graph graph = RandomGraph(seed, {.gradient = true});
    const std::string before = ir::Print(graph);
    ASSERT_THAT(passes::Backprop(graph), IsOk()) << before;
    ir::NameUnnamed(graph);
    ASSERT_THAT(ir::Verify(graph), IsOk()) << before << ir::Print(graph);
    for (const auto& s : graph.body.statements) {
      ASSERT_TRUE(s->op != ir::Op::kGrad && s->op != ir::Op::kStopGradient) << before;
    }
  }
}

}  // namespace
}  // namespace gradus::testing_support
