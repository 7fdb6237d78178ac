// What loops keep for their gradients.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"

namespace gradus::passes {

// A scan of the forward section and those of its stacked values that nothing but gradients and updates read.
struct SavedByScan {
  const ir::Statement* scan = nullptr;
  std::vector<const ir::Value*> values;
  int64_t bytes = 0;  // of the values
  int64_t again = 0;  // what a part of it keeps, of one step of its gradient, where that runs it again
};

// In text order; scans of which nothing is kept are not in it.
std::vector<SavedByScan> SavedForGradients(const ir::Graph& graph);

// `scan ys (4:12) keeps 1024 bytes for its gradient: ys.h, ys.z`, a line each.
std::string ToString(const std::vector<SavedByScan>& saved);

}  // namespace gradus::passes
