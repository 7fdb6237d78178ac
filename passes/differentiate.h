// One `grad` statement becomes ordinary statements: reverse-mode differentiation over the statements before it.
#pragma once

#include "absl/status/status.h"
#include "ir/graph.h"

namespace gradus::passes {

// Replaces `grad`, a statement of the graph's body in whose way nothing stands (gradient_paths.h), by the statements
// that compute its results, right at its place.
//
// The adjoint of a named value h is named `d.h` (`d2.h`, … for later gradients) unless it is the very value that
// another adjoint is; the results keep their names, or become aliases where they are values that stand already.
// Statements of the forward part are taken in reverse order, each with the unnamed values that print nested in it; the
// adjoints of its operands follow, parameters first. A sum of several contributions is formed where the last of them
// is.
// Fails (ResourceExhausted), where that takes more than `limit` statements; the graph is good for nothing then.
absl::Status Differentiate(ir::Graph& graph, ir::Statement& grad, size_t limit);

}  // namespace gradus::passes
