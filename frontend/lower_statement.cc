#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/lowering.h"

namespace gradus::frontend {

bool Lowering::Execute(const ast::Block& block) {
  for (const ast::Statement& statement : block) {
    if (ExecuteStatement(statement)) return true;
  }
  return false;
}

bool Lowering::ExecuteStatement(const ast::Statement& statement) {
  Restore place(place_, statement.range);
  if (const auto* dim = statement.As<ast::Dim>()) {
    ExecuteDim(*dim);
  } else if (const auto* declaration = statement.As<ast::Declaration>()) {
    ExecuteDeclaration(*declaration);
  } else if (const auto* assignment = statement.As<ast::Assignment>()) {
    ExecuteAssignment(*assignment);
  } else if (const auto* next = statement.As<ast::Next>()) {
    ExecuteNext(*next);
  } else if (const auto* output = statement.As<ast::Output>()) {
    if (scope_ != &model_scope_) {
      Error(ErrorKind::kMisplacedStatement, statement.range, "output belongs into a model");
    } else {
      pending_outputs_.push_back(output);
    }
  } else if (const auto* ret = statement.As<ast::Return>()) {
    if (!in_function_) {
      Error(ErrorKind::kMisplacedStatement, statement.range, "return belongs into a function or an apply");
      return false;
    }
    Items values;
    bool poisoned = false;
    for (const ast::ExpressionPtr& value : ret->values) {
      values.push_back(Evaluate(*value));
      poisoned |= values.back().poisoned();
    }
    returned_ = poisoned ? Item(Poison()) : OneOrList(std::move(values));
    return true;
  } else if (const auto* loop = statement.As<ast::For>()) {
    return ExecuteFor(*loop);
  } else if (const auto* choice = statement.As<ast::If>()) {
    const auto condition = AsBool(Evaluate(*choice->condition), choice->condition->range, "the condition of if");
    if (!condition) return false;
    return Execute(*condition ? choice->then_block : choice->else_block);
  } else if (const auto* yield = statement.As<ast::Yield>()) {
    ExecuteYield(*yield, statement.range);
  } else {
    Error(ErrorKind::kGraphInProgram, statement.range, "this statement belongs to printed graphs");
  }
  return false;
}

void Lowering::ExecuteDim(const ast::Dim& dim) {
  if (scope_ != &model_scope_) {
    Error(ErrorKind::kMisplacedStatement, dim.name.range,
          "dim belongs into a model; in a layer or a function, n = … is a size");
    return;
  }
  absl::optional<int64_t> value;
  if (const auto override = dim_overrides_.find(dim.name.text); override != dim_overrides_.end()) {
    value = override->second;
    dims_seen_.insert(dim.name.text);
  } else {
    value = AsInteger(Evaluate(*dim.value), dim.value->range, absl::StrCat("dim ", dim.name.text));
  }
  if (!Declare(dim.name, value ? Item(Number::Integer(*value)) : Item(Poison())) || !value) return;
  if (*value < 1)
    Error(ErrorKind::kExtentTooSmall, dim.name.range,
          absl::StrCat("dim ", dim.name.text, " must be at least 1, found ", *value));
  graph_.dims.push_back({dim.name.text, *value});
  if (dim.name.text == batch_dim_) program_.batch = *value;
}

void Lowering::ExecuteDeclaration(const ast::Declaration& declaration) {
  const ast::Identifier& name = declaration.name;
  const bool input = declaration.kind == ast::DeclarationKind::kInput;
  const std::string full = FullName(name.text);
  if (in_function_ || (input && scope_ != &model_scope_)) {
    Error(ErrorKind::kMisplacedStatement, name.range,
          absl::StrCat(name.text, " is declared in ",
                       scope_->loop != nullptr ? "a loop or a branch"
                       : in_function_          ? "a function"
                                               : "a layer",
                       ", but ",
                       input ? "inputs belong into a model" : "parameters and states belong into a model or a layer"));
    return;
  }
  if (const auto known = scope_->names.find(name.text); known != scope_->names.end()) {
    Error(ErrorKind::kDeclaredTwice, name.range, absl::StrCat(name.text, " is declared already"))
        .Defined(name.text, Describe(known->second.item), known->second.where);
    return;
  }
  const auto type = EvaluateType(declaration.type);
  Item initial;
  if (declaration.initial != nullptr) initial = Evaluate(*declaration.initial);
  // What comes later knows the name even where its type is wrong.
  if (!type || initial.poisoned() != (declaration.initial == nullptr)) {
    Declare(name, Poison());
    return;
  }
  const SourceRange where = declaration.initial == nullptr ? name.range : declaration.initial->range;
  if (input) {
    ProgramInput description{name.text, *type, -1, declaration.initial != nullptr};
    int64_t axis = 0;  // of the dim, before which a list may have stood for several
    for (size_t i = 0; i < declaration.type.dims.size(); ++i) {
      const ast::Name* dim = declaration.type.dims[i]->As<ast::Name>();
      const bool several = declaration.type.dims.size() != static_cast<size_t>(type->rank());
      const int64_t first = axis;
      axis += several ? static_cast<int64_t>(EvaluateDim(*declaration.type.dims[i])->size()) : 1;
      if (dim == nullptr || dim->text != batch_dim_) continue;
      if (description.batch_axis >= 0) {
        Error(ErrorKind::kBatchTwice, declaration.type.dims[i]->range,
              absl::StrCat(name.text, " has the batch dim ", batch_dim_, " twice: examples lie along one axis"));
      }
      description.batch_axis = first;
    }
    program_.inputs.push_back(description);
    if (name.text == "step" || name.text == "epoch" || name.text == "seed") {
      Error(ErrorKind::kReservedName, name.range,
            absl::StrCat("an input cannot be called ", name.text, ": the training loop counts it"));
      return;
    }
    const auto fed = fed_.find(name.text);
    const bool drawn = declaration.initial != nullptr && options_.fed.count(name.text) == 0;
    if (fed != fed_.end() || drawn) {
      const int start = created_;
      const Item value = fed != fed_.end() ? InitialValue(fed->second.first, *type, full, fed->second.second)
                                           : InitialValue(initial, *type, full, where);
      if (const TensorItem* tensor = value.As<TensorItem>()) {
        NameValue(full, tensor->value, name.range, start);
      }
      Declare(name, value);
      return;
    }
  }
  if (!input && declaration.initial == nullptr) {
    Error(ErrorKind::kNoInitialValue, name.range, absl::StrCat(name.text, " has no initial value"))
        .Help(declaration.kind == ast::DeclarationKind::kParam
                  ? "= he_normal, = normal(std=0.02), = zeros, or a literal"
                  : "= zeros, or a literal");
  }
  std::string text;
  if (!input && declaration.initial != nullptr) text = InitializerText(initial, *type, where);
  const std::string unique = names_.Unique(full);
  if (unique != full) {
    Error(ErrorKind::kDeclaredTwice, name.range, absl::StrCat("there is a ", full, " already"));
    return;
  }
  ir::Region& region = input ? inputs_ : declaration.kind == ast::DeclarationKind::kParam ? params_ : states_;
  ir::Builder declare(region);
  declare.SetNote(NoteAt(name.range));
  ir::Value* value = declare.Declare(input                                              ? Op::kInput
                                     : declaration.kind == ast::DeclarationKind::kParam ? Op::kParam
                                                                                        : Op::kState,
                                     full, *type, text);
  level_[value] = 0;
  serial_[value] = -1;
  defined_[value] = UserPlace(name.range);
  if (!Declare(name, TensorItem{value})) return;
  if (!input) {
    const bool param = declaration.kind == ast::DeclarationKind::kParam;
    (param ? initial_params_ : initial_states_).push_back({full, *type, initial, UserPlace(where)});
  }
  if (declaration.kind == ast::DeclarationKind::kState) {
    slots_.push_back(std::make_unique<StateSlot>(StateSlot{value, value, nullptr}));
    scope_->states[name.text] = slots_.back().get();
  }
}

void Lowering::ExecuteAssignment(const ast::Assignment& assignment) {
  const int start = created_;
  Restore name(statement_name_, FullName(assignment.targets[0].name.text));
  Restore draw(draw_path_, in_function_ ? draw_path_ : statement_name_);
  const Item value = Evaluate(*assignment.value);
  Items values = {value};
  if (assignment.targets.size() > 1) {
    const ListItem* list = value.As<ListItem>();
    if (value.poisoned()) {
      values.assign(assignment.targets.size(), Poison());
    } else if (list == nullptr || list->items->size() != assignment.targets.size()) {
      Error(ErrorKind::kUnpack, assignment.value->range,
            absl::StrCat("cannot unpack ", Describe(value), " into ", assignment.targets.size(), " names"));
      values.assign(assignment.targets.size(), Poison());
    } else {
      values = *list->items;
    }
  }
  for (size_t i = 0; i < assignment.targets.size(); ++i) {
    const ast::Target& target = assignment.targets[i];
    Item item = values[i];
    if (target.type) {
      const auto type = EvaluateType(*target.type);
      if (type && !item.poisoned()) {
        ir::Value* tensor = AsTensor(item, assignment.value->range, type->element);
        if (tensor != nullptr && tensor->type != *type) {
          Error(ErrorKind::kDeclaredType, target.type->range,
                absl::StrCat(target.name.text, " is declared ", ir::ToString(*type), " but computes ",
                             ir::ToString(tensor->type)));
        }
        item = tensor == nullptr ? Item(Poison()) : Item(TensorItem{tensor});
      }
    }
    Bind(target.name, std::move(item), start);
  }
}

void Lowering::ExecuteNext(const ast::Next& next) {
  if (ExecuteLoopNext(next)) return;
  StateSlot* slot = nullptr;
  std::vector<std::string> states;
  for (Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    const auto found = scope->states.find(next.name.text);
    if (found != scope->states.end() && slot == nullptr) slot = found->second;
    for (const auto& [name, state] : scope->states) states.push_back(name);
  }
  Restore name(statement_name_, FullName(next.name.text));
  const Item value = Evaluate(*next.value);
  if (slot == nullptr) {
    const Binding* binding = scope_->Find(next.name.text);
    if (binding != nullptr && binding->item.poisoned()) return;
    Diagnostic& diagnostic = Error(ErrorKind::kNextOfNoState, next.name.range,
                                   absl::StrCat("next is for a state, and ", next.name.text, " is ",
                                                binding == nullptr ? "not declared" : "no state"));
    const std::string nearest = Nearest(next.name.text, states);
    if (!nearest.empty()) diagnostic.Help(absl::StrCat("did you mean ", nearest, "?"));
    return;
  }
  ir::Value* tensor = AsTensor(value, next.value->range, slot->declared->type.element);
  if (tensor == nullptr) return;
  if (tensor->type != slot->declared->type) {
    if (value.As<Number>() != nullptr && tensor->type.rank() == 0) {
      tensor = Emit(Op::kBroadcast, {tensor}, {slot->declared->type.shape});
    } else {
      WithOperands(Error(ErrorKind::kNextType, next.value->range,
                         absl::StrCat("the next ", next.name.text, " is ", ir::ToString(tensor->type),
                                      ", but the state is ", ir::ToString(slot->declared->type))),
                   {slot->declared, tensor});
      return;
    }
  }
  if (slot->pending != nullptr) {
    Error(ErrorKind::kNextTwice, next.name.range,
          absl::StrCat(next.name.text, " has a next already: there is one in ", in_function_ ? "an apply" : "a step",
                       ", and reads see the old value"))
        .Note("the first stands", slot->next);
    return;
  }
  slot->pending = tensor;
  slot->next = next.name.range;
}

void Lowering::CommitStates(Scope& scope) {
  for (auto& [name, slot] : scope.states) {
    if (slot->pending == nullptr) continue;
    // Evaluation and prediction drop every next.
    if (entry_ == Entry::kStep) {
      slot->current = slot->pending;
      scope.names[name].item = TensorItem{slot->current};
    }
    slot->pending = nullptr;
  }
}

void Lowering::BindVariables(const std::vector<ast::Identifier>& names, Item item, SourceRange where) {
  Items values = {item};
  if (names.size() > 1) {
    const auto list =
        AsItems(item, where, absl::StrCat("a loop of ", names.size(), " variables runs over lists of as many items"));
    if (!list) return;
    if (list->size() != names.size()) {
      Error(ErrorKind::kUnpack, where,
            absl::StrCat("cannot unpack ", Describe(item), " into ", names.size(), " names"));
      return;
    }
    values = *list;
  }
  for (size_t i = 0; i < names.size(); ++i) scope_->names[names[i].text] = {values[i], names[i].range, false};
}

bool Lowering::ExecuteFor(const ast::For& loop) {
  const auto list = AsItems(Evaluate(*loop.list), loop.list->range, "for runs over a list");
  if (!list) return false;
  for (const ast::Identifier& variable : loop.variables) {
    const auto found = scope_->names.find(variable.text);
    if (found == scope_->names.end() || !found->second.declared) continue;
    Error(ErrorKind::kDeclaredTwice, variable.range, absl::StrCat(variable.text, " is declared already"))
        .Defined(variable.text, Describe(found->second.item), found->second.where);
    return false;
  }
  for (const Item& item : *list) {
    // A layer that the list itself made is called after the list's place in the program.
    NameInstances(FullName(loop.variables[0].text), item, loop.list->range);
    const size_t errors = diagnostics_.size();
    BindVariables(loop.variables, item, loop.list->range);
    if (diagnostics_.size() != errors) break;
    if (Execute(loop.body)) return true;
    // The same statement again would only say the same.
    if (diagnostics_.size() != errors) break;
  }
  return false;
}

}  // namespace gradus::frontend
