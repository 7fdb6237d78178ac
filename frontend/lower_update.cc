// What a recipe does with gradients: accumulate, clip, give them to the optimizers, average what results. Each is text
// of lib/recipe.gr and lib/optim.gr; here it is instantiated, once a parameter, and decided when its results hold.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "frontend/objective.h"

namespace gradus::frontend {

struct Lowering::Group {
  const ast::Optimizer* optimizer;
  LayerItem layer;
  std::vector<std::pair<std::string, Item>> arguments;
  ir::Value* due = nullptr;  // a bool: whether this update is one of the group's; null: every one
};

ir::Value* Lowering::UpdateCount() {
  if (program_.accumulate == 1) return StepInput("step");
  if (update_ != nullptr) return update_;
  Restore place(place_, accumulate_place_);
  const Item before = Elementwise(Op::kSub, {TensorItem{StepInput("step")}, Number::Integer(1)}, place_);
  const Item whole = Elementwise(Op::kFloorDiv, {before, Number::Integer(program_.accumulate)}, place_);
  const Item count = Elementwise(Op::kAdd, {whole, Number::Integer(1)}, place_);
  Hint(count, "update");
  return update_ = AsTensor(count, place_);
}

ir::Value* Lowering::EveryTime(ir::Value* count, int64_t every, const std::string& name, SourceRange where) {
  Restore place(place_, where);
  Restore of(of_, std::string());
  const Item remainder = Elementwise(Op::kMod, {TensorItem{count}, Number::Integer(every)}, where);
  const Item now = Elementwise(Op::kEqual, {remainder, Number::Integer(0)}, where);
  Hint(now, name);
  return AsTensor(now, where);
}

absl::optional<Item> Lowering::FromLibrary(absl::string_view name) const {
  for (size_t i = 0; i < module_.units.size(); ++i) {
    if (!module_.units[i]->library) continue;
    if (auto item = FindInUnit(static_cast<int>(i), name)) return item;
  }
  return absl::nullopt;
}

// The arguments of `adam(lr=0.1)`, whose first parameter the recipe gives. A number among them must be finite.
absl::optional<std::vector<std::pair<std::string, Item>>> Lowering::RecipeArguments(
    const std::string& what, const std::vector<ast::Parameter>& parameters, const ast::Call* call, SourceRange where) {
  std::vector<std::pair<std::string, Item>> none;
  if (call == nullptr) return none;
  auto arguments = BindArguments(what, parameters, *call, 1);
  if (!arguments) return absl::nullopt;
  for (auto& [key, item] : *arguments) {
    Hint(item, absl::StrCat(what, ".", key));
    const Number* number = item.As<Number>();
    if (number == nullptr || std::isfinite(number->AsDouble())) continue;
    Error(ErrorKind::kHyperParameter, where,
          absl::StrCat(key, " of ", what, " is ", ToString(*number), ", and must be finite"));
    return absl::nullopt;
  }
  return arguments;
}

bool Lowering::ReadGroups(const Objective& objective, std::vector<Group>& groups) {
  bool rest = false;
  for (const auto& [optimizer, where] : objective.optimizers) {
    if (optimizer->parameters.empty() && std::exchange(rest, true)) {
      Error(ErrorKind::kTwoOptimizers, where, absl::StrCat("two optimizers are for all parameters of ", objective.name))
          .Help("optimizer … for *.b, say, takes some of them");
      return false;
    }
    if (IsFrozen(*optimizer)) {
      if (optimizer->every == nullptr) continue;
      Error(ErrorKind::kRecipeNumber, optimizer->every->range, "optimizer none never updates: every has no meaning");
      return false;
    }
    const ast::Expression& expression = *optimizer->value;
    const ast::Call* call = expression.As<ast::Call>();
    const Item callee = Evaluate(call == nullptr ? expression : *call->callee);
    if (callee.poisoned()) return false;
    const LayerItem* layer = callee.As<LayerItem>();
    if (layer == nullptr || layer->layer->parameters.empty() || layer->layer->parameters[0].name.text != "w" ||
        !layer->layer->apply) {
      Error(ErrorKind::kNotAnOptimizer, expression.range, absl::StrCat(Describe(callee), " is no optimizer"))
          .Help("an optimizer is a layer whose first parameter is w and whose apply(g) returns the new w");
      return false;
    }
    const std::string& what = layer->layer->name.text;
    of_ = what;
    Restore name(statement_name_, what);
    Restore place(place_, expression.range);
    auto arguments = RecipeArguments(what, layer->layer->parameters, call, expression.range);
    if (!arguments) return false;
    Group group{optimizer, *layer, *std::move(arguments), nullptr};
    if (optimizer->every != nullptr) {
      const auto k = AsInteger(Evaluate(*optimizer->every), optimizer->every->range, "every");
      if (k && *k < 1) Error(ErrorKind::kRecipeNumber, optimizer->every->range, absl::StrCat("every cannot be ", *k));
      if (k && *k > 1 && entry_ == Entry::kStep) {
        group.due = EveryTime(UpdateCount(), *k, absl::StrCat("every.", *k), optimizer->every->range);
      }
    }
    groups.push_back(std::move(group));
  }
  return true;
}

// The means of `accumulate` gradients stand for the gradients of one batch.
void Lowering::Accumulate(Objective& objective) {
  if (program_.accumulate == 1) return;
  of_ = "accumulate";
  Restore place(place_, accumulate_place_);
  const LayerItem layer = *FromLibrary("accumulated")->As<LayerItem>();
  for (size_t i = 0; i < objective.parameters.size(); ++i) {
    ir::Value* w = objective.parameters[i];
    Restore name(statement_name_, w->name);
    const Item made = MakeInstance(layer, {{"of", TensorItem{w}}, {"batches", Number::Integer(program_.accumulate)}},
                                   accumulate_place_);
    const auto* instance = made.As<std::shared_ptr<Instance>>();
    if (instance == nullptr) return;
    optimizers_.push_back(*instance);
    (*instance)->path = w->name;
    Build(**instance);
    if (entry_ != Entry::kStep) continue;
    const Item mean =
        Apply(**instance, {{"g", TensorItem{objective.gradients[i]}}, {"due", TensorItem{due_}}}, accumulate_place_);
    if (mean.poisoned()) return;
    objective.gradients[i] = AsTensor(mean, accumulate_place_);
  }
}

// `clip 1`, `clip by_value(0.5)`: a function whose first parameter is `gradients` gets the list of the objective's
// gradients and returns what takes their places.
bool Lowering::Clip(Objective& objective) {
  if (clip_ == nullptr || entry_ != Entry::kStep) return true;
  of_ = "clip";
  const ast::Expression& expression = *clip_->As<ast::Setting>()->value;
  const ast::Call* call = expression.As<ast::Call>();
  Restore name(statement_name_, absl::StrCat(objective.name, ".clip"));
  Restore place(place_, expression.range);
  const Item callee = Evaluate(call == nullptr ? expression : *call->callee);
  if (callee.poisoned()) return false;
  FunctionItem function;
  std::vector<std::pair<std::string, Item>> arguments;
  const FunctionItem* given = callee.As<FunctionItem>();
  if (given != nullptr && !given->function->parameters.empty() &&
      given->function->parameters[0].name.text == "gradients") {
    function = *given;
    auto bound = RecipeArguments(function.function->name.text, function.function->parameters, call, expression.range);
    if (!bound) return false;
    arguments = *std::move(bound);
  } else {
    const Item limit = call == nullptr ? callee : Evaluate(expression);
    if (limit.poisoned()) return false;
    const TensorItem* tensor = limit.As<TensorItem>();
    if (limit.As<Number>() == nullptr &&
        (tensor == nullptr || !tensor->weak || !ir::IsFloat(tensor->value->type.element))) {
      Error(ErrorKind::kRecipeNumber, expression.range,
            absl::StrCat("clip takes the largest norm of all gradients together, found ", Describe(limit)))
          .Help("clip 1, clip by_value(0.5), clip by_norm(1)");
      return false;
    }
    function = *FromLibrary("by_global_norm")->As<FunctionItem>();
    arguments.emplace_back("limit", limit);
  }
  for (const auto& [key, item] : arguments) {
    const Number* number = item.As<Number>();
    if (number == nullptr || !IsLibrary(function.function->name.range)) continue;
    if (std::isfinite(number->AsDouble()) && number->AsDouble() > 0) continue;
    Error(ErrorKind::kRecipeNumber, expression.range,
          absl::StrCat("clip cannot be ", ToString(*number), ": nothing would be left to follow"))
        .Help("clip 1 shortens all gradients together to the norm 1");
    return false;
  }
  Items gradients;
  for (ir::Value* gradient : objective.gradients) gradients.push_back(TensorItem{gradient});
  arguments.emplace_back("gradients", MakeList(std::move(gradients)));
  const Item clipped = CallFunction(function, std::move(arguments), nullptr, statement_name_, expression.range);
  if (clipped.poisoned()) return false;
  const ListItem* list = clipped.As<ListItem>();
  if (list == nullptr || list->items->size() != objective.gradients.size()) {
    Error(ErrorKind::kClipResult, expression.range,
          absl::StrCat(function.function->name.text, " returns ", Describe(clipped), " for ",
                       objective.gradients.size(), " gradients"));
    return false;
  }
  for (size_t i = 0; i < objective.gradients.size(); ++i) {
    ir::Value* value = AsTensor((*list->items)[i], expression.range, objective.gradients[i]->type.element);
    if (value == nullptr) return false;
    if (value->type != objective.gradients[i]->type) {
      Error(ErrorKind::kClipResult, expression.range,
            absl::StrCat(function.function->name.text, " returns ", ir::ToString(value->type), " for the gradient by ",
                         objective.parameters[i]->name, ", which is ", ir::ToString(objective.gradients[i]->type)));
      return false;
    }
    if (value->name.empty()) hints_[value] = absl::StrCat(objective.parameters[i]->name, ".clipped");
    objective.gradients[i] = value;
  }
  return true;
}

// `ema 0.999`; none where the recipe has no average, nothing where it is wrong.
absl::optional<Item> Lowering::AverageDecay() {
  if (ema_ == nullptr) return Item(None());
  const ast::Expression& expression = *ema_->As<ast::Setting>()->value;
  Restore name(statement_name_, std::string("ema"));
  Restore place(place_, expression.range);
  of_ = "ema";
  const Item decay = Evaluate(expression);
  if (decay.poisoned()) return absl::nullopt;
  const Number* number = decay.As<Number>();
  const TensorItem* tensor = decay.As<TensorItem>();
  if (number == nullptr && (tensor == nullptr || !tensor->weak || !ir::IsFloat(tensor->value->type.element))) {
    Error(ErrorKind::kRecipeNumber, expression.range,
          absl::StrCat("ema takes a number that may depend on step, found ", Describe(decay)));
    return absl::nullopt;
  }
  if (number != nullptr && !(number->AsDouble() >= 0 && number->AsDouble() < 1)) {
    Error(ErrorKind::kRecipeNumber, expression.range,
          absl::StrCat("ema cannot be ", ToString(*number),
                       ": it is the share of the average that "
                       "stays, from 0 to below 1"))
        .Help("ema 0.999");
    return absl::nullopt;
  }
  Hint(decay, "ema.decay");
  return decay;
}

// Instantiates what the recipe has for every parameter, so that every entry has their states; applies it in a step.
void Lowering::Update(Objective& objective) {
  std::vector<Group> groups;
  if (!ReadGroups(objective, groups)) return;
  ir::Value* objective_due = nullptr;
  if (const ast::ExpressionPtr& every = objective.minimize->every; every != nullptr) {
    const auto k = AsInteger(Evaluate(*every), every->range, "every");
    if (k && *k < 1) Error(ErrorKind::kRecipeNumber, every->range, absl::StrCat("every cannot be ", *k));
    if (k && *k > 1 && entry_ == Entry::kStep) {
      objective_due = EveryTime(UpdateCount(), *k, absl::StrCat("every.", *k), every->range);
    }
  }
  if (program_.accumulate > 1 && entry_ == Entry::kStep && due_ == nullptr) {
    due_ = EveryTime(StepInput("step"), program_.accumulate, "due", accumulate_place_);
  }
  const absl::optional<Item> decay = AverageDecay();
  if (!decay) return;
  Accumulate(objective);
  if (!Clip(objective)) return;
  for (size_t i = 0; i < objective.parameters.size(); ++i) {
    ir::Value* w = objective.parameters[i];
    const auto* placed = objective.OptimizerOf(w->name);
    if (placed == nullptr) {
      Error(ErrorKind::kNoOptimizer, objective.where, absl::StrCat("no optimizer is for ", w->name))
          .Help("an optimizer without `for` takes all others, and optimizer none leaves them as they are");
      continue;
    }
    const auto chosen = std::find_if(groups.begin(), groups.end(),
                                     [&](const Group& group) { return group.optimizer == placed->first; });
    const SourceRange where = placed->first->value->range;
    if (!updated_.insert(w).second) {
      Error(ErrorKind::kUpdatedTwice, objective.where, absl::StrCat(w->name, " is updated by two objectives"))
          .Help("minimize … wrt … narrows one");
      continue;
    }
    // One parameter says what is wrong with the optimizer.
    const size_t errors = diagnostics_.size();
    Restore name(statement_name_, w->name);
    std::vector<Instance*> instances;
    const auto make = [&](const LayerItem& layer, std::vector<std::pair<std::string, Item>> arguments) -> Instance* {
      arguments.emplace_back(layer.layer->parameters[0].name.text, TensorItem{w});
      const Item made =
          MakeInstance(layer, std::move(arguments), layer.layer == chosen->layer.layer ? where : ema_->range);
      const auto* instance = made.As<std::shared_ptr<Instance>>();
      if (instance == nullptr) return nullptr;
      optimizers_.push_back(*instance);
      (*instance)->path = w->name;
      Build(**instance);
      instances.push_back(instance->get());
      return instances.back();
    };
    of_ = chosen->layer.layer->name.text;
    Instance* optimizer = make(chosen->layer, chosen->arguments);
    if (optimizer == nullptr) return;
    ir::Value* value = nullptr;
    if (entry_ == Entry::kStep) {
      Restore place(place_, where);
      const auto& parameters = optimizer->layer.layer->apply->parameters;
      const std::string g = parameters.empty() ? "" : parameters[0].name.text;
      const Item updated = Apply(*optimizer, {{g, TensorItem{objective.gradients[i]}}}, where);
      value = AsTensor(updated, where, w->type.element);
      if (value != nullptr && value->type != w->type) {
        Error(ErrorKind::kOptimizerType, where,
              absl::StrCat(of_, " gives ", ir::ToString(value->type), " for ", w->name, ", which is ",
                           ir::ToString(w->type)));
        value = nullptr;
      }
    }
    if (!decay->none()) {
      of_ = "ema";
      Restore place(place_, ema_->range);
      Instance* average = make(*FromLibrary("ema")->As<LayerItem>(), {{"decay", *decay}});
      if (average == nullptr) return;
      averages_.emplace(w, average->scope.states.at("ema")->declared);
      if (value != nullptr) Apply(*average, {{"updated", TensorItem{value}}}, ema_->range);
    }
    for (ir::Value* condition : {due_, objective_due, chosen->due}) {
      if (condition == nullptr || value == nullptr) continue;
      for (Instance* instance : instances) {
        const bool own = instance == optimizer;
        of_ = instance->layer.layer->name.text;
        Restore place(place_, own ? where : ema_->range);
        if (own) value = Emit(Op::kSelect, {condition, value, w});
        for (auto& [state, slot] : instance->scope.states) {
          if (slot->current == slot->declared) continue;
          slot->current = Emit(Op::kSelect, {condition, slot->current, slot->declared});
        }
      }
    }
    if (value != nullptr) updates_.emplace_back(w, value);
    of_.clear();
    if (diagnostics_.size() != errors) return;
  }
  of_.clear();
}

}  // namespace gradus::frontend
