#include "passes/loops.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "ir/control.h"
#include "ir/storage.h"
#include "passes/hoist.h"
#include "passes/loop_parts.h"
#include "passes/scans.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Region;
using ir::Statement;
using ir::Value;

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
  for (size_t i = 0; i < LoopParts(s).carries;) {
    const LoopParts parts(s);
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
  const size_t stacked = LoopParts(s).first_next;
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
  const LoopParts parts(s);
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

}  // namespace

bool SimplifyLoops(ir::Graph& graph) {
  bool changed = false;
  for (const auto& s : graph.body.statements) {
    if (!ir::HasBody(s->op)) continue;
    changed |= SinkLiterals(*s);
    changed |= CaptureInvariantCarries(graph, *s);
    changed |= JoinStacked(graph, *s);
  }
  changed |= SimplifyScans(graph);
  changed |= UnstackInvariants(graph);
  return changed;
}

bool TrimBody(Statement& holder, const absl::flat_hash_set<const Value*>& live) {
  bool changed = false;
  while (TrimOnce(holder, live)) changed = true;
  return changed;
}

}  // namespace gradus::passes
