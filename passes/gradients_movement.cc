// Gradients of operations that move elements: each is the transpose of the movement.
#include "ir/check.h"
#include "passes/gradient_rules.h"

namespace gradus::passes {

using ir::Expr;
using ir::Ints;
using ir::Op;
using ir::Statement;

// y[i] = x[i permuted by axes].   dL/dx = transpose(g, inverse of axes)
Expr GradientTranspose(const Statement& y, int, Expr g) {
  if (g.shape().empty()) return g;
  const Ints& axes = y.IntList("axes");
  Ints inverse(axes.size());
  for (size_t i = 0; i < axes.size(); ++i) inverse[axes[i]] = static_cast<int64_t>(i);
  return Expr::Apply(Op::kTranspose, {g}, {std::move(inverse)});
}

// y = x[start:limit:stride].   dL/dx = g, with stride - 1 zeros between its elements and zeros around it
Expr GradientSlice(const Statement& y, int, Expr g) {
  const ir::Shape &x = y.operands[0]->type.shape, &shape = y.result()->type.shape;
  Ints low = y.IntList("start"), high, interior;
  for (size_t i = 0; i < x.size(); ++i) {
    interior.push_back(y.IntList("stride")[i] - 1);
    high.push_back(x[i] - low[i] - ((shape[i] - 1) * y.IntList("stride")[i] + 1));
  }
  return Expr::Apply(Op::kPad, {Full(g, shape), 0.0}, {std::move(low), std::move(high), std::move(interior)});
}

// y = flip(x).   dL/dx = flip(g)
Expr GradientFlip(const Statement& y, int, Expr g) {
  if (g.shape().empty()) return g;
  return Expr::Apply(Op::kFlip, {g}, {y.IntList("axis")});
}

// y = concat([…, x, …]).   dL/dx = the part of g that stands where x stood
Expr GradientConcat(const Statement& y, int operand, Expr g) {
  if (g.shape().empty()) return g;
  const int64_t axis = y.Int("axis");
  Ints start(y.result()->type.shape.size(), 0), limit = y.result()->type.shape;
  for (int i = 0; i < operand; ++i) start[axis] += y.operands[i]->type.shape[axis];
  limit[axis] = start[axis] + y.operands[operand]->type.shape[axis];
  const Ints stride(start.size(), 1);
  return Expr::Apply(Op::kSlice, {g}, {std::move(start), std::move(limit), stride});
}

// y = pad(x, v).   dL/dx = g where x stands,  dL/dv = the sum of g where v stands
Expr GradientPad(const Statement& y, int operand, Expr g) {
  const Ints &low = y.IntList("low"), &high = y.IntList("high"), &interior = y.IntList("interior");
  const ir::Shape &x = y.operands[0]->type.shape, &shape = y.result()->type.shape;
  if (operand == 0) {
    if (g.shape().empty()) return g;
    Ints limit, stride;
    for (size_t i = 0; i < x.size(); ++i) {
      stride.push_back(interior[i] + 1);
      limit.push_back(low[i] + (x[i] - 1) * stride[i] + 1);
    }
    return Expr::Apply(Op::kSlice, {g}, {low, std::move(limit), std::move(stride)});
  }
  if (shape.empty()) return Expr::Literal(g.builder(), y.result()->type.element, 0);
  const Expr inside = Full(Expr::Literal(g.builder(), y.result()->type.element, 0), x);
  const Expr mask = Expr::Apply(Op::kPad, {inside, 1.0}, {low, high, interior});
  return Unbroadcast(Select(mask != 0.0, Full(g, shape), Expr()), shape, {});
}

// No gradient flows into or out of these.
Expr GradientConstant(const Statement&, int, Expr) { return Expr(); }
Expr GradientIota(const Statement&, int, Expr) { return Expr(); }
Expr GradientOneHot(const Statement&, int, Expr) { return Expr(); }
Expr GradientRandomBits(const Statement&, int, Expr) { return Expr(); }
Expr GradientStopGradient(const Statement&, int, Expr) { return Expr(); }

}  // namespace gradus::passes
