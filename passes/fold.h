// Computes statements whose operands are all literals, by the interpreter, which defines every operation: folding
// changes no bit.
//
// Scalars fold within Simplify, where they feed other rules; this pass folds tensors, up to kMaxFoldedElements in the
// result. A statement that fails in the interpreter (an index out of range) stays and fails at run time, with its
// source line.
#pragma once

#include "passes/pass.h"
#include "passes/simplify_rules.h"

namespace gradus::passes {

inline constexpr int64_t kMaxFoldedElements = 1024;

absl::StatusOr<bool> Fold(ir::Graph& graph);

// A rule of Simplify: an elementwise statement on scalar literals.
ir::Value* FoldScalar(Rewriter& r, const ir::Statement& s);

}  // namespace gradus::passes
