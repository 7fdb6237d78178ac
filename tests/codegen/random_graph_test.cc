#include "tests/differential/random_graph.h"

#include <gtest/gtest.h>

#include "ir/printer.h"
#include "passes/pipeline.h"
#include "passes/run.h"
#include "tests/codegen/native_run.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

ir::NamedTensors Declared(uint64_t seed, const ir::Graph& graph) {
  const std::vector<ir::Tensor> values = RandomDeclarations(seed, graph);
  ir::NamedTensors declared;
  size_t i = 0;
  for (const auto& s : graph.body.statements) {
    if (ir::IsDeclaration(s->op)) declared.emplace(s->result()->name, values[i++]);
  }
  return declared;
}

// GRADUS_CODEGEN_SEED and GRADUS_CODEGEN_COUNT choose other graphs than the first `count`.
std::pair<uint64_t, uint64_t> Seeds(uint64_t count) {
  const char* seed = std::getenv("GRADUS_CODEGEN_SEED");
  const char* more = std::getenv("GRADUS_CODEGEN_COUNT");
  return {seed != nullptr ? std::strtoull(seed, nullptr, 10) : 0,
          more != nullptr ? std::strtoull(more, nullptr, 10) : count};
}

TEST(NativeTest, RandomGraphsComputeTheBitsOfTheInterpreter) {
  const std::vector<ir::Target> targets = TargetsOfThisMachine();
  const int64_t threads[] = {1, 2, 3, 7};
  const auto [first, count] = Seeds(12);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const ir::Graph graph = RandomGraph(seed);
    const ir::NamedTensors declared = Declared(seed, graph);
    const ir::Target& target = targets[seed % targets.size()];
    EXPECT_EQ(DifferenceFromInterpreter(graph, declared, target, threads[seed / 3 % 4]), "") << "seed " << seed << "\n"
                                                                                             << ir::Print(graph);
    if (HasFailure()) return;
  }
}

// From `freeze` on no pass may change a bit: the interpreter runs the frozen graph, native code what becomes of it.
TEST(NativeTest, PlannedRandomGraphsComputeTheBitsOfTheFrozenGraph) {
  const std::vector<ir::Target> targets = TargetsOfThisMachine();
  const int64_t threads[] = {1, 2, 3, 7};
  const auto [first, count] = Seeds(20);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    ir::Graph graph = RandomGraph(seed, {.gradient = seed % 2 == 0});
    const ir::NamedTensors declared = Declared(seed, graph);
    const std::string text = ir::Print(graph);
    passes::RunOptions options;
    options.options.target = targets[seed % targets.size()];
    options.options.threads = threads[seed / 3 % 4];
    options.options.fuse = seed % 5 != 4;
    ir::Graph frozen;
    options.on_pass = [&](absl::string_view pass, const ir::Graph& g) {
      if (pass == "freeze") frozen = g.Clone();
    };
    ASSERT_THAT(passes::RunPasses(passes::kStepPipeline, graph, options), IsOk()) << text;
    EXPECT_EQ(DifferenceFromInterpreter(frozen, graph.Clone(), declared), "") << "seed " << seed << "\n"
                                                                              << text << ir::Print(graph);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace gradus::testing_support
