// Scans whose iterations work on rows that have nothing to do with each other: the batch of a recurrence.
//
// Where every value of the body has the rows as its first axis, and a row of it depends on that row of the others
// alone, each thread goes through the whole scan on a strip of the rows, and waits for nobody: such a body has no
// barrier. What the contractions of the body read whole, the weights, every thread reads whole then, so it has to fit
// the L2 cache of each.
//
// The plan, its verifier and code generation ask here; the answer depends on the statement, the target and the number
// of threads alone.
#pragma once

#include <memory>

#include "ir/graph.h"

namespace gradus::ir {

// Whether `threads` threads go through this scan in strips.
bool RunsInStrips(const Statement& scan, int64_t threads, const Target& target);

// A copy of a scan in strips whose body works on one strip: parameters and statements stand where they stand in the
// scan, values that have rows have one strip of them, and orders of sums stay what they are. Operands and results are
// those of the scan.
std::unique_ptr<Statement> StripOf(const Statement& scan, int64_t threads);

}  // namespace gradus::ir
