// The result types of an operation from its operands and attributes: the shape rules, which are also the complete
// static check of a statement. A Status is a sentence for the user, with the types of the operands; whoever knows the
// source adds line and caret.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "ir/graph.h"

namespace gradus::ir {

// NumPy's rule: shapes are aligned at their last axis; extents must be equal or 1. Fails with both shapes in the
// sentence.
absl::StatusOr<Shape> BroadcastShapes(absl::Span<const int64_t> a, absl::Span<const int64_t> b);

// The types of the results of a statement, checking the number and types of its operands, its attributes, and every
// limit. For a statement with a region the region's own types must be in place. Declarations and `grad` have their
// result types set already: they are checked.
absl::StatusOr<std::vector<Type>> InferTypes(const Statement& statement);

}  // namespace gradus::ir
