// What the schedule has to copy, so that the plan can give everything a place: old values of states that change, and
// yields of bodies that no statement computes for themselves alone.
#pragma once

#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "ir/graph.h"

namespace gradus::passes {

// A `next` or an output that reads the old value of a state that changes in this step reads a copy of it.
void CopyChangingStates(ir::Graph& graph);

// Every yield of a lent body (bodies.h) becomes a value that a statement of the body computes, for itself alone but
// that what is stacked may be carried too.
void CopyYields(ir::Graph& body, const ir::Statement& holder);

// The last value of a carry that is stacked is read where it is stacked.
void ReadLastFromStack(ir::Graph& graph);

// The storages of the yields of a lent body.
struct Yields {
  Yields(const ir::Graph& body, const ir::Statement& holder);

  absl::flat_hash_set<const ir::Value*> results;                       // what is stacked, or all of a branch
  std::vector<std::pair<const ir::Value*, const ir::Value*>> carried;  // parameters and their next values, in order
  const ir::Value* predicate = nullptr;                                // of a while
};

}  // namespace gradus::passes
