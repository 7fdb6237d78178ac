#include "passes/freeze.h"

#include "ir/order.h"

namespace gradus::passes {
namespace {

using ir::Op;

bool IsDefault(const ir::Statement& s) {
  if (!ir::IsReduction(s.op)) return ir::OrderOfContraction(s) == ir::DefaultOrder(ir::SizeOf(s));
  return ir::OrderOfReduction(s) == ir::DefaultOrder(s.operands[0]->type.shape, s.IntList("axis"));
}

bool DropDefaults(ir::Region& region) {
  bool changed = false;
  for (const auto& s : region.statements) {
    if (s->region != nullptr) changed |= DropDefaults(*s->region);
    if (s->op != Op::kDot && s->op != Op::kConvolutionWeights && !ir::IsReduction(s->op)) continue;
    if (s->Text("order").empty() || !IsDefault(*s)) continue;
    s->Set("order", std::string());
    changed = true;
  }
  return changed;
}

}  // namespace

absl::StatusOr<bool> FreezeOrder(ir::Graph& graph) {
  const bool changed = DropDefaults(graph.body) || !graph.frozen;
  graph.frozen = true;
  return changed;
}

}  // namespace gradus::passes
