#include "passes/loops.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/control.h"
#include "ir/cost.h"
#include "ir/storage.h"
#include "passes/bodies.h"
#include "passes/fuse_groups.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Region;
using ir::Statement;
using ir::Value;

bool IsScalarLiteral(const Value* value) {
  return value->definition != nullptr && value->definition->op == Op::kConstant && value->type.rank() == 0;
}

// Numbers parameters and results again after some have gone.
void Renumber(Statement& s) {
  for (size_t i = 0; i < s.results.size(); ++i) s.results[i]->index = static_cast<int>(i);
  for (size_t i = 0; i < s.region->parameters.size(); ++i) s.region->parameters[i]->index = static_cast<int>(i);
}

// How the yields and results of a statement are divided: what is stacked (or all of a branch), then carries.
struct Parts {
  explicit Parts(const Statement& s)
      : first_carry(s.op == Op::kScan ? static_cast<size_t>(s.Int("sequences")) : 0),
        carries(s.op == Op::kBranch ? 0 : static_cast<size_t>(s.Int("carries"))),
        first_next(s.region->yields.size() - carries),
        predicate(s.op == Op::kWhile ? 1 : 0) {}

  size_t first_carry;  // among operands and parameters
  size_t carries;
  size_t first_next;  // among yields
  size_t predicate;   // yields before those that are results
};

template <typename T>
void EraseAt(std::vector<T>& items, size_t i) {
  items.erase(items.begin() + static_cast<int64_t>(i));
}

void RemoveOperand(Statement& s, size_t operand) {
  const ir::RegionOperands at = ir::RegionOperandsOf(s);
  EraseAt(s.region->parameters, operand - at.first_operand + at.first_parameter);
  EraseAt(s.operands, operand);
}

void Decrease(Statement& s, absl::string_view attribute) { s.Set(attribute, s.Int(attribute) - 1); }

// The parameter through which the body reads `value`, which is captured if it is not yet.
Value* Capture(Statement& s, Value* value) {
  const size_t first = ir::RegionOperandsOf(s).first_capture;
  for (size_t i = first; i < s.operands.size(); ++i) {
    if (s.operands[i] == value) return ir::ParameterOf(s, i);
  }
  s.operands.push_back(value);
  auto parameter = std::make_unique<Value>();
  parameter->index = static_cast<int>(s.region->parameters.size());
  parameter->type = value->type;  // its name comes with the others (ir::AlignCaptures)
  s.region->parameters.push_back(std::move(parameter));
  return s.region->parameters.back().get();
}

// A literal, or a literal repeated to a shape: copied to the front of the body. Null: it is neither.
Value* Sink(Statement& s, const Value* value) {
  std::vector<const Statement*> chain;
  while (true) {
    const Statement* definition = value->definition;
    if (definition == nullptr || chain.size() > 2) return nullptr;
    chain.push_back(definition);
    if (IsScalarLiteral(value)) break;
    if (definition->op != Op::kBroadcast && definition->op != Op::kReshape) return nullptr;
    value = definition->operands[0];
  }
  ir::ValueMap map;
  auto& statements = s.region->statements;
  int64_t position = 0;
  Value* result = nullptr;
  for (auto it = chain.rbegin(); it != chain.rend(); ++it) {
    auto copy = ir::CloneStatement(**it, map);
    copy->section.clear();
    copy->note.aliases.clear();
    copy->result()->name.clear();
    copy->result()->arena.reset();
    result = copy->result();
    statements.insert(statements.begin() + position++, std::move(copy));
  }
  return result;
}

bool SinkLiterals(Statement& s) {
  bool changed = false;
  for (size_t i = ir::RegionOperandsOf(s).first_capture; i < s.operands.size();) {
    Value* inside = Sink(s, s.operands[i]);
    if (inside == nullptr) {
      ++i;
      continue;
    }
    ir::ReplaceUses(*s.region, ir::ParameterOf(s, i), inside);
    RemoveOperand(s, i);
    changed = true;
  }
  if (changed) Renumber(s);
  return changed;
}

bool CaptureInvariantCarries(ir::Graph& graph, Statement& s) {
  bool changed = false;
  for (size_t i = 0; i < Parts(s).carries;) {
    const Parts parts(s);
    Region& region = *s.region;
    Value* parameter = region.parameters[parts.first_carry + i].get();
    const bool last = region.yields.size() == parts.predicate + 1;  // a loop yields something
    if (region.yields[parts.first_next + i] != parameter || last) {
      ++i;
      continue;
    }
    Value* initial = s.operands[parts.first_carry + i];
    Value* inside = Sink(s, initial);
    if (inside == nullptr) inside = Capture(s, initial);
    EraseAt(region.yields, parts.first_next + i);
    ir::ReplaceUses(region, parameter, inside);
    const size_t result = parts.first_next - parts.predicate + i;
    ir::ReplaceUses(graph, s.results[result].get(), initial);
    EraseAt(s.results, result);
    RemoveOperand(s, parts.first_carry + i);
    Decrease(s, "carries");
    Renumber(s);
    changed = true;
  }
  return changed;
}

bool JoinStacked(ir::Graph& graph, Statement& s) {
  if (s.op == Op::kWhile) return false;
  const size_t stacked = Parts(s).first_next;
  const ir::Uses uses(graph);
  bool changed = false;
  absl::flat_hash_map<const Value*, Value*> first;
  for (size_t i = 0; i < stacked; ++i) {
    const auto [known, fresh] = first.emplace(s.region->yields[i], s.results[i].get());
    if (fresh || uses.of(s.results[i].get()).empty()) continue;
    ir::ReplaceUses(graph, s.results[i].get(), known->second);
    changed = true;
  }
  return changed;
}

