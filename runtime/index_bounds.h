// Data that serve as indices (labels, tokens) are held against their bounds before the first step that they would
// spoil.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "ir/index_bounds.h"
#include "runtime/dataset.h"

namespace gradus::runtime {

// Whether all data are within the bounds (ir::InputIndexBounds of the graphs that will run); the sentence says which
// example is not, and `program_path` is what it calls the program's own file.
absl::Status CheckIndices(const std::vector<ir::IndexBound>& bounds, const std::string& program_path,
                          const Dataset& data);

}  // namespace gradus::runtime
