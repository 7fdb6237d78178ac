#include <algorithm>
#include <cmath>

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

// The names that an expression mentions.
void CollectNames(const ast::Expression& e, std::vector<std::string>& names) {
  const auto collect = [&](const ast::ExpressionPtr& inner) {
    if (inner != nullptr) CollectNames(*inner, names);
  };
  if (const auto* name = e.As<ast::Name>()) names.push_back(name->text);
  if (const auto* unary = e.As<ast::Unary>()) collect(unary->operand);
  if (const auto* binary = e.As<ast::Binary>()) {
    collect(binary->left);
    collect(binary->right);
  }
  if (const auto* call = e.As<ast::Call>()) {
    collect(call->callee);
    for (const ast::Argument& argument : call->arguments) collect(argument.value);
  }
  if (const auto* index = e.As<ast::Index>()) collect(index->object);
  if (const auto* member = e.As<ast::Member>()) collect(member->object);
  if (const auto* list = e.As<ast::List>()) {
    for (const auto& item : list->items) collect(item);
  }
  if (const auto* tuple = e.As<ast::Tuple>()) {
    for (const auto& item : tuple->items) collect(item);
  }
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
  for (const ast::TrainItem& item : train.items) {
    const auto* setting = item.As<ast::Setting>();
    if (setting == nullptr) continue;
    const std::string what(NameOf(setting->kind));
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
  for (const auto& [optimizer, where] : objective.optimizers) {
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

void Lowering::LowerMetric(const ast::Metric& metric, SourceRange where) {
  const std::string& name = metric.name.text;
  const auto read = [&](const std::string& from, SourceRange place) -> ir::Value* {
    const Binding* binding = model_scope_.Find(from);
    ir::Value* value = binding == nullptr ? nullptr : AsTensor(LookUp(from, place), place);
    if (binding == nullptr) UnknownName(from, place);
    if (value == nullptr) return nullptr;
    if (value->type.rank() != 0 || !ir::IsFloat(value->type.element)) {
      WithOperands(Error(place, absl::StrCat("a metric is a floating-point scalar, and ", from, " is ",
                                             ir::ToString(value->type))),
                   {value})
          .Help(absl::StrCat("mean(float(", from, "))"));
      return nullptr;
    }
    return value;
  };
  const bool outputs = entry_ == Entry::kStep || entry_ == Entry::kEvaluate;
  Metric result{name, {}, absl::nullopt};
  if (metric.value == nullptr) {
    ir::Value* value = read(name, metric.name.range);
    if (value == nullptr) return;
    result.reads.push_back(name);
    if (outputs) AddOutput(name, value, where);
    program_.metrics.push_back(std::move(result));
    return;
  }
  // Scalars of the model are averaged before the expression; an expression of anything else is averaged itself.
  std::vector<std::string> names;
  CollectNames(*metric.value, names);
  bool scalars = true;
  for (const std::string& from : names) {
    const Binding* binding = model_scope_.Find(from);
    const TensorItem* tensor = binding == nullptr ? nullptr : binding->item.As<TensorItem>();
    if (tensor == nullptr) continue;
    scalars &= tensor->value->type.rank() == 0 && ir::IsFloat(tensor->value->type.element);
    if (std::find(result.reads.begin(), result.reads.end(), from) == result.reads.end()) result.reads.push_back(from);
  }
  if (result.reads.empty() || !scalars) {
    Restore statement(statement_name_, name);
    ir::Value* value = AsTensor(Evaluate(*metric.value), metric.value->range);
    if (value == nullptr) return;
    if (value->type.rank() != 0 || !ir::IsFloat(value->type.element)) {
      Error(metric.value->range, absl::StrCat("a metric is a floating-point scalar, found ", ir::ToString(value->type)))
          .Help("mean(…)");
      return;
    }
    result.reads = {name};
    if (outputs) AddOutput(name, value, where);
  } else {
    for (const std::string& from : result.reads) {
      if (outputs) AddOutput(from, model_scope_.Find(from)->item.As<TensorItem>()->value, where);
    }
    if (describe_) {
      Lowering post(module_, options_, Entry::kPredict, diagnostics_);
      post.InheritStatics(*this);
      Restore in_scope(post.scope_, &post.model_scope_);
      for (const std::string& from : result.reads) {
        const ir::Type type = model_scope_.Find(from)->item.As<TensorItem>()->value->type;
        post.names_.Unique(from);
        ir::Value* input = ir::Builder(post.inputs_).Declare(Op::kInput, from, type);
        post.model_scope_.names[from] = {TensorItem{input}, metric.value->range, false};
      }
      Restore statement(post.statement_name_, name);
      ir::Value* value = post.AsTensor(post.Evaluate(*metric.value), metric.value->range);
      if (value == nullptr) return;
      post.AddOutput(name, value, where);
      result.post = post.Finish(absl::StrCat(program_.name, ".", name));
    }
  }
  program_.metrics.push_back(std::move(result));
}

void Lowering::InheritStatics(const Lowering& other) {
  model_scope_.unit = other.model_scope_.unit;
  for (const auto& [name, binding] : other.model_scope_.names) {
    if (binding.item.As<TensorItem>() == nullptr && binding.item.As<std::shared_ptr<Instance>>() == nullptr) {
      model_scope_.names[name] = binding;
    }
  }
}

ir::Value* Lowering::AddSource(Source source) {
  const std::string name = absl::StrCat("source", sources_->size());
  sources_->push_back(std::move(source));
  names_.Unique(name);
  return ir::Builder(inputs_).Declare(Op::kInput, name, source_type_);
}

void Lowering::LowerData(const ast::Data& data, SourceRange where) {
  const auto input = std::find_if(program_.inputs.begin(), program_.inputs.end(),
                                  [&](const ProgramInput& i) { return i.name == data.input.text; });
  if (input == program_.inputs.end()) {
    std::vector<std::string> names;
    for (const ProgramInput& i : program_.inputs) names.push_back(i.name);
    Diagnostic& diagnostic =
        Error(data.input.range, absl::StrCat("the model ", program_.model, " has no input ", data.input.text));
    const std::string nearest = Nearest(data.input.text, names);
    diagnostic.Help(nearest.empty() ? absl::StrCat("its inputs are ", absl::StrJoin(names, ", "))
                                    : absl::StrCat("did you mean ", nearest, "?"));
    return;
  }
  DataBinding binding{data.input.text, {}, absl::nullopt};
  const ast::Expression& expression = *data.source;
  const std::string place = ToString(expression.range);
  if (expression.As<ast::List>() != nullptr) {
    Restore in_scope(scope_, &model_scope_);
    const Item literal = Evaluate(expression);
    if (literal.poisoned()) return;
    auto tensor = LiteralTensor(literal, input->type.element, expression.range);
    if (!tensor) return;
    binding.sources.push_back({"", *std::move(tensor), place});
  } else if (const auto* file = expression.As<ast::String>()) {
    binding.sources.push_back({file->value, absl::nullopt, place});
  } else {
    Lowering transform(module_, options_, Entry::kPredict, diagnostics_);
    transform.InheritStatics(*this);
    transform.sources_ = &binding.sources;
    transform.source_type_ = input->type;
    Restore in_scope(transform.scope_, &transform.model_scope_);
    Restore statement(transform.statement_name_, data.input.text);
    ir::Value* value = transform.AsTensor(transform.Evaluate(expression), expression.range, input->type.element);
    if (value == nullptr) return;
    if (binding.sources.empty()) {
      Error(expression.range, absl::StrCat("data ", data.input.text, " names no file"))
          .Help("a file is written in quotes, as in \"x.npy\"");
      return;
    }
    if (value->type != input->type) {
      Error(expression.range, absl::StrCat("the data of ", data.input.text, " are ", ir::ToString(value->type),
                                           ", but the input is ", ir::ToString(input->type)));
      return;
    }
    transform.AddOutput(data.input.text, value, where);
    binding.transform = transform.Finish(absl::StrCat(program_.name, ".", data.input.text));
  }
  auto& bindings = data.validate ? program_.validate : program_.data;
  const bool twice =
      std::any_of(bindings.begin(), bindings.end(), [&](const DataBinding& b) { return b.input == data.input.text; });
  if (twice) {
    Error(data.input.range, absl::StrCat("the data of ", data.input.text, " are given twice"));
    return;
  }
  bindings.push_back(std::move(binding));
}

}  // namespace gradus::frontend
