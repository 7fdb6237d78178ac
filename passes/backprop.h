// Backpropagation: every `grad` statement becomes ordinary statements of the same operations.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "ir/graph.h"
#include "passes/differentiate.h"

namespace gradus::passes {

// Fills every `grad` in text order, so that a later one differentiates through the adjoints of an earlier one
// (differentiate.h says what is written). After the last of them the markers `custom_vjp` and `stop_gradient` have
// served and become their operands. Where a gradient cannot exist, because its scalar is none, what it differentiates
// by is no float, or no path carries a gradient between them, the error lists everything in the way, a line each, with
// its position.
absl::StatusOr<bool> Backprop(ir::Graph& graph);

// One `grad` that was filled: what it was, and which values stand for which adjoints now.
struct FilledGradient {
  int64_t number = 0;
  const ir::Value* scalar = nullptr;
  std::vector<const ir::Value*> by;
  ir::Note note;
  GradientRecord record;
};

// The same but for the last step, the markers staying where they are: for whoever checks the gradients.
absl::StatusOr<std::vector<FilledGradient>> FillAndRecord(ir::Graph& graph);

}  // namespace gradus::passes
