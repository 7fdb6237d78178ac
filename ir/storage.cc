#include "ir/storage.h"

#include "ir/check.h"
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
