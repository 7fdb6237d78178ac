// The last step of Fuse: makes the region of every group.
#pragma once

#include "absl/functional/function_ref.h"
#include "passes/fuse_groups.h"

namespace gradus::passes {

// Replaces the statements of every group of two or more, and of every one that reads through accesses, by a `fused`
// statement, names what crosses between kernels, removes accesses that nobody reads any more, and orders the body:
// definitions before uses, text order otherwise. Returns whether there was anything to do.
bool BuildRegions(ir::Graph& graph, const Groups& groups);

// Orders statements so that definitions stand before uses; among those that can stand next, the one with the smallest
// key comes first. `keys` is one a statement.
void OrderStatements(ir::Region& region, absl::Span<const int64_t> keys);

// Names every unnamed value of the body for which `wanted` holds.
bool NameValues(ir::Graph& graph, absl::FunctionRef<bool(const ir::Value&)> wanted);

}  // namespace gradus::passes
