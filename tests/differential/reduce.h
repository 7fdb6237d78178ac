// Makes a failing graph small: what is left when nothing more can go is printed for the person who repairs it.
#pragma once

#include <functional>

#include "ir/graph.h"
#include "ir/interpreter.h"

namespace gradus::testing_support {

struct FailingGraph {
  ir::Graph graph;  // without `grad`
  ir::NamedTensors declared;
};

// Whether a graph still fails in the way that is being looked for.
using Fails = std::function<bool(const ir::Graph& graph, const ir::NamedTensors& declared)>;

// Stops at the first value that fails as the only output, leaves out outputs and nexts, and puts inputs with the values
// that the interpreter computed in the place of statements, for as long as the result fails. The graph is one that
// fails and that the interpreter runs.
FailingGraph Reduce(FailingGraph failing, const Fails& fails);

// The graph, and the values of its declarations where they are small.
std::string Describe(const FailingGraph& failing);

}  // namespace gradus::testing_support
