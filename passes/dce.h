// Removes statements that no output and no `next` depends on.
//
// Declarations stay: every entry of a program shares the layout of its parameters and states, and an unused input is
// still an input.
#pragma once

#include "passes/pass.h"

namespace gradus::passes {

absl::StatusOr<bool> EliminateDeadCode(ir::Graph& graph);

// What a pass that replaces values calls before it ends: removes unnamed values that nobody reads, which would
// otherwise get a name.
bool RemoveUnnamedDeadCode(ir::Graph& graph);

}  // namespace gradus::passes
