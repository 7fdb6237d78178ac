// Whether a graph is well formed: what every pass may rely on, checked after each of them.
#pragma once

#include "absl/status/status.h"
#include "ir/graph.h"

namespace gradus::ir {

// Types as inferred, definitions before uses, names unique, the invariant of unnamed values, declarations first, `next`
// once a state and of its type, regions closed, outputs named once, limits (rank, bytes, statements) kept. An error
// names the statement.
absl::Status Verify(const Graph& graph);

}  // namespace gradus::ir
