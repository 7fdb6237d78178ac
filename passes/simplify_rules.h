// The rules of Simplify. Each looks at one statement, whose operands are simplified, and returns the value that takes
// the place of its result (a value that stands before it, or one appended by `builder`), or null.
#pragma once

#include "absl/types/optional.h"
#include "ir/builder.h"

namespace gradus::passes {

struct Rewriter {
  ir::Builder& builder;
  const ir::Uses& uses;   // at the start of the round; a value made in it has none
  bool gradients_remain;  // a `grad` is still unfilled: markers for backprop stay

  bool HasOneUse(const ir::Value* value) const { return uses.of(value).size() == 1; }
  // `value` broadcast to `shape`, or itself.
  ir::Value* Shaped(ir::Value* value, const ir::Shape& shape);
  // A literal of this type, broadcast to `shape`.
  ir::Value* Uniform(const ir::Type& type, double number);
};

// The definition of `value` when it is this operation.
const ir::Statement* As(const ir::Value* value, ir::Op op);
// The number of a scalar literal.
absl::optional<double> LiteralNumber(const ir::Value* value);
// The number that every element of `value` is, seen through broadcasts and reshapes.
absl::optional<double> UniformNumber(const ir::Value* value);
// Whether x is ±2ⁿ, |n| ≤ 32.
bool IsPowerOfTwo(double x);

ir::Value* SimplifyElementwise(Rewriter& r, const ir::Statement& s);  // identities of one operation
ir::Value* SimplifyProduct(Rewriter& r, const ir::Statement& s);      // chains of *, / and literals, powers
ir::Value* SinkBroadcasts(Rewriter& r, const ir::Statement& s);       // op(broadcast(x), …) = broadcast(op(x, …))
ir::Value* SimplifyMovement(Rewriter& r, const ir::Statement& s);     // reshape, transpose, slice, …
ir::Value* SimplifyReduction(Rewriter& r, const ir::Statement& s);    // sums of broadcasts, transposes under products

}  // namespace gradus::passes
