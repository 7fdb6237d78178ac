#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/objective.h"

namespace gradus::frontend {
namespace {

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

void Lowering::ReadSettings(const ast::Train& train) {
  std::set<ast::SettingKind> seen;
  for (const ast::TrainItem& item : train.items) {
    const auto* setting = item.As<ast::Setting>();
    if (setting == nullptr) continue;
    const std::string what(NameOf(setting->kind));
    if (!seen.insert(setting->kind).second) {
      Error(ErrorKind::kRecipeLineTwice, item.range, absl::StrCat(what, " is given twice"));
      continue;
    }
    Scope outside;
    Restore in_scope(scope_, &outside);
    switch (setting->kind) {
      case ast::SettingKind::kBatch:
        if (const auto* name = setting->value->As<ast::Name>()) {
          batch_dim_ = program_.batch_dim = name->text;
        } else {
          Error(ErrorKind::kBatchNotADim, setting->value->range, "batch names the dim along which examples lie")
              .Help("dim B = 64 in the model, batch B here");
        }
        break;
      case ast::SettingKind::kEpochs:
      case ast::SettingKind::kSteps:
      case ast::SettingKind::kSeed:
      case ast::SettingKind::kAccumulate: {
        const auto value = AsInteger(Evaluate(*setting->value), setting->value->range, what);
        if (!value) break;
        if (*value < (setting->kind == ast::SettingKind::kSeed ? 0 : 1)) {
          Error(ErrorKind::kRecipeNumber, setting->value->range, absl::StrCat(what, " cannot be ", *value));
        } else if (setting->kind == ast::SettingKind::kEpochs) {
          program_.epochs = value;
        } else if (setting->kind == ast::SettingKind::kSteps) {
          program_.steps = value;
        } else if (setting->kind == ast::SettingKind::kAccumulate) {
          program_.accumulate = *value;
          accumulate_place_ = item.range;
        } else {
          program_.seed = *value;
        }
        break;
      }
      case ast::SettingKind::kClip:
        clip_ = &item;
        break;
      case ast::SettingKind::kEma:
        ema_ = &item;
        break;
    }
  }
}

void Lowering::LowerTrain(const ast::Train& train, int unit) {
  if (!batch_dim_.empty() && program_.batch == 0) {
    Error(ErrorKind::kUnknownDim, train.model.range,
          absl::StrCat("batch ", batch_dim_, ": the model ", program_.model, " has no such dim"));
  }
  Scope& scope = kept_scopes_.emplace_back();
  scope.parent = &model_scope_;
  scope.unit = unit;
  Restore in_scope(scope_, &scope);
  std::vector<Objective> objectives;
  int nameless = 0;
  std::vector<std::pair<const ast::Optimizer*, SourceRange>> early;
  for (const ast::TrainItem& item : train.items) {
    if (const auto* minimize = item.As<ast::Minimize>()) {
      Objective& objective = objectives.emplace_back();
      objective.minimize = minimize;
      objective.where = item.range;
      const ast::Name* named = minimize->value->As<ast::Name>();
      if (named == nullptr) ++nameless;
      objective.name = named != nullptr ? named->text
                       : nameless == 1  ? "objective"
                                        : absl::StrCat("objective", nameless);
    } else if (const auto* optimizer = item.As<ast::Optimizer>()) {
      (objectives.empty() ? early : objectives.back().optimizers).emplace_back(optimizer, item.range);
    }
  }
  if (objectives.empty()) {
    Error(ErrorKind::kNothingMinimized, train.model.range, "this train minimizes nothing").Help("minimize loss");
    return;
  }
  if (!early.empty()) {
    if (objectives.size() > 1) {
      Error(ErrorKind::kOptimizerOrder, early[0].second,
            "with several objectives an optimizer stands after the minimize that it belongs to");
    }
    auto& optimizers = objectives[0].optimizers;
    optimizers.insert(optimizers.begin(), early.begin(), early.end());
  }
  for (Objective& objective : objectives) {
    if (!LowerObjective(objective)) return;
  }
  if (describe_) NoteLeftOut(objectives);
  const bool outputs = entry_ == Entry::kStep || entry_ == Entry::kEvaluate;
  for (const Objective& objective : objectives) {
    const auto& known = program_.objectives;
    if (std::find(known.begin(), known.end(), objective.name) == known.end())
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
  if (entry_ != Entry::kStep) {
    // What is evaluated and predicted with is the average.
    ir::ReplaceUses(graph_, averages_);
    return;
  }
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

// A parameter that nothing trains though nobody said so.
void Lowering::NoteLeftOut(const std::vector<Objective>& objectives) {
  for (const auto& param : params_.statements) {
    ir::Value* w = param->result();
    const Objective* first = nullptr;
    bool trained = false;
    for (const Objective& objective : objectives) {
      const auto has = [w](const auto& list) { return std::find(list.begin(), list.end(), w) != list.end(); };
      const auto* chosen = objective.OptimizerOf(w->name);
      trained |= has(objective.parameters) || (chosen != nullptr && IsFrozen(*chosen->first));
      if (first == nullptr && has(objective.left_out)) first = &objective;
    }
    if (trained || first == nullptr) continue;
    const bool cut = DependenciesOf(first->value, /*through_cuts=*/true).contains(w);
    program_.notes.push_back(
        ir::WithKind(ErrorKind::kUntrainedParameter,
                     absl::StrCat(ToString(first->where), ": note: ", w->name, " is not trained: ", first->name,
                                  cut ? " depends on it only where no gradient passes (stop_gradient, "
                                        "integers, comparisons); `optimizer none for "
                                      : " does not depend on it; `optimizer none for ",
                                  w->name, "` says so")));
  }
}

bool Lowering::LowerObjective(Objective& objective) {
  const ast::Expression& expression = *objective.minimize->value;
  Restore name(statement_name_, objective.name);
  objective.value = AsTensor(Evaluate(expression), expression.range);
  if (objective.value == nullptr) return false;
  Hint(TensorItem{objective.value}, objective.name);
  const ir::Type& type = objective.value->type;
  if (type.rank() != 0 || !ir::IsFloat(type.element)) {
    WithOperands(Error(ErrorKind::kLossNotScalar, expression.range,
                       absl::StrCat("minimize takes a floating-point scalar, found ", ir::ToString(type))),
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
      Diagnostic& diagnostic =
          Error(ErrorKind::kNoParameterMatches, pattern.range, absl::StrCat("no parameter matches ", pattern.text));
      const std::string nearest = Nearest(pattern.text, all);
      if (!nearest.empty()) diagnostic.Help(absl::StrCat("did you mean ", nearest, "?"));
      if (nearest.empty()) diagnostic.Help(absl::StrCat("the parameters are ", absl::StrJoin(all, ", ")));
    }
  };
  const size_t errors = diagnostics_.size();
  const auto reached = DependenciesOf(objective.value);
  if (objective.minimize->wrt.empty()) {
    for (const auto& param : params_.statements) {
      (reached.contains(param->result()) ? objective.parameters : objective.left_out).push_back(param->result());
    }
    if (objective.parameters.empty()) {
      Error(ErrorKind::kNothingToTrain, expression.range,
            absl::StrCat(objective.name, " depends on no parameter: there is nothing to train"));
    }
  } else {
    for (const ast::Pattern& pattern : objective.minimize->wrt) {
      const size_t known = objective.parameters.size();
      select(pattern, objective.parameters);
      for (size_t i = known; i < objective.parameters.size(); ++i) {
        if (reached.contains(objective.parameters[i])) continue;
        Error(ErrorKind::kUnusedParameter, pattern.range,
              absl::StrCat(objective.name, " does not depend on ", objective.parameters[i]->name));
      }
    }
  }
  // A name that is nothing's would change nothing in silence.
  for (const auto& [optimizer, where] : objective.optimizers) {
    std::vector<ir::Value*> named;
    for (const ast::Pattern& pattern : optimizer->parameters) select(pattern, named);
  }
  std::erase_if(objective.parameters, [&](const ir::Value* w) {
    const auto* chosen = objective.OptimizerOf(w->name);
    return chosen != nullptr && IsFrozen(*chosen->first);
  });
  if (objective.optimizers.empty()) {
    Error(ErrorKind::kNoOptimizer, objective.where, absl::StrCat("nothing says how ", objective.name, " is minimized"))
        .Help("optimizer sgd(lr=0.1), or optimizer adam");
  } else if (objective.parameters.empty() && diagnostics_.size() == errors) {
    Error(ErrorKind::kNothingToTrain, objective.where,
          absl::StrCat("every parameter of ", objective.name, " is frozen: there is nothing to train"));
  }
  return diagnostics_.size() == errors;
}

}  // namespace gradus::frontend
