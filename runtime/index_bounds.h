// Which inputs are indices, and how large they may be: so that data are refused before the first step that they would
// spoil.
//
// An integer input that is the index operand of a gather, a scatter_add or a one_hot, directly or through operations
// that only move elements, must be in [0, extent). Indices that are computed are checked while the step runs.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "ir/graph.h"
#include "runtime/dataset.h"

namespace gradus::runtime {

struct IndexBound {
  std::string input;
  int64_t bound = 0;
  std::string operation;  // `one_hot`
  std::string place;      // `mlp.gr:14:15`
};

// Of a lowered graph; `program_path` is what places call the program's own file.
std::vector<IndexBound> FindIndexBounds(const ir::Graph& graph, const std::string& program_path);

// Whether all data are within their bounds; the sentence says which element is not.
absl::Status CheckIndices(const std::vector<IndexBound>& bounds, const Dataset& data);

}  // namespace gradus::runtime
