#include "passes/fold.h"

#include <algorithm>

#include "ir/check.h"
#include "ir/interpreter.h"
#include "passes/bodies.h"
#include "passes/dce.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

const ir::Tensor* LiteralOf(const Value* value) {
  const Statement* s = As(value, Op::kConstant);
  return s == nullptr ? nullptr : &*s->literal;
}

absl::optional<ir::Tensor> Evaluate(const Statement& s) {
  std::vector<const ir::Tensor*> operands;
  for (const Value* operand : s.operands) {
    operands.push_back(LiteralOf(operand));
    if (operands.back() == nullptr) return absl::nullopt;
  }
  absl::StatusOr<ir::Tensor> result = ir::InterpretStatement(s, operands);
  if (!result.ok()) return absl::nullopt;
  return *std::move(result);
}

// Iota, one_hot and broadcast say more in fewer words than their elements.
bool MayFold(const Statement& s) {
  if (s.results.size() != 1 || s.region != nullptr || s.operands.empty() || s.result()->type.rank() == 0) return false;
  if (ir::Info(s.op).family == ir::OpFamily::kSpecial) return false;
  if (s.op == Op::kBroadcast || s.op == Op::kOneHot || s.op == Op::kRandomBits || s.op == Op::kStopGradient) {
    return false;
  }
  return s.result()->type.elements().value() <= kMaxFoldedElements;
}

}  // namespace

Value* FoldScalar(Rewriter& r, const Statement& s) {
  if (!ir::IsElementwise(s.op) || s.result()->type.rank() != 0) return nullptr;
  absl::optional<ir::Tensor> value = Evaluate(s);
  return value.has_value() ? r.builder.Constant(*std::move(value)) : nullptr;
}

absl::StatusOr<bool> Fold(ir::Graph& graph) {
  ASSIGN_OR_RETURN(bool changed, InBodies(graph, [](ir::Graph& body, Statement&) { return Fold(body); }));
  for (const auto& s : graph.body.statements) {
    if (!MayFold(*s)) continue;
    absl::optional<ir::Tensor> value = Evaluate(*s);
    if (!value.has_value()) continue;
    s->op = Op::kConstant;
    s->operands.clear();
    s->attributes.clear();
    s->literal = *std::move(value);
    changed = true;
  }
  if (changed) RemoveUnnamedDeadCode(graph);
  return changed;
}

}  // namespace gradus::passes
