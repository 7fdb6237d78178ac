// What is the same in every iteration of a loop.
#pragma once

#include "passes/pass.h"

namespace gradus::passes {

// Moves out of the bodies of loops what is the same in every iteration and worth a place in memory: products,
// reductions, expensive functions. Nothing that can fail: it might never have run.
absl::StatusOr<bool> HoistInvariants(ir::Graph& graph);

// What is stacked and the same in every iteration is captured by the loops that walk through the stack, and repeated
// for those alone who need a stack.
bool UnstackInvariants(ir::Graph& graph);

}  // namespace gradus::passes
