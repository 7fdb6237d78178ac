// Algebra before freeze: fewer and plainer statements, for the reader of the gradient and for speed.
//
// A rule may change bits (x + 0 is x, though -0 + 0 is +0) but not mathematics, and it may not make a finite value
// infinite or hide a NaN: 0 * x stays, x - x stays. Division by a literal becomes a multiplication for powers of two
// only. Rules that merge literals need one of them to be a power of two, so that they round as before.
//
// A value that a rule replaces hands its name to its replacement; where that has one already, the name follows it as
// an alias.
#pragma once

#include "passes/pass.h"

namespace gradus::passes {

absl::StatusOr<bool> Simplify(ir::Graph& graph);

}  // namespace gradus::passes
