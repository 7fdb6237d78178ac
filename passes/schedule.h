// Fixes what the plan and code generation need: target, threads, the order of statements, and barriers.
//
// Order: whatever an executed statement reads comes before it, and where a new state may be written over the old one
// (updates.h), all other readers of the old one come before that. Otherwise text order, but a statement that frees at
// least as many bytes as it takes, and needs no barrier, comes early.
//
// Barriers: with more than one thread, one stands wherever a statement reads what another wrote since the last barrier,
// or writes over what another read, unless both run on thread 0 alone (ir/threads.h).
//
// Every result of the body gets a name, so that the plan can be printed. A `next` whose value is the old value of a
// state that changes too (a swap) gets a copy to read from.
#pragma once

#include "passes/pass.h"

namespace gradus::passes {

absl::StatusOr<bool> Schedule(ir::Graph& graph, const Options& options);

}  // namespace gradus::passes
