#include "passes/updates.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "ir/storage.h"

namespace gradus::passes {

using ir::Op;
using ir::Statement;
using ir::Value;

namespace {

// Whether the statement of `value` reads `old`, if at all, only at the index that it computes.
bool ReadsAtOwnIndex(const Value* value, const Value* old) {
  const Statement& kernel = *value->definition;
  return std::all_of(kernel.operands.begin(), kernel.operands.end(), [&](const Value* operand) {
    return ir::StorageOf(operand) != old ||
           (operand == old && ir::MayOverwrite(kernel, static_cast<size_t>(value->index), operand));
  });
}

}  // namespace

absl::flat_hash_map<const Value*, const Value*> CarriesInPlace(
    absl::Span<const std::pair<const Value*, const Value*>> carried) {
  absl::flat_hash_map<const Value*, const Value*> updates;
  for (const auto& [parameter, next] : carried) {
    if (ReadsAtOwnIndex(next, parameter)) updates.emplace(next, parameter);
  }
  return updates;
}

absl::flat_hash_map<const Value*, const Value*> InPlaceUpdates(const ir::Graph& graph) {
  absl::flat_hash_map<const Value*, const Value*> updates;
  absl::flat_hash_set<const Value*> written;  // one range for a kernel's result, and one result for a range
  for (const auto& next : graph.body.statements) {
    if (next->op != Op::kNext) continue;
    const Value* state = next->operands[0];
    const Value* value = next->operands[1];
    const Statement* kernel = value->definition;
    if (ir::IsDeclaration(kernel->op) || kernel->op == Op::kConstant || ir::IsView(*kernel)) continue;
    if (ReadsAtOwnIndex(value, state) && written.insert(state).second) updates.emplace(value, state);
  }
  return updates;
}

}  // namespace gradus::passes
