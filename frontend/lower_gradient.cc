#include "absl/strings/str_cat.h"
#include "frontend/lowering.h"

namespace gradus::frontend {

std::vector<ir::Value*> Lowering::EmitGrad(ir::Value* y, const std::vector<ir::Value*>& xs, SourceRange where) {
  Restore place(place_, where);
  const int number = ++gradients_;
  const std::string prefix = number == 1 ? "d." : absl::StrCat("d", number, ".");
  auto statement = std::make_unique<ir::Statement>();
  statement->op = Op::kGrad;
  if (y->name.empty()) hints_.emplace(y, absl::StrCat(statement_name_, ".y"));
  statement->operands.push_back(Import(y));
  statement->attributes = {int64_t{number}};
  statement->note = NoteAt(where);
  statement->section = builder_.section();
  std::vector<ir::Value*> results;
  for (ir::Value* x : xs) {
    if (x->name.empty() && hints_.count(x) == 0) hints_[x] = statement_name_;
    ir::Value* operand = Import(x);
    statement->operands.push_back(operand);
    statement->results.push_back(std::make_unique<ir::Value>(ir::Value{.type = x->type}));
    results.push_back(statement->results.back().get());
    if (!x->name.empty()) results.back()->name = names_.Unique(absl::StrCat(prefix, x->name));
  }
  builder_.Append(std::move(statement));
  for (ir::Value* result : results) {
    Added(result);
    defined_[result] = where;
  }
  return results;
}

Item Lowering::Grad(const Items& arguments, SourceRange where) {
  ir::Value* y = AsTensor(arguments[0], where);
  if (y == nullptr) return Poison();
  const ListItem* list = arguments[1].As<ListItem>();
  std::vector<ir::Value*> xs;
  for (const Item& item : list == nullptr ? Items{arguments[1]} : *list->items) {
    if (item.As<TensorItem>() == nullptr) {
      return Fail(ErrorKind::kGradOfNonTensor, where,
                  absl::StrCat("grad differentiates by tensors, found ", Describe(item)));
    }
    xs.push_back(item.As<TensorItem>()->value);
    if (!ir::IsFloat(xs.back()->type.element)) {
      WithOperands(
          Error(ErrorKind::kGradByInteger, where,
                absl::StrCat("grad differentiates by floating-point values, found ", ir::ToString(xs.back()->type))),
          {xs.back()});
      return Poison();
    }
  }
  if (y->type.rank() != 0 || !ir::IsFloat(y->type.element)) {
    WithOperands(Error(ErrorKind::kGradOfNonScalar, where,
                       absl::StrCat("grad is of a floating-point scalar, found ", ir::ToString(y->type))),
                 {y})
        .Help("sum(y) makes a scalar: the gradients of its elements are added");
    return Poison();
  }
  const auto reached = DependenciesOf(y);
  for (ir::Value* x : xs) {
    if (reached.contains(Import(x))) continue;
    WithOperands(Error(ErrorKind::kNoGradientPath, where,
                       "the scalar does not depend on what grad differentiates by: there is no gradient"),
                 {x});
    return Poison();
  }
  Items results;
  for (ir::Value* result : EmitGrad(y, xs, where)) results.push_back(TensorItem{result});
  return list == nullptr ? results[0] : MakeList(std::move(results));
}

absl::flat_hash_set<const ir::Value*> Lowering::DependenciesOf(const ir::Value* y, bool through_cuts) const {
  absl::flat_hash_set<const ir::Value*> seen;
  std::vector<const ir::Value*> pending = {y};
  while (!pending.empty()) {
    const ir::Value* value = pending.back();
    pending.pop_back();
    if (!seen.insert(value).second || value->definition == nullptr) continue;
    if (value->definition->op == Op::kStopGradient && !through_cuts) continue;
    for (const ir::Value* operand : value->definition->operands) {
      if (through_cuts || ir::IsFloat(operand->type.element)) pending.push_back(operand);
    }
  }
  return seen;
}

}  // namespace gradus::frontend
