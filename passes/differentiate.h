// One `grad` statement becomes ordinary statements: reverse-mode differentiation over the statements before it.
#pragma once

#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "ir/graph.h"

namespace gradus::passes {

// An adjoint as the gradient has it: a value, perhaps smaller than what it belongs to and then standing for its
// broadcast, or a number that stands for itself everywhere.
struct WrittenAdjoint {
  const ir::Value* value = nullptr;
  double number = 0;
};

// What stands for what in the statements of one gradient: what a check of it needs to know.
struct GradientRecord {
  // The contribution of one operand of one statement to the adjoint of that operand. In the record of a body: without
  // a statement, what comes in by yield number `operand`, or, of a scan, -1 - `operand` by that carry.
  struct Part {
    const ir::Statement* user = nullptr;
    int operand = 0;
    WrittenAdjoint contribution;
    bool gone = false;  // a later rule made it superfluous, or it waits until the loop is over
  };
  absl::flat_hash_map<const ir::Value*, WrittenAdjoint> adjoints;  // of values that a gradient flows through
  std::vector<Part> parts;
  std::vector<const ir::Value*> results;  // of the `grad`, in its order
  // The scans and branches that a gradient flows through.
  struct Body;
  std::vector<Body> bodies;
};

// What stands for what in the gradient of a body: values of the forward body, and values of either body for them.
struct GradientRecord::Body {
  const ir::Statement* forward = nullptr;
  const ir::Statement* backward = nullptr;
  GradientRecord record;  // without results
};

// Replaces `grad`, a statement of the graph's body in whose way nothing stands (gradient_paths.h), by the statements
// that compute its results, right at its place.
//
// The adjoint of a named value h is named `d.h` (`d2.h`, … for later gradients) unless it is the very value that
// another adjoint is; the results keep their names, or become aliases where they are values that stand already.
// Statements of the forward part are taken in reverse order, each with the unnamed values that print nested in it; the
// adjoints of its operands follow, parameters first. A sum of several contributions is formed where the last of them
// is. `record`, where given, is filled; adjoints that nothing reads are not in it.
// Fails (ResourceExhausted), where that takes more than `limit` statements; the graph is good for nothing then.
absl::Status Differentiate(ir::Graph& graph, ir::Statement& grad, size_t limit, GradientRecord* record = nullptr);

// The same in a region: the body of a loop may hold a `grad` of its own values.
absl::Status Differentiate(ir::Region& region, ir::Statement& grad, size_t limit);

}  // namespace gradus::passes
