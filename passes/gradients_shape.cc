// Adjoints that stand for their broadcast, and the gradient of broadcasting itself.
#include "ir/check.h"
#include "passes/gradient_rules.h"

namespace gradus::passes {

using ir::Expr;
using ir::Op;
using ir::Shape;
using ir::Statement;

Expr Reshaped(Expr g, Shape shape) {
  if (g.shape() == absl::Span<const int64_t>(shape)) return g;
  const Statement* definition = g.value()->definition;
  const bool reshaped = definition != nullptr && definition->op == Op::kReshape && g.value()->name.empty();
  if (reshaped) return Reshaped(Expr::Of(g.builder(), definition->operands[0]), std::move(shape));
  return Expr::Apply(Op::kReshape, {g}, {std::move(shape)});
}

Expr Full(Expr g, absl::Span<const int64_t> shape) {
  if (g.shape() == shape) return g;
  Shape full(shape.begin(), shape.end());
  if (!g.IsLiteral() && ir::ElementCount(g.shape()) == ir::ElementCount(shape)) return Reshaped(g, std::move(full));
  return Expr::Apply(Op::kBroadcast, {g}, {std::move(full)});
}

Expr Unbroadcast(Expr g, absl::Span<const int64_t> from, absl::Span<const int64_t> to) {
  if (g.IsZero() || from == to) return g;
  const Shape shape(g.shape().begin(), g.shape().end());
  CHECK(shape.size() <= from.size() && to.size() <= from.size()) << "an adjoint of another rank";
  ir::Ints axes;  // of g, that are summed
  bool sums = false;
  Shape kept;        // the shape of g with 1 for every summed axis, and without leading axes that `to` lacks
  double count = 1;  // of the equal terms along axes where g itself is repeated
  for (size_t i = 0; i < from.size(); ++i) {
    const size_t from_last = from.size() - i;
    const bool to_has = from_last <= to.size();
    const bool repeated = from[i] != 1 && (!to_has || to[to.size() - from_last] == 1);
    const bool g_has = from_last <= shape.size();
    const size_t axis = g_has ? shape.size() - from_last : 0;
    const bool summed = repeated && g_has && shape[axis] != 1;
    sums = sums || summed;
    if (summed || (g_has && !to_has)) axes.push_back(static_cast<int64_t>(axis));  // a leading 1 goes with the sum
    if (repeated && !summed) count *= static_cast<double>(from[i]);
    if (to_has && g_has) kept.push_back(repeated ? 1 : shape[axis]);
  }
  if (sums) g = Expr::Apply(Op::kReduceSum, {g}, {std::move(axes), std::string()});
  // A literal is a scalar already.
  if (!g.IsLiteral()) {
    size_t leading = 0;
    while (leading < kept.size() && kept[leading] == 1 && kept.size() - leading > g.shape().size()) ++leading;
    g = Reshaped(g, Shape(kept.begin() + leading, kept.end()));
  }
  return Expr(count) * g;
}

// y = broadcast(x).   dL/dx = g summed over what was repeated
Expr GradientBroadcast(const Statement& y, int, Expr g) {
  return Unbroadcast(g, y.result()->type.shape, y.operands[0]->type.shape);
}

// y = reshape(x).   dL/dx = reshape(g)
Expr GradientReshape(const Statement& y, int, Expr g) {
  if (g.shape().empty()) return g;
  return Reshaped(g, y.operands[0]->type.shape);
}

}  // namespace gradus::passes
