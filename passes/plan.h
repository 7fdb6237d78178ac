// One arena for everything that a step keeps in memory; exact, and known before the first step.
//
// Params and states come first, in the order of their declarations (ir/storage.h), then temporaries: values whose lives
// do not meet share bytes. The life of a value ends where its last reader is over on every thread, which with several
// threads is the next barrier. An elementwise result takes the place of an operand that dies there; a new state is
// computed over the old one where every other reader of it comes before, with a barrier between.
//
// Placing is first fit by descending size: Pisarchyk, Lee, "Efficient memory management for deep neural net inference",
// 2020, §5.1.
#pragma once

#include "passes/pass.h"

namespace gradus::passes {

// Sets the arena range of every value, graph.arena_bytes and graph.scratch_bytes. The graph is scheduled.
absl::StatusOr<bool> PlanMemory(ir::Graph& graph);

}  // namespace gradus::passes
