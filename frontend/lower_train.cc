#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/lowering.h"

namespace gradus::frontend {
namespace {

// `fc2.*`, `*.b`: `*` stands for any characters.
bool Matches(absl::string_view pattern, absl::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] != '*') return !name.empty() && pattern[0] == name[0] && Matches(pattern.substr(1), name.substr(1));
  for (size_t i = 0; i <= name.size(); ++i) {
    if (Matches(pattern.substr(1), name.substr(i))) return true;
  }
  return false;
}

absl::string_view NameOf(ast::SettingKind kind) {
  switch (kind) {
    case ast::SettingKind::kBatch:
      return "batch";
    case ast::SettingKind::kEpochs:
      return "epochs";
    case ast::SettingKind::kSteps:
      return "steps";
    case ast::SettingKind::kSeed:
      return "seed";
    case ast::SettingKind::kAccumulate:
      return "accumulate";
    case ast::SettingKind::kClip:
      return "clip";
    case ast::SettingKind::kEma:
      return "ema";
  }
  return "";
}

}  // namespace

struct Lowering::Objective {
  const ast::Minimize* minimize = nullptr;
  SourceRange where;
  std::string name;
  ir::Value* value = nullptr;
  std::vector<std::pair<const ast::Optimizer*, SourceRange>> optimizers;
  std::vector<ir::Value*> parameters;
  std::vector<ir::Value*> gradients;
};

void Lowering::ReadSettings(const ast::Train& train) {
  std::set<ast::SettingKind> seen;
  for (const ast::TrainItem& item : train.items) {
    const auto* setting = item.As<ast::Setting>();
    if (setting == nullptr) continue;
    const std::string what(NameOf(setting->kind));
    if (!seen.insert(setting->kind).second) {
      Error(item.range, absl::StrCat(what, " is given twice"));
      continue;
    }
    Scope outside;
    Restore in_scope(scope_, &outside);
    switch (setting->kind) {
      case ast::SettingKind::kBatch:
        if (const auto* name = setting->value->As<ast::Name>()) {
          batch_dim_ = program_.batch_dim = name->text;
        } else {
          Error(setting->value->range, "batch names the dim along which examples lie")
              .Help("dim B = 64 in the model, batch B here");
        }
        break;
      case ast::SettingKind::kEpochs:
      case ast::SettingKind::kSteps:
      case ast::SettingKind::kSeed: {
        const auto value = AsInteger(Evaluate(*setting->value), setting->value->range, what);
        if (!value) break;
        if (*value < (setting->kind == ast::SettingKind::kSeed ? 0 : 1)) {
          Error(setting->value->range, absl::StrCat(what, " cannot be ", *value));
        } else if (setting->kind == ast::SettingKind::kEpochs) {
          program_.epochs = value;
        } else if (setting->kind == ast::SettingKind::kSteps) {
          program_.steps = value;
        } else {
          program_.seed = *value;
        }
        break;
      }
      default:
        Error(item.range, absl::StrCat(what, " is not there yet"));
    }
  }
}

void Lowering::LowerTrain(const ast::Train& train, int unit) {
  if (!batch_dim_.empty() && program_.batch == 0) {
    Error(train.model.range, absl::StrCat("batch ", batch_dim_, ": the model ", program_.model, " has no such dim"));
  }
  Scope& scope = kept_scopes_.emplace_back();
  scope.parent = &model_scope_;
  scope.unit = unit;
  Restore in_scope(scope_, &scope);
  std::vector<Objective> objectives;
  std::vector<std::pair<const ast::Optimizer*, SourceRange>> early;
  for (const ast::TrainItem& item : train.items) {
    if (const auto* minimize = item.As<ast::Minimize>()) {
      objectives.push_back({minimize, item.range, "", nullptr, {}, {}, {}});
    } else if (const auto* optimizer = item.As<ast::Optimizer>()) {
      (objectives.empty() ? early : objectives.back().optimizers).emplace_back(optimizer, item.range);
    }
  }
  if (objectives.empty()) {
    Error(train.model.range, "this train minimizes nothing").Help("minimize loss");
    return;
  }
  if (!early.empty()) {
    if (objectives.size() > 1) {
      Error(early[0].second, "with several objectives an optimizer stands after the minimize that it belongs to");
    }
    auto& optimizers = objectives[0].optimizers;
    optimizers.insert(optimizers.begin(), early.begin(), early.end());
  }
  for (Objective& objective : objectives) {
    if (!LowerObjective(objective)) return;
  }
  const bool outputs = entry_ == Entry::kStep || entry_ == Entry::kEvaluate;
  for (const Objective& objective : objectives) {
    program_.objectives.push_back(objective.name);
    if (outputs) AddOutput(objective.name, objective.value, objective.where);
  }
  for (const ast::TrainItem& item : train.items) {
    if (const auto* metric = item.As<ast::Metric>()) LowerMetric(*metric, item.range);
    if (const auto* data = item.As<ast::Data>(); data != nullptr && describe_) LowerData(*data, item.range);
  }
  if (entry_ == Entry::kStep) {
    builder_.SetSection("backward");
    for (Objective& objective : objectives) {
      Restore name(statement_name_, objective.name);
      objective.gradients = EmitGrad(objective.value, objective.parameters, objective.where);
    }
    builder_.SetSection("update");
  }
  for (Objective& objective : objectives) Update(objective);
  if (entry_ != Entry::kStep) return;
  // Updates apply together, after everything has read the old values.
  const auto next = [this](ir::Value* old, ir::Value* value) {
    const ir::Statement* definition = value->definition;
    builder_.SetNote(definition != nullptr && !ir::IsDeclaration(definition->op) ? definition->note : ir::Note());
    builder_.Next(old, value);
  };
  for (const auto& [old, value] : updates_) next(old, value);
  for (const auto& slot : slots_) {
    if (slot->current != slot->declared) next(slot->declared, slot->current);
  }
}

