// The straight line of statements that a program runs at one point: every step of a scan, and of a branch what is
// taken, so that each of them can be compared alone.
//
// What is cut out of a sequence, carried on, captured and stacked are statements of their own there, copies mostly.
// What a `while` gives is a constant: no gradient flows through it. The predicate of a branch stays, so that a point
// beside, where it is another, is known to lie beyond a jump.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ir/graph.h"
#include "runtime/gradient_point.h"

namespace gradus::runtime {

struct TracedLoop;

// One run of a body, or of the program.
struct TracedStep {
  ir::ValueMap values;  // of the body, as they are in the trace
  absl::flat_hash_map<const ir::Statement*, std::unique_ptr<TracedLoop>> loops;  // scans and branches of the body
  std::vector<const ir::Statement*> yields;                                      // what takes each of them out
};

struct TracedLoop {
  std::vector<TracedStep> steps;                           // by index; a branch that is not taken has none
  std::vector<std::vector<const ir::Statement*>> entries;  // what takes each operand in
  const ir::Statement* last = nullptr;                     // of the statements that it became
};

struct Trace {
  ir::Graph graph;  // without loops and branches
  ValueArrays declared;
  TracedStep top;
  LoopPlaces places;
  std::deque<LoopPlace> nesting;
};

// Of `statements`, which are in order and closed under operands; `declared` has the values of the declarations. Fails
// as the program does where an operation cannot be run.
absl::StatusOr<Trace> TraceAt(absl::Span<const ir::Statement* const> statements, const ValueArrays& declared);

}  // namespace gradus::runtime
