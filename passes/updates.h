// Which `next` statements can be updates in place, as far as statements alone tell: the schedule then orders readers of
// the old state before the new value, and the plan checks that it came out so.
#pragma once

#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "ir/graph.h"

namespace gradus::passes {

// By the new value: the state that it may be written over. The value is computed by a kernel, is the `next` of one
// state, and its kernel reads that state, if at all, only at the index that it computes.
absl::flat_hash_map<const ir::Value*, const ir::Value*> InPlaceUpdates(const ir::Graph& graph);

// By the next value of a carry: the parameter of a lent body (bodies.h) that it may be written over, of these pairs of
// a parameter and its next value.
absl::flat_hash_map<const ir::Value*, const ir::Value*> CarriesInPlace(
    absl::Span<const std::pair<const ir::Value*, const ir::Value*>> carried);

}  // namespace gradus::passes
