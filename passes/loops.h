// What is said of loops and branches as statements; what stands in their bodies is for every pass (bodies.h).
#pragma once

#include "absl/container/flat_hash_set.h"
#include "passes/pass.h"

namespace gradus::passes {

// Captured literals, and captures that are one number everywhere, go into the body, where they feed other rules. What
// is carried and never changed is captured. Two stacked results of one value become one.
// UnstackInvariants (hoist.h) is part of it.
bool SimplifyLoops(ir::Graph& graph);

// Drops what `live`, values read around the statement, shows that nobody needs: stacked results, carries that only feed
// themselves, and then sequences and captures without readers.
bool TrimBody(ir::Statement& holder, const absl::flat_hash_set<const ir::Value*>& live);

}  // namespace gradus::passes
