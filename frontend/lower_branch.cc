// `while` and `cond`. Two branches, one of them with the condition turned round, and a choice between what they give.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/lowering.h"

namespace gradus::frontend {

Item Lowering::EvaluateWhile(const ast::While& loop, SourceRange range) {
  LoopScope scope_of_loop;
  scope_of_loop.may_yield = false;
  if (loop.carries.empty()) {
    return Fail(ErrorKind::kLoopCarry, range,
                "a while carries what changes: while carry h = h0 until … { next h = … }");
  }
  std::vector<ir::Value*> initial;
  if (!EvaluateCarries(loop.carries, scope_of_loop, initial)) return Poison();
  auto statement = std::make_unique<ir::Statement>();
  statement->op = Op::kWhile;
  std::vector<std::unique_ptr<ir::Value>> parameters;
  const bool ok = InRegion(*statement, scope_of_loop, [&](Scope& scope) {
    for (size_t i = 0; i < initial.size(); ++i) {
      const ast::Identifier& name = loop.carries[i].name;
      ir::Value* carry = RegionParameter(parameters, name.text, initial[i]->type, name.range);
      scope.names[name.text] = {TensorItem{carry}, name.range, false};
    }
    ir::Value* until = AsTensor(Evaluate(*loop.until), loop.until->range);
    if (until == nullptr) return;
    if (until->type != ir::Type{ir::DType::kBool, {}}) {
      Error(ErrorKind::kConditionNotBool, loop.until->range,
            absl::StrCat("a while ends where one bool holds, found ", ir::ToString(until->type)));
      return;
    }
    ExecuteBody(loop.body, "a while");
    if (!CheckNexts(scope_of_loop)) return;
    statement->region->yields = {Import(until)};
    for (const LoopScope::Carry& carry : scope_of_loop.carries) statement->region->yields.push_back(Import(carry.next));
  });
  if (!ok || statement->region->yields.empty()) return Poison();
  statement->attributes = {static_cast<int64_t>(initial.size())};
  std::vector<Item> items;
  for (ir::Value* result : AppendLoop(std::move(statement), std::move(parameters), std::move(initial), range)) {
    items.push_back(TensorItem{result});
  }
  return items.empty() ? Item(Poison()) : OneOrList(std::move(items));
}

Item Lowering::EvaluateCond(const ast::Cond& cond, SourceRange range) {
  const Item predicate = Evaluate(*cond.predicate);
  if (predicate.poisoned()) return Poison();
  const bool* known = predicate.As<bool>();
  ir::Value* p = known == nullptr ? AsTensor(predicate, cond.predicate->range) : nullptr;
  if (known == nullptr && p == nullptr) return Poison();
  if (known == nullptr && p->type != ir::Type{ir::DType::kBool, {}}) {
    WithOperands(Error(ErrorKind::kConditionNotBool, cond.predicate->range,
                       absl::StrCat("cond chooses by one bool, found ", ir::ToString(p->type))),
                 {p})
        .Help(p->type.element == ir::DType::kBool ? "where(p, a, b) chooses element by element"
                                                  : "write a comparison: cond(sum(x) > 0) { … } else { … }");
    return Poison();
  }
  std::vector<std::vector<ir::Value*>> results(2);
  std::vector<ir::Type> types;
  for (const bool is_then : {true, false}) {
    if (known != nullptr && *known != is_then) continue;
    auto branch = std::make_unique<ir::Statement>();
    branch->op = Op::kBranch;
    LoopScope loop;
    const ast::Block& block = is_then ? cond.then_block : cond.else_block;
    std::vector<ir::Value*> condition;
    if (known == nullptr) {
      condition = {is_then ? Import(p) : Emit(Op::kNot, {p})};
    } else {
      condition = {Constant(ir::Tensor::Scalar<bool>(true))};
    }
    const bool ok = InRegion(*branch, loop, [&](Scope&) {
      ExecuteBody(block, "a branch");
      for (size_t i = 0; i < loop.yields.size(); ++i) {
        const bool second = !is_then && i < types.size();
        const absl::optional<ir::DType> wanted = second ? absl::optional<ir::DType>(types[i].element) : absl::nullopt;
        ir::Value* value = AsTensor(loop.yields[i], loop.places[i], wanted);
        if (value != nullptr && second && loop.yields[i].As<Number>() != nullptr && types[i].rank() > 0) {
          value = Emit(Op::kBroadcast, {value}, {types[i].shape});
        }
        if (value != nullptr) branch->region->yields.push_back(Import(value));
      }
    });
    if (!ok || branch->region->yields.size() != loop.yields.size()) return Poison();
    if (loop.yields.empty()) {
      return Fail(ErrorKind::kBranchYields, block.empty() ? range : block.back().range,
                  "a branch of cond ends in yield, with the value that it gives");
    }
    if (is_then) {
      for (const ir::Value* value : branch->region->yields) types.push_back(value->type);
    } else if (known == nullptr) {
      std::vector<std::string> then_types, else_types;
      for (const ir::Type& type : types) then_types.push_back(ir::ToString(type));
      for (const ir::Value* value : branch->region->yields) else_types.push_back(ir::ToString(value->type));
      if (then_types != else_types) {
        return Fail(ErrorKind::kBranchYields, loop.places[0],
                    absl::StrCat("the branches of cond give values of the same types, but the first yields ",
                                 absl::StrJoin(then_types, ", "), " and the second ", absl::StrJoin(else_types, ", ")));
      }
    }
    results[is_then ? 0 : 1] = AppendLoop(std::move(branch), {}, std::move(condition), range);
    if (results[is_then ? 0 : 1].empty()) return Poison();
  }
  std::vector<Item> items;
  if (known != nullptr) {
    for (ir::Value* value : results[*known ? 0 : 1]) items.push_back(TensorItem{value});
    return OneOrList(std::move(items));
  }
  for (size_t i = 0; i < results[0].size(); ++i) {
    Item chosen = EmitItem(Op::kSelect, {p, results[0][i], results[1][i]});
    if (chosen.poisoned()) return chosen;
    items.push_back(std::move(chosen));
  }
  return OneOrList(std::move(items));
}

}  // namespace gradus::frontend
