#include "passes/hoist.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "ir/builder.h"
#include "ir/control.h"
#include "ir/cost.h"
#include "passes/bodies.h"
#include "passes/loop_parts.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Region;
using ir::Statement;
using ir::Value;

// Worth a place in memory and a kernel before the loop.
bool IsWorthHoisting(const Statement& s) {
  if (ir::IsElementwise(s.op)) return ir::IsDear(s.op) && s.result()->type.rank() > 0;
  return s.op == Op::kDot || ir::IsReduction(s.op) || s.op == Op::kArgMax || s.op == Op::kArgMin ||
         s.op == Op::kConcat || s.op == Op::kPad;
}

bool MayHoist(const Statement& s) {
  if (s.results.size() != 1 || s.region != nullptr) return false;
  if (ir::Info(s.op).family == ir::OpFamily::kSpecial) return false;
  return s.op != Op::kGather && s.op != Op::kScatterAdd;
}

// Appends what moves out to `out`, which stands before the loop.
bool HoistFrom(Statement& s, ir::NameTable& names, std::vector<std::unique_ptr<Statement>>& out) {
  Region& region = *s.region;
  ir::ValueMap outside;  // of what is the same in every iteration
  for (size_t i = ir::RegionOperandsOf(s).first_capture; i < s.operands.size(); ++i) {
    outside.emplace(ir::ParameterOf(s, i), s.operands[i]);
  }
  absl::flat_hash_set<const Value*> invariant;
  for (const auto& [parameter, operand] : outside) invariant.insert(parameter);
  absl::flat_hash_set<const Statement*> moved;
  for (const auto& inner : region.statements) {
    const auto& operands = inner->operands;
    const bool same =
        std::all_of(operands.begin(), operands.end(), [&](const Value* v) { return invariant.contains(v); });
    if (!same || !MayHoist(*inner)) continue;
    invariant.insert(inner->result());
    if (operands.empty() || !IsWorthHoisting(*inner)) continue;
    moved.insert(inner.get());
  }
  if (moved.empty()) return false;
  // With what they need.
  absl::flat_hash_set<const Value*> read;
  for (auto it = region.statements.rbegin(); it != region.statements.rend(); ++it) {
    const Statement& inner = **it;
    if (!moved.contains(&inner) && !(inner.results.size() == 1 && read.contains(inner.result()))) continue;
    moved.insert(&inner);
    read.insert(inner.operands.begin(), inner.operands.end());
  }
  for (const auto& inner : region.statements) {
    if (!moved.contains(inner.get())) continue;
    auto copy = ir::CloneStatement(*inner, outside);
    copy->section = s.section;
    if (!copy->result()->name.empty()) copy->result()->name = names.Unique(copy->result()->name);
    out.push_back(std::move(copy));
  }
  std::vector<std::unique_ptr<Statement>> stay, gone;
  for (auto& inner : region.statements) (moved.contains(inner.get()) ? gone : stay).push_back(std::move(inner));
  region.statements = std::move(stay);
  const ir::Uses uses(region);
  for (const auto& inner : gone) {
    if (uses.of(inner->result()).empty()) continue;
    Value* value = outside.at(inner->result());
    Value* inside = Sink(s, value);
    if (inside == nullptr) inside = Capture(s, value);
    ir::ReplaceUses(region, inner->result(), inside);
  }
  return true;
}

// The loops after `s` that walk through `stack`, whose elements are all `value`, capture that instead.
bool CaptureInsteadOfWalking(ir::Graph& graph, const Value* stack, Value* value) {
  bool changed = false;
  for (const auto& t : graph.body.statements) {
    if (t->op != Op::kScan) continue;
    for (size_t i = LoopParts(*t).first_carry; i-- > 0;) {
      if (t->operands[i] != stack) continue;
      ir::ReplaceUses(*t->region, ir::ParameterOf(*t, i), Capture(*t, value));
      RemoveOperand(*t, i);
      Decrease(*t, "sequences");
      Renumber(*t);
      changed = true;
    }
  }
  return changed;
}

}  // namespace

absl::StatusOr<bool> HoistInvariants(ir::Graph& graph) {
  // Inner loops first: what leaves one may leave the next.
  ASSIGN_OR_RETURN(bool changed, InBodies(graph, [](ir::Graph& body, Statement&) { return HoistInvariants(body); }));
  ir::NameTable names(graph.body);
  std::vector<std::unique_ptr<Statement>> statements;
  for (auto& s : graph.body.statements) {
    if (s->op == Op::kScan || s->op == Op::kWhile) changed |= HoistFrom(*s, names, statements);
    statements.push_back(std::move(s));
  }
  graph.body.statements = std::move(statements);
  return changed;
}

bool UnstackInvariants(ir::Graph& graph) {
  bool changed = false;
  for (size_t at = 0; at < graph.body.statements.size(); ++at) {
    Statement& s = *graph.body.statements[at];
    if (s.op != Op::kScan) continue;
    const ir::RegionOperands operands = ir::RegionOperandsOf(s);
    for (size_t i = 0; i < LoopParts(s).first_next; ++i) {
      Value* stack = s.results[i].get();
      Value* value = nullptr;
      for (size_t o = operands.first_capture; o < s.operands.size(); ++o) {
        if (ir::ParameterOf(s, o) == s.region->yields[i]) value = s.operands[o];
      }
      if (value == nullptr) continue;
      changed |= CaptureInsteadOfWalking(graph, stack, value);
      if (ir::Uses(graph).of(stack).empty()) continue;
      const bool last = at + 1 == graph.body.statements.size();
      ir::Builder builder = BuilderBehind(graph, s, last ? nullptr : graph.body.statements[at + 1].get());
      ir::Ints one = value->type.shape;
      one.insert(one.begin(), 1);
      Value* repeated = builder.Emit(Op::kBroadcast, {builder.Emit(Op::kReshape, {value}, {one})}, {stack->type.shape});
      TakePlace(graph, stack, repeated);
      changed = true;
    }
  }
  return changed;
}

}  // namespace gradus::passes
