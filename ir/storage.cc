#include "ir/storage.h"

#include <algorithm>

#include "ir/check.h"
#include "ir/control.h"
#include "ir/region.h"

namespace gradus::ir {

const Value* StorageOf(const Value* value) {
  while (value->definition != nullptr && IsView(*value->definition)) value = value->definition->operands[0];
  return value;
}

bool IsExecuted(const Statement& statement) {
  if (IsDeclaration(statement.op) || statement.op == Op::kConstant || statement.op == Op::kBarrier) return false;
  if (statement.op == Op::kNext) {
    const auto& from = StorageOf(statement.operands[1])->arena;
    return !from.has_value() || from != statement.operands[0]->arena;
  }
  return !IsView(statement);
}

bool LiesInStack(const Statement& statement, size_t result) {
  if (statement.op != Op::kScan) return false;
  const size_t stacked = ScanView(statement).stacked;
  if (result < stacked) return false;
  const std::vector<Value*>& yields = statement.region->yields;
  const Value* carried = StorageOf(yields[result]);
  return std::any_of(yields.begin(), yields.begin() + static_cast<int64_t>(stacked),
                     [&](const Value* yield) { return StorageOf(yield) == carried; });
}

absl::flat_hash_set<const Statement*> DependenciesOf(const Value* value) {
  absl::flat_hash_set<const Statement*> found;
  std::vector<const Value*> stack = {value};
  while (!stack.empty()) {
    const Statement* definition = stack.back()->definition;
    stack.pop_back();
    if (definition == nullptr || !found.insert(definition).second) continue;
    stack.insert(stack.end(), definition->operands.begin(), definition->operands.end());
  }
  return found;
}

bool MayOverwrite(const Statement& statement, size_t result, const Value* operand) {
  if (statement.op != Op::kFused) {
    return IsElementwise(statement.op) && statement.results[result]->type == operand->type;
  }
  const auto form = ClassifyRegion(*statement.region);
  CHECK(form.ok()) << form.status();
  for (size_t i = 0; i < statement.operands.size(); ++i) {
    if (statement.operands[i] != operand) continue;
    if (!MayLieInPlace(*statement.region, *form, result, statement.region->parameters[i].get())) return false;
  }
  return true;
}

}  // namespace gradus::ir
