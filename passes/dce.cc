#include "passes/dce.h"

#include "absl/container/flat_hash_set.h"
#include "ir/storage.h"
#include "passes/loops.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

// Removes what is dead in one region, given the values that are alive for reasons outside it. A region statement whose
// results are all alive or dead together stays whole: Fuse makes no yield that nobody reads.
bool Sweep(ir::Region& region, absl::flat_hash_set<const Value*> live, bool only_unnamed) {
  absl::flat_hash_set<const Statement*> keep;
  bool changed = false;
  for (auto it = region.statements.rbegin(); it != region.statements.rend(); ++it) {
    Statement& s = **it;
    bool alive = ir::IsDeclaration(s.op) || s.results.empty();
    for (const auto& result : s.results) {
      alive |= live.contains(result.get()) || (only_unnamed && !result->name.empty());
    }
    if (!alive) continue;
    keep.insert(&s);
    if (ir::HasBody(s.op) && !only_unnamed) changed |= TrimBody(s, live);
    for (const Value* operand : s.operands) live.insert(operand);
  }
  changed |= ir::EraseIf(region, [&](const Statement& s) { return !keep.contains(&s); });
  for (const auto& s : region.statements) {
    if (s->region == nullptr) continue;
    changed |= Sweep(*s->region, {s->region->yields.begin(), s->region->yields.end()}, only_unnamed);
  }
  return changed;
}

bool Sweep(ir::Graph& graph, bool only_unnamed) {
  absl::flat_hash_set<const Value*> outputs;
  for (const ir::Output& output : graph.outputs) outputs.insert(output.value);
  return Sweep(graph.body, std::move(outputs), only_unnamed);
}

}  // namespace

absl::StatusOr<bool> EliminateDeadCode(ir::Graph& graph) { return Sweep(graph, false); }

bool RemoveUnnamedDeadCode(ir::Graph& graph) { return Sweep(graph, true); }

}  // namespace gradus::passes
