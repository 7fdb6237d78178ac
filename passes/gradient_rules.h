// The gradient of every operation, one rule an operation.
//
// The rules of elementwise operations are the derivative columns of ir/ops.def, instantiated over ir::Expr; those of
// structural operations are the functions GradientNAME below, each in its file passes/gradients_*.cc behind its
// formula. The table is filled from ops.def, so a missing rule is a link error that names it.
#pragma once

#include <string>

#include "ir/expr.h"
#include "ir/graph.h"

namespace gradus::passes {

// Whether the operand carries a gradient at all: both it and the result are floating-point, and the derivative is not 0
// wherever it exists.
bool CarriesGradient(const ir::Statement& y, int operand);

// What the statement `y` contributes to the adjoint of one of its operands, given the adjoint g of its result; the
// operand carries a gradient. An adjoint may be smaller than what it belongs to, and then stands for its broadcast:
//   elementwise operations take any such g, and give a contribution of the shape of the *result*, likewise smaller;
//   structural operations take g of the result's shape or a scalar, and give one that broadcasts to the operand.
ir::Expr Gradient(const ir::Statement& y, int operand, ir::Expr g);

// An adjoint that broadcasts to `shape`, in that shape.
ir::Expr Full(ir::Expr g, absl::Span<const int64_t> shape);

// The transpose of broadcasting: an adjoint that broadcasts to `from`, summed over the axes along which `to` was
// repeated, so that it broadcasts to `to`. Along an axis where the adjoint itself is repeated the sum is a product.
ir::Expr Unbroadcast(ir::Expr g, absl::Span<const int64_t> from, absl::Span<const int64_t> to);

// The sum over all steps of what a Dot of this spec and band inside of a loop contributes to the adjoint of an operand
// that no step changes, in one contraction: `other` and `g` have the other operand and the adjoints of all steps along
// a new first axis.
ir::Expr GradientOfSteps(const std::string& spec, const std::string& band, int operand, ir::Expr other, ir::Expr g);

// g in another shape of as many elements; unchanged where it has that shape already.
ir::Expr Reshaped(ir::Expr g, ir::Shape shape);

#define STRUCTURAL(name, ...) ir::Expr Gradient##name(const ir::Statement& y, int operand, ir::Expr g);
#include "ir/ops.def"

}  // namespace gradus::passes
