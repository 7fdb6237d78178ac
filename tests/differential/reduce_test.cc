#include "tests/differential/reduce.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ir/builder.h"
#include "passes/backprop.h"
#include "tests/differential/random_graph.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

TEST(ReduceTest, WhatDoesNotMatterGoes) {
  int reduced = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    FailingGraph failing;
    failing.graph = RandomGraph(seed, {.statements = 20, .gradient = true});
    ASSERT_THAT(passes::Backprop(failing.graph), IsOk());
    ir::NameUnnamed(failing.graph);
    const std::vector<ir::Tensor> values = RandomDeclarations(seed, failing.graph);
    size_t i = 0;
    for (const auto& s : failing.graph.body.statements) {
      if (ir::IsDeclaration(s->op)) failing.declared.emplace(s->result()->name, values[i++]);
    }
    // A bug that shows wherever a sum is taken.
    const Fails fails = [](const ir::Graph& graph, const ir::NamedTensors&) {
      return std::any_of(graph.body.statements.begin(), graph.body.statements.end(),
                         [](const auto& s) { return s->op == ir::Op::kReduceSum; });
    };
    if (!fails(failing.graph, failing.declared)) continue;
    ++reduced;
    const FailingGraph small = Reduce(std::move(failing), fails);
    const auto others = std::count_if(small.graph.body.statements.begin(), small.graph.body.statements.end(),
                                      [](const auto& s) { return !ir::IsDeclaration(s->op); });
    EXPECT_LE(others, 2) << Describe(small);
    EXPECT_THAT(ir::Interpret(small.graph, small.declared), IsOk()) << Describe(small);
  }
  EXPECT_GT(reduced, 30);
}

}  // namespace
}  // namespace gradus::testing_support
