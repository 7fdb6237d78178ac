// Which statements of a scheduled graph are worth more than one thread: the contract between the schedule, which places
// barriers, and code generation.
//
// A statement that is not runs on thread 0 alone. Two statements of which one writes what the other reads or writes
// need a barrier between them unless both run on thread 0 alone.
#pragma once

#include "ir/graph.h"

namespace gradus::ir {

// Below about 8K elements, 64K steps of elementwise arithmetic (ir/cost.h; half a microsecond) or 30 KFLOP of products
// a barrier costs more than a second thread saves (codegen.md §7 of the design).
bool RunsOnThreadZero(const Statement& statement);

}  // namespace gradus::ir
