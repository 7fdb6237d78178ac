// Gradients of reductions.
#include <algorithm>

#include "ir/check.h"
#include "passes/gradient_rules.h"

namespace gradus::passes {

using ir::Expr;
using ir::Ints;
using ir::Op;
using ir::Shape;
using ir::Statement;

namespace {

// g, of the shape without `axes`, with an extent of 1 in their place: it broadcasts to the shape with them. Leading
// ones are left to broadcasting.
Expr InsertAxes(Expr g, const Ints& axes, size_t rank) {
  if (g.shape().empty()) return g;
  Shape shape;
  size_t next = 0;
  for (size_t axis = 0; axis < rank; ++axis) {
    const bool inserted = std::binary_search(axes.begin(), axes.end(), static_cast<int64_t>(axis));
    if (!inserted) {
      shape.push_back(g.shape()[next++]);
    } else if (!shape.empty()) {
      shape.push_back(1);
    }
  }
  return Reshaped(g, std::move(shape));
}

// y = max(x) over one axis of n.   dL/dx = where(iota == argmax(x), g, 0), so the first index that attains it
Expr GradientAlongAxis(Op argument, Expr x, int64_t axis, Expr g) {
  const size_t rank = x.shape().size();
  const Expr winner = InsertAxes(Expr::Apply(argument, {x}, {axis}), {axis}, rank);
  Shape shape(rank - axis, 1);
  shape[0] = x.shape()[axis];
  ir::Value* index = x.builder().Emit(Op::kIota, {}, {shape, int64_t{0}, ir::DType::kI32});
  return Select(Expr::Of(x.builder(), index) == winner, InsertAxes(g, {axis}, rank), Expr());
}

// Several axes are moved to the end, where they are not adjacent, and joined to one.
Expr GradientExtremum(Op argument, const Statement& y, Expr g) {
  const Ints& axes = y.IntList("axis");
  Expr x = Expr::Of(g.builder(), y.operands[0]);
  if (axes.size() == 1) return GradientAlongAxis(argument, x, axes[0], g);
  const Shape& shape = y.operands[0]->type.shape;
  const size_t rank = shape.size(), count = axes.size();
  const bool adjacent = axes.back() - axes.front() == static_cast<int64_t>(count) - 1;
  Ints order;
  for (size_t axis = 0; axis < rank; ++axis) {
    if (adjacent || !std::binary_search(axes.begin(), axes.end(), static_cast<int64_t>(axis))) {
      order.push_back(static_cast<int64_t>(axis));
    }
  }
  if (!adjacent) order.insert(order.end(), axes.begin(), axes.end());
  const size_t first = adjacent ? static_cast<size_t>(axes.front()) : rank - count;
  Shape moved, joined;
  for (size_t i = 0; i < rank; ++i) {
    moved.push_back(shape[order[i]]);
    if (i > first && i < first + count) {
      joined.back() *= moved.back();
    } else {
      joined.push_back(moved.back());
    }
  }
  if (!adjacent) x = Expr::Apply(Op::kTranspose, {x}, {order});
  x = Reshaped(x, joined);
  Expr dx = Reshaped(GradientAlongAxis(argument, x, static_cast<int64_t>(first), g), moved);
  if (adjacent) return dx;
  Ints inverse(rank);
  for (size_t i = 0; i < rank; ++i) inverse[order[i]] = static_cast<int64_t>(i);
  return Expr::Apply(Op::kTranspose, {dx}, {std::move(inverse)});
}

}  // namespace

// y = sum(x).   dL/dx = g, repeated along the summed axes
Expr GradientReduceSum(const Statement& y, int, Expr g) {
  return InsertAxes(g, y.IntList("axis"), y.operands[0]->type.shape.size());
}

Expr GradientReduceMax(const Statement& y, int, Expr g) { return GradientExtremum(Op::kArgMax, y, g); }
Expr GradientReduceMin(const Statement& y, int, Expr g) { return GradientExtremum(Op::kArgMin, y, g); }

// Indices carry no gradient.
Expr GradientArgMax(const Statement&, int, Expr) { return Expr(); }
Expr GradientArgMin(const Statement&, int, Expr) { return Expr(); }
// Indices: nothing flows through them.
Expr GradientArgSort(const Statement&, int, Expr) { return Expr(); }

}  // namespace gradus::passes
