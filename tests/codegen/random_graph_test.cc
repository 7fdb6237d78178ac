#include "tests/differential/random_graph.h"

#include <gtest/gtest.h>

#include "ir/printer.h"
#include "tests/codegen/native_run.h"

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

TEST(NativeTest, RandomGraphsComputeTheBitsOfTheInterpreter) {
  const std::vector<ir::Target> targets = TargetsOfThisMachine();
  const int64_t threads[] = {1, 2, 3, 7};
  const uint64_t first = std::getenv("GRADUS_SEED") ? std::strtoull(std::getenv("GRADUS_SEED"), nullptr, 10) : 0;
  const uint64_t count = std::getenv("GRADUS_COUNT") ? std::strtoull(std::getenv("GRADUS_COUNT"), nullptr, 10) : 60;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const ir::Graph graph = RandomGraph(seed);
    const ir::NamedTensors declared = Declared(seed, graph);
    const ir::Target& target = targets[seed % targets.size()];
    EXPECT_EQ(DifferenceFromInterpreter(graph, declared, target, threads[seed / 3 % 4]), "") << "seed " << seed << "\n"
                                                                                             << ir::Print(graph);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace gradus::testing_support