bool Lowering::LowerObjective(Objective& objective) {
  const ast::Expression& expression = *objective.minimize->value;
  const ast::Name* named = expression.As<ast::Name>();
  objective.name = named != nullptr ? named->text : "objective";
  Restore name(statement_name_, objective.name);
  objective.value = AsTensor(Evaluate(expression), expression.range);
  if (objective.value == nullptr) return false;
  Hint(TensorItem{objective.value}, objective.name);
  const ir::Type& type = objective.value->type;
  if (type.rank() != 0 || !ir::IsFloat(type.element)) {
    WithOperands(
        Error(expression.range, absl::StrCat("minimize takes a floating-point scalar, found ", ir::ToString(type))),
        {objective.value})
        .Help(absl::StrCat("mean(", std::string(expression.range.text()), ")"));
    return false;
  }
  std::vector<std::string> all;
  for (const auto& param : params_.statements) all.push_back(param->result()->name);
  const auto select = [&](const ast::Pattern& pattern, std::vector<ir::Value*>& into) {
    bool any = false;
    for (const auto& param : params_.statements) {
      if (!Matches(pattern.text, param->result()->name)) continue;
      any = true;
      if (std::find(into.begin(), into.end(), param->result()) == into.end()) into.push_back(param->result());
    }
    if (!any) {
      Diagnostic& diagnostic = Error(pattern.range, absl::StrCat("no parameter matches ", pattern.text));
      const std::string nearest = Nearest(pattern.text, all);
      if (!nearest.empty()) diagnostic.Help(absl::StrCat("did you mean ", nearest, "?"));
      if (nearest.empty()) diagnostic.Help(absl::StrCat("the parameters are ", absl::StrJoin(all, ", ")));
    }
  };
  const size_t errors = diagnostics_.size();
  if (objective.minimize->wrt.empty()) {
    for (const auto& param : params_.statements) {
      if (DependsOn(objective.value, param->result())) objective.parameters.push_back(param->result());
    }
    if (objective.parameters.empty()) {
      Error(expression.range, absl::StrCat(objective.name, " depends on no parameter: there is nothing to train"));
    }
  } else {
    for (const ast::Pattern& pattern : objective.minimize->wrt) {
      const size_t known = objective.parameters.size();
      select(pattern, objective.parameters);
      for (size_t i = known; i < objective.parameters.size(); ++i) {
        if (DependsOn(objective.value, objective.parameters[i])) continue;
        Error(pattern.range, absl::StrCat(objective.name, " does not depend on ", objective.parameters[i]->name));
      }
    }
  }
  if (objective.optimizers.empty()) {
    Error(objective.where, absl::StrCat("nothing says how ", objective.name, " is minimized"))
        .Help("optimizer sgd(lr=0.1), or optimizer adam");
  }
  return diagnostics_.size() == errors;
}

