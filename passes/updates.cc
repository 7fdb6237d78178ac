#include "passes/updates.h"

#include "absl/container/flat_hash_set.h"
#include "ir/storage.h"

namespace gradus::passes {

using ir::Op;
using ir::Statement;
using ir::Value;

absl::flat_hash_map<const Value*, const Value*> InPlaceUpdates(const ir::Graph& graph) {
  absl::flat_hash_map<const Value*, const Value*> updates;
  absl::flat_hash_set<const Value*> written;  // one range for a kernel's result, and one result for a range
  for (const auto& next : graph.body.statements) {
    if (next->op != Op::kNext) continue;
    const Value* state = next->operands[0];
    const Value* value = next->operands[1];
    const Statement* kernel = value->definition;
    if (ir::IsDeclaration(kernel->op) || kernel->op == Op::kConstant || ir::IsView(*kernel)) continue;
    bool own_index = true;
    for (const Value* operand : kernel->operands) {
      if (ir::StorageOf(operand) != state) continue;
      own_index = own_index && operand == state && ir::MayOverwrite(*kernel, value->index, operand);
    }
    if (own_index && written.insert(state).second) updates.emplace(value, state);
  }
  return updates;
}

}  // namespace gradus::passes
