// Small pictures in a terminal.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "runtime/dataset.h"

namespace gradus::tools {

// `count` examples, spread over the data, of their picture (the first input whose examples are square, 64 numbers or
// 8×8, say), several side by side, and under each the index of the largest number of its row of `scores`, with the
// right one where the data have an integer an example.
absl::StatusOr<std::string> DrawPredictions(const runtime::Dataset& data, const ir::Tensor& scores, int64_t count);

}  // namespace gradus::tools