// Instantiates the optimizers, once a parameter, so that every entry has their states; applies them in a step.
void Lowering::Update(Objective& objective) {
  struct Group {
    LayerItem layer;
    std::vector<std::pair<std::string, Item>> arguments;
    const ast::Optimizer* optimizer;
    ir::Value* due = nullptr;  // a bool: whether this step updates; null: every step
  };
  std::vector<Group> groups;
  const auto due = [this](const ast::ExpressionPtr& every) -> ir::Value* {
    if (every == nullptr) return nullptr;
    const auto k = AsInteger(Evaluate(*every), every->range, "every");
    if (!k) return nullptr;
    if (*k < 1) Error(every->range, absl::StrCat("every cannot be ", *k));
    if (*k <= 1 || entry_ != Entry::kStep) return nullptr;
    Restore place(place_, every->range);
    const Item remainder = Elementwise(Op::kMod, {TensorItem{StepInput("step")}, Number::Integer(*k)}, every->range);
    const Item now = Elementwise(Op::kEqual, {remainder, Number::Integer(0)}, every->range);
    Hint(now, absl::StrCat("every.", *k));
    return now.As<TensorItem>() == nullptr ? nullptr : now.As<TensorItem>()->value;
  };
  ir::Value* objective_due = due(objective.minimize->every);
  bool rest = false;
  for (const auto& [optimizer, where] : objective.optimizers) {
    if (optimizer->parameters.empty() && std::exchange(rest, true)) {
      Error(where, absl::StrCat("two optimizers are for all parameters of ", objective.name))
          .Help("optimizer … for *.b, say, takes some of them");
      return;
    }
    const ast::Expression& expression = *optimizer->value;
    const ast::Call* call = expression.As<ast::Call>();
    const Item callee = Evaluate(call == nullptr ? expression : *call->callee);
    if (callee.poisoned()) return;
    const LayerItem* layer = callee.As<LayerItem>();
    if (layer == nullptr || layer->layer->parameters.empty() || layer->layer->parameters[0].name.text != "w" ||
        !layer->layer->apply) {
      Error(expression.range, absl::StrCat(Describe(callee), " is no optimizer"))
          .Help("an optimizer is a layer whose first parameter is w and whose apply(g) returns the new w");
      return;
    }
    const std::string& what = layer->layer->name.text;
    of_ = what;
    Restore name(statement_name_, what);
    Restore place(place_, expression.range);
    Group group{*layer, {}, optimizer, nullptr};
    if (call != nullptr) {
      auto arguments = BindArguments(what, layer->layer->parameters, *call, 1);
      if (!arguments) return;
      for (auto& [key, item] : *arguments) {
        Hint(item, absl::StrCat(what, ".", key));
        const Number* number = item.As<Number>();
        if (number == nullptr || std::isfinite(number->AsDouble())) continue;
        Error(expression.range, absl::StrCat(key, " of ", what, " is ", ToString(*number), ", and must be finite"));
        return;
      }
      group.arguments = *std::move(arguments);
    }
    group.due = due(optimizer->every);
    groups.push_back(std::move(group));
  }
  for (size_t i = 0; i < objective.parameters.size(); ++i) {
    ir::Value* w = objective.parameters[i];
    // The first group that names the parameter; else the one that names none.
    const Group* chosen = nullptr;
    for (const Group& group : groups) {
      const auto& patterns = group.optimizer->parameters;
      const bool named = std::any_of(patterns.begin(), patterns.end(),
                                     [&](const ast::Pattern& p) { return Matches(p.text, w->name); });
      if (named) {
        chosen = &group;
        break;
      }
      if (patterns.empty() && chosen == nullptr) chosen = &group;
    }
    if (chosen == nullptr) {
      Error(objective.where, absl::StrCat("no optimizer is for ", w->name))
          .Help("an optimizer without `for` takes all others");
      continue;
    }
    const SourceRange where = chosen->optimizer->value->range;
    if (std::any_of(updates_.begin(), updates_.end(), [&](const auto& u) { return u.first == w; }) ||
        !updated_.insert(w).second) {
      Error(objective.where, absl::StrCat(w->name, " is updated by two objectives"))
          .Help("minimize … wrt … narrows one");
      continue;
    }
    of_ = chosen->layer.layer->name.text;
    auto arguments = chosen->arguments;
    arguments.emplace_back("w", TensorItem{w});
    Restore name(statement_name_, w->name);
    const Item made = MakeInstance(chosen->layer, std::move(arguments), where);
    const auto* instance = made.As<std::shared_ptr<Instance>>();
    if (instance == nullptr) return;
    optimizers_.push_back(*instance);
    Instance& optimizer = **instance;
    optimizer.path = w->name;
    const size_t errors = diagnostics_.size();
    Build(optimizer);
    if (entry_ == Entry::kStep) {
      Restore place(place_, where);
      const std::string g =
          optimizer.layer.layer->apply->parameters.empty() ? "" : optimizer.layer.layer->apply->parameters[0].name.text;
      const Item updated = Apply(optimizer, {{g, TensorItem{objective.gradients[i]}}}, where);
      ir::Value* value = AsTensor(updated, where, w->type.element);
      if (value != nullptr && value->type != w->type) {
        Error(where, absl::StrCat(of_, " gives ", ir::ToString(value->type), " for ", w->name, ", which is ",
                                  ir::ToString(w->type)));
        value = nullptr;
      }
      std::vector<ir::Value*> conditions;
      for (ir::Value* condition : {objective_due, chosen->due}) {
        if (condition == nullptr || value == nullptr) continue;
        value = Emit(Op::kSelect, {condition, value, w});
        for (auto& [state, slot] : optimizer.scope.states) {
          if (slot->current != slot->declared)
            slot->current = Emit(Op::kSelect, {condition, slot->current, slot->declared});
        }
      }
      if (value != nullptr) updates_.emplace_back(w, value);
    }
    of_.clear();
    // One parameter says what is wrong with the optimizer.
    if (diagnostics_.size() != errors) return;
  }
  of_.clear();
}

}  // namespace gradus::frontend