// The loops after `s` that walk through `stack`, whose elements are all `value`, capture that instead.
bool CaptureInsteadOfWalking(ir::Graph& graph, const Value* stack, Value* value) {
  bool changed = false;
  for (const auto& t : graph.body.statements) {
    if (t->op != Op::kScan) continue;
    for (size_t i = Parts(*t).first_carry; i-- > 0;) {
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

// What is stacked and the same in every iteration is one value, and repeated only for those who need a stack.
bool UnstackInvariants(ir::Graph& graph) {
  bool changed = false;
  for (size_t at = 0; at < graph.body.statements.size(); ++at) {
    Statement& s = *graph.body.statements[at];
    if (s.op != Op::kScan) continue;
    const ir::RegionOperands operands = ir::RegionOperandsOf(s);
    for (size_t i = 0; i < Parts(s).first_next; ++i) {
      Value* stack = s.results[i].get();
      Value* value = nullptr;
      for (size_t o = operands.first_capture; o < s.operands.size(); ++o) {
        if (ir::ParameterOf(s, o) == s.region->yields[i]) value = s.operands[o];
      }
      if (value == nullptr) continue;
      changed |= CaptureInsteadOfWalking(graph, stack, value);
      if (ir::Uses(graph).of(stack).empty()) continue;
      ir::Builder builder(graph);
      builder.InsertBefore(at + 1 < graph.body.statements.size() ? graph.body.statements[at + 1].get() : nullptr);
      builder.SetNote(s.note);
      builder.SetSection(s.section);
      ir::Ints one = value->type.shape;
      one.insert(one.begin(), 1);
      Value* repeated = builder.Emit(Op::kBroadcast, {builder.Emit(Op::kReshape, {value}, {one})}, {stack->type.shape});
      ir::ReplaceUses(graph, stack, repeated);
      std::swap(repeated->name, stack->name);
      changed = true;
    }
  }
  return changed;
}

// What the needed yields need: values of the region.
absl::flat_hash_set<const Value*> Reach(const Region& region, const std::vector<bool>& needed) {
  absl::flat_hash_set<const Value*> reached;
  for (size_t i = 0; i < needed.size(); ++i) {
    if (needed[i]) reached.insert(region.yields[i]);
  }
  for (auto it = region.statements.rbegin(); it != region.statements.rend(); ++it) {
    const Statement& s = **it;
    const auto& results = s.results;
    if (std::any_of(results.begin(), results.end(), [&](const auto& r) { return reached.contains(r.get()); })) {
      reached.insert(s.operands.begin(), s.operands.end());
    }
  }
  return reached;
}

bool TrimOnce(Statement& s, const absl::flat_hash_set<const Value*>& live) {
  const Parts parts(s);
  Region& region = *s.region;
  std::vector<bool> needed(region.yields.size());
  for (size_t i = 0; i < needed.size(); ++i) {
    needed[i] = i < parts.predicate || live.contains(s.results[i - parts.predicate].get());
  }
  absl::flat_hash_set<const Value*> reached;
  for (bool grows = true; grows;) {
    reached = Reach(region, needed);
    grows = false;
    for (size_t i = 0; i < parts.carries; ++i) {
      const bool carried = reached.contains(region.parameters[parts.first_carry + i].get());
      if (!carried || needed[parts.first_next + i]) continue;
      needed[parts.first_next + i] = true;
      grows = true;
    }
  }
  const size_t before = region.yields.size() + s.operands.size();
  const size_t statements = region.statements.size();
  std::erase_if(region.statements, [&](const auto& inner) {
    const auto& results = inner->results;
    return std::none_of(results.begin(), results.end(), [&](const auto& r) { return reached.contains(r.get()); });
  });
  for (size_t i = needed.size(); i-- > 0;) {
    if (needed[i]) continue;
    EraseAt(region.yields, i);
    EraseAt(s.results, i - parts.predicate);
    if (i < parts.first_next) continue;
    RemoveOperand(s, parts.first_carry + i - parts.first_next);
    Decrease(s, "carries");
  }
  const size_t first_capture = ir::RegionOperandsOf(s).first_capture;
  for (size_t i = s.operands.size(); i-- > 0;) {
    const Value* parameter = ir::ParameterOf(s, i);
    if (parameter == nullptr || reached.contains(parameter)) continue;
    const bool sequence = s.op == Op::kScan && i < parts.first_carry;
    if (!sequence && i < first_capture) continue;
    RemoveOperand(s, i);
    if (sequence) Decrease(s, "sequences");
  }
  Renumber(s);
  return before != region.yields.size() + s.operands.size() || statements != region.statements.size();
}

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

}  // namespace

bool SimplifyLoops(ir::Graph& graph) {
  bool changed = false;
  for (const auto& s : graph.body.statements) {
    if (!ir::HasBody(s->op)) continue;
    changed |= SinkLiterals(*s);
    changed |= CaptureInvariantCarries(graph, *s);
    changed |= JoinStacked(graph, *s);
  }
  changed |= UnstackInvariants(graph);
  return changed;
}

bool TrimBody(Statement& holder, const absl::flat_hash_set<const Value*>& live) {
  bool changed = false;
  while (TrimOnce(holder, live)) changed = true;
  return changed;
}

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

}  // namespace gradus::passes
