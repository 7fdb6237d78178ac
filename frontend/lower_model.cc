#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/lowering.h"

namespace gradus::frontend {

Lowering::Lowering(const Module& module, const LowerOptions& options, Entry entry, Diagnostics& diagnostics)
    : module_(module),
      options_(options),
      entry_(entry),
      diagnostics_(diagnostics),
      builder_(graph_.body),
      expressions_(builder_, diagnostics, [this](const ir::Value* value) {
        const auto where = defined_.find(value);
        return where == defined_.end() ? SourceRange() : where->second;
      }) {
  outer_adjust_ = diagnostics_.SetAdjust([this](Diagnostic& diagnostic) { Place(diagnostic); });
  for (const char* counter : {"step", "epoch", "seed"}) names_.Unique(counter);
}

void Lowering::OverrideDims(const ast::Model& model, const std::vector<ast::Argument>& arguments, int unit) {
  std::vector<std::string> dims;
  for (const ast::Statement& statement : model.body) {
    if (const auto* dim = statement.As<ast::Dim>()) dims.push_back(dim->name.text);
  }
  const auto unknown = [&](SourceRange where, const std::string& name) {
    Diagnostic& diagnostic =
        Error(ErrorKind::kUnknownDim, where, absl::StrCat("the model ", model.name.text, " has no dim ", name));
    const std::string nearest = Nearest(name, dims);
    if (!nearest.empty()) diagnostic.Help(absl::StrCat("did you mean ", nearest, "?"));
    if (nearest.empty() && !dims.empty()) diagnostic.Help(absl::StrCat("its dims are ", absl::StrJoin(dims, ", ")));
  };
  Scope outside;
  outside.unit = unit;
  Restore in_scope(scope_, &outside);
  for (const ast::Argument& argument : arguments) {
    const bool known = std::find(dims.begin(), dims.end(), argument.name.text) != dims.end();
    if (argument.name.text.empty()) {
      const std::string first = dims.empty() ? "B" : dims[0];
      Error(ErrorKind::kUnknownDim, argument.value->range, "the sizes of a recipe are given by name")
          .Help(
              absl::StrCat("train ", model.name.text, "(", first, "=", std::string(argument.value->range.text()), ")"));
      continue;
    }
    if (!known) {
      unknown(argument.name.range, argument.name.text);
      continue;
    }
    const auto value =
        AsInteger(Evaluate(*argument.value), argument.value->range, absl::StrCat("dim ", argument.name.text));
    if (value) dim_overrides_[argument.name.text] = *value;
  }
  for (const auto& [name, text] : options_.set) {
    if (name == "float") {
      const auto type = ir::ParseDType(text);
      if (!type || !ir::IsFloat(*type)) {
        Error(ErrorKind::kSetValue, {}, absl::StrCat("--set float=", text, ": float is f32 or f64"));
      }
      continue;
    }
    if (std::find(dims.begin(), dims.end(), name) == dims.end()) {
      unknown({}, absl::StrCat(name, " (--set ", name, "=", text, ")"));
      continue;
    }
    int64_t value = 0;
    if (!absl::SimpleAtoi(text, &value)) {
      Error(ErrorKind::kSetValue, {}, absl::StrCat("--set ", name, "=", text, ": a dim is an integer"));
      continue;
    }
    dim_overrides_[name] = value;
  }
}

void Lowering::AddOutput(const std::string& name, ir::Value* value, SourceRange where) {
  for (const ir::Output& output : graph_.outputs) {
    if (output.name != name) continue;
    if (output.value != value) Error(ErrorKind::kOutputTwice, where, absl::StrCat("there are two outputs ", name));
    return;
  }
  graph_.outputs.push_back({name, value});
}

void Lowering::LowerModel(const ast::Model& model, int unit, const ast::Train* train, int train_unit) {
  program_.model = model.name.text;
  program_.name = train == nullptr || train->name.text.empty() ? model.name.text : train->name.text;
  program_.trains = train != nullptr;
  static const std::vector<ast::Argument> kNone;
  OverrideDims(model, train == nullptr ? kNone : train->dims, train == nullptr ? unit : train_unit);
  if (train != nullptr) ReadSettings(*train);
  if (entry_ == Entry::kStep) builder_.SetSection("forward");
  model_scope_.unit = unit;
  {
    Restore in_scope(scope_, &model_scope_);
    if (program_.accumulate > 1) UpdateCount();  // before any region
    Execute(model.body);
    CommitStates(model_scope_);
    if (entry_ == Entry::kPredict && pending_outputs_.empty() && diagnostics_.ok()) {
      Error(ErrorKind::kNoOutput, model.name.range,
            absl::StrCat("the model ", model.name.text, " has no output to predict"))
          .Help("output y says what prediction computes");
    }
    for (const ast::Output* output : pending_outputs_) {
      for (size_t i = 0; i < output->values.size(); ++i) {
        const ast::ExpressionPtr& expression = output->values[i];
        const ast::Name* named = expression->As<ast::Name>();
        std::string name = !output->names[i].text.empty() ? output->names[i].text
                           : named != nullptr             ? named->text
                           : program_.outputs.empty()     ? "output"
                                                          : absl::StrCat("output", program_.outputs.size() + 1);
        Restore statement(statement_name_, name);
        ir::Value* value = AsTensor(Evaluate(*expression), expression->range);
        if (value == nullptr) continue;
        program_.outputs.push_back(name);
        if (entry_ == Entry::kPredict) AddOutput(name, value, expression->range);
      }
    }
  }
  if (train != nullptr) LowerTrain(*train, train_unit);
  if (train == nullptr && entry_ == Entry::kStep && diagnostics_.ok()) {
    Error(ErrorKind::kNoRecipe, model.name.range, absl::StrCat("the model ", model.name.text, " has no train"))
        .Help(absl::StrCat("train ", model.name.text, " { minimize loss; optimizer sgd(lr=0.1) }"));
  }
  program_.dims = graph_.dims;
}

void Lowering::LowerCheck(const ast::Model& model, int unit, const ast::Check& check, Check* result) {
  counters_ = {{"step", 1}, {"epoch", 1}, {"seed", 0}};
  std::vector<std::string> inputs;
  std::vector<ast::Argument> dims;
  std::vector<const ast::Argument*> fed;
  for (const ast::Argument& argument : check.arguments) {
    bool is_dim = false;
    for (const ast::Statement& statement : model.body) {
      const auto* dim = statement.As<ast::Dim>();
      is_dim |= dim != nullptr && dim->name.text == argument.name.text;
    }
    Scope outside;
    Restore in_scope(scope_, &outside);
    const Item value = Evaluate(*argument.value);
    if (value.poisoned()) continue;
    if (is_dim) {
      if (const auto size = AsInteger(value, argument.value->range, "a dim"))
        dim_overrides_[argument.name.text] = *size;
    } else if (argument.name.text.empty()) {
      Error(ErrorKind::kCheckInput, argument.value->range, "the inputs of a check are given by name, as in x=[1, 0]");
    } else {
      fed_[argument.name.text] = {value, argument.value->range};
      fed.push_back(&argument);
    }
  }
  model_scope_.unit = unit;
  Restore in_scope(scope_, &model_scope_);
  Execute(model.body);
  CommitStates(model_scope_);
  for (const ProgramInput& input : program_.inputs) {
    inputs.push_back(input.name);
    if (!input.drawn && fed_.count(input.name) == 0) {
      Error(ErrorKind::kCheckInput, check.model.range,
            absl::StrCat("the check gives no value for the input ", input.name));
    }
  }
  for (const ast::Argument* argument : fed) {
    if (std::find(inputs.begin(), inputs.end(), argument->name.text) != inputs.end()) continue;
    Diagnostic& diagnostic = Error(ErrorKind::kUnknownInput, argument->name.range,
                                   absl::StrCat("the model ", model.name.text, " has no input ", argument->name.text));
    const std::string nearest = Nearest(argument->name.text, inputs);
    if (!nearest.empty()) diagnostic.Help(absl::StrCat("did you mean ", nearest, "?"));
  }
  for (size_t i = 0; i < check.expectations.size(); ++i) {
    const ast::Expectation& e = check.expectations[i];
    Expectation expectation{std::string(e.value->range.text()), ToString(e.range), absl::StrCat("value", i),
                            absl::StrCat("expected", i), 1e-6};
    Restore name(statement_name_, expectation.value);
    ir::Value* value = AsTensor(Evaluate(*e.value), e.value->range);
    if (e.tolerance != nullptr) {
      const auto tolerance = AsReal(Evaluate(*e.tolerance), e.tolerance->range, "a tolerance");
      if (tolerance && !(*tolerance >= 0)) {
        Error(ErrorKind::kCheckValue, e.tolerance->range, absl::StrCat("a tolerance cannot be ", *tolerance));
      }
      if (tolerance) expectation.tolerance = *tolerance;
    }
    if (value == nullptr) continue;
    Restore expected_name(statement_name_, expectation.expected);
    ir::Value* expected = AsTensor(Evaluate(*e.expected), e.expected->range, value->type.element);
    if (expected != nullptr && expected->type.rank() == 0 && value->type.rank() > 0) {
      expected = Emit(Op::kBroadcast, {expected}, {value->type.shape});
    }
    if (expected == nullptr) continue;
    if (expected->type != value->type) {
      Error(ErrorKind::kCheckValue, e.expected->range,
            absl::StrCat(expectation.text, " is ", ir::ToString(value->type), ", but ", ir::ToString(expected->type),
                         " is expected"));
      continue;
    }
    graph_.outputs.push_back({expectation.value, value});
    graph_.outputs.push_back({expectation.expected, expected});
    result->expectations.push_back(std::move(expectation));
  }
}

}  // namespace gradus::frontend
