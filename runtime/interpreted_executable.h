// An executable whose entries the interpreter runs: the definition of what native code must compute, and slow.
#pragma once

#include <memory>
#include <vector>

#include "ir/graph.h"
#include "runtime/executable.h"

namespace gradus::runtime {

// What an entry is beside its graph.
struct EntryGraph {
  ir::Graph graph;      // of any stage after backprop
  bool trains = false;  // its `next` are kept and it counts steps; else they are dropped
};

// All graphs declare the same params and states in the same order.
std::unique_ptr<Executable> MakeInterpretedExecutable(std::vector<EntryGraph> entries);

// The inputs that a caller feeds, the outputs and the state of a graph, in its order.
std::vector<NamedType> FedInputs(const ir::Graph& graph);
std::vector<NamedType> OutputTypes(const ir::Graph& graph);
std::vector<NamedType> StateTypes(const ir::Graph& graph);
// Whether an input is one of `step`, `epoch` and `seed`, which the executable itself provides.
bool IsProvidedInput(absl::string_view name);

}  // namespace gradus::runtime
