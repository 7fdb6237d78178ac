// Gradients of gather and scatter_add, which are each other's transposes.
#include "passes/gradient_rules.h"

namespace gradus::passes {

using ir::Expr;
using ir::Op;
using ir::Statement;

// y = gather(x, i).   dL/dx = scatter_add(g, i)
Expr GradientGather(const Statement& y, int, Expr g) {
  const int64_t axis = y.Int("axis");
  const Expr indices = Expr::Of(g.builder(), y.operands[1]);
  return Expr::Apply(Op::kScatterAdd, {Full(g, y.result()->type.shape), indices},
                     {y.operands[0]->type.shape[axis], axis, y.Int("batch")});
}

// y = scatter_add(u, i).   dL/du = gather(g, i)
Expr GradientScatterAdd(const Statement& y, int, Expr g) {
  const Expr indices = Expr::Of(g.builder(), y.operands[1]);
  return Expr::Apply(Op::kGather, {Full(g, y.result()->type.shape), indices}, {y.Int("axis"), y.Int("batch")});
}

}  // namespace gradus::passes
