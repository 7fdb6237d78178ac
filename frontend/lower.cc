#include "frontend/lower.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/lowering.h"
#include "ir/error.h"

namespace gradus::frontend {
namespace {

struct Target {
  const ast::Model* model = nullptr;
  int model_unit = 0;
  const ast::Train* train = nullptr;
  int train_unit = 0;
};

template <typename T>
std::vector<std::pair<const T*, int>> All(const Module& module) {
  std::vector<std::pair<const T*, int>> all;
  for (size_t i = 0; i < module.units.size(); ++i) {
    for (const ast::Definition& definition : module.units[i]->file.definitions) {
      if (const T* node = definition.As<T>()) all.emplace_back(node, static_cast<int>(i));
    }
  }
  return all;
}

const std::string& NameOf(const ast::Train& train) {
  return train.name.text.empty() ? train.model.text : train.name.text;
}

// The recipe or model that the options name. Definitions of the program's own file come before those of its imports.
Target FindTarget(const Module& module, const LowerOptions& options, Diagnostics& diagnostics) {
  Target target;
  const auto trains = All<ast::Train>(module);
  const auto models = All<ast::Model>(module);
  std::vector<std::string> names;
  for (const auto& [train, unit] : trains) {
    if (unit == 0 || !options.name.empty()) names.push_back(NameOf(*train));
    const bool chosen = options.name.empty() ? unit == 0 : NameOf(*train) == options.name;
    if (!chosen || target.train != nullptr) continue;
    target.train = train;
    target.train_unit = unit;
  }
  std::string wanted = options.name;
  if (target.train != nullptr) {
    wanted = target.train->model.text;
  } else if (wanted.empty()) {
    std::vector<const ast::Model*> own;
    for (const auto& [model, unit] : models) {
      if (unit == 0) own.push_back(model);
    }
    if (own.size() == 1) wanted = own[0]->name.text;
    if (own.empty()) {
      diagnostics.Error(ErrorKind::kNoModel, {}, absl::StrCat(module.program().source->path(), " has no model"));
      return target;
    }
    for (const ast::Model* model : own) names.push_back(model->name.text);
  }
  if (options.name.empty() && names.size() > 1) {
    diagnostics
        .Error(ErrorKind::kSeveralModels, {},
               absl::StrCat(module.program().source->path(), " has several: ", absl::StrJoin(names, ", ")))
        .Help(absl::StrCat("--model ", names[0], " chooses the first"));
    return target;
  }
  std::vector<std::string> known;
  if (target.train == nullptr) known = names;
  for (const auto& [model, unit] : models) {
    if (target.model == nullptr && model->name.text == wanted) {
      target.model = model;
      target.model_unit = unit;
    }
    known.push_back(model->name.text);
  }
  if (target.model == nullptr) {
    Diagnostic& diagnostic =
        diagnostics.Error(ErrorKind::kUnknownModel, target.train != nullptr ? target.train->model.range : SourceRange(),
                          absl::StrCat("there is no model ", wanted));
    const std::string nearest = Nearest(wanted, known);
    if (!nearest.empty()) diagnostic.Help(absl::StrCat("did you mean ", nearest, "?"));
  }
  return target;
}

absl::string_view NameOf(Entry entry) {
  switch (entry) {
    case Entry::kStep:
      return "step";
    case Entry::kEvaluate:
      return "evaluate";
    case Entry::kPredict:
      return "predict";
    case Entry::kInitialize:
      break;
  }
  return "initialize";
}

ir::Graph InitializeGraph(const Module& module, const LowerOptions& options, Diagnostics& diagnostics,
                          absl::Span<const Lowering::Initial> initial, std::string name) {
  Lowering lowering(module, options, Entry::kInitialize, diagnostics);
  lowering.LowerInitial(initial);
  return lowering.Finish(std::move(name));
}

}  // namespace

absl::StatusOr<Program> Describe(const Module& module, const LowerOptions& options) {
  Diagnostics diagnostics;
  const Target target = FindTarget(module, options, diagnostics);
  RETURN_IF_ERROR(diagnostics.ToStatus());
  Lowering lowering(module, options, target.train != nullptr ? Entry::kStep : Entry::kEvaluate, diagnostics);
  lowering.DescribeAlso();
  lowering.LowerModel(*target.model, target.model_unit, target.train, target.train_unit);
  RETURN_IF_ERROR(diagnostics.ToStatus());
  Program program = lowering.TakeProgram();
  InitializeGraph(module, options, diagnostics, lowering.initial(), "initialize");
  RETURN_IF_ERROR(diagnostics.ToStatus());
  program.warnings = diagnostics.RenderWarnings();
  return program;
}

absl::StatusOr<ir::Graph> Lower(const Module& module, const LowerOptions& options, Entry entry) {
  Diagnostics diagnostics;
  const Target target = FindTarget(module, options, diagnostics);
  RETURN_IF_ERROR(diagnostics.ToStatus());
  Lowering lowering(module, options, entry, diagnostics);
  lowering.LowerModel(*target.model, target.model_unit, target.train, target.train_unit);
  if (entry == Entry::kEvaluate && target.train == nullptr) {
    diagnostics.Error(
        ErrorKind::kNoRecipe, target.model->name.range,
        absl::StrCat("the model ", target.model->name.text, " has no train: nothing says what to evaluate"));
  }
  RETURN_IF_ERROR(diagnostics.ToStatus());
  const std::string name = absl::StrCat(lowering.program().name, ".", NameOf(entry));
  ir::Graph graph = entry == Entry::kInitialize
                        ? InitializeGraph(module, options, diagnostics, lowering.initial(), name)
                        : lowering.Finish(name);
  RETURN_IF_ERROR(diagnostics.ToStatus());
  return graph;
}

absl::StatusOr<ir::Graph> LowerInitializers(const ir::Graph& graph) {
  const absl::string_view stem = absl::string_view(graph.name).substr(0, graph.name.rfind('.'));
  std::string text;
  std::vector<const ir::Statement*> declarations;
  for (const auto& statement : graph.body.statements) {
    if (statement->op != ir::Op::kParam && statement->op != ir::Op::kState) continue;
    if (statement->initializer.empty()) {
      return ir::ErrorStatus(ir::ErrorKind::kNoInitialValue, statement->result()->name, " has no initial value");
    }
    absl::StrAppend(&text, "fn initial", declarations.size(), "() = ", statement->initializer, "\n");
    declarations.push_back(statement.get());
  }
  ASSIGN_OR_RETURN(const Module module, ParseProgram(absl::StrCat("the initialisers of ", graph.name), text));
  Diagnostics diagnostics;
  const LowerOptions options;
  std::vector<Lowering::Initial> initial;
  Lowering evaluate(module, options, Entry::kInitialize, diagnostics);
  const auto& definitions = module.program().definitions;
  CHECK(definitions.size() == declarations.size()) << "one function a declaration";
  std::map<std::string, ir::Value*> earlier;
  for (size_t i = 0; i < declarations.size(); ++i) {
    const auto* function = definitions[i].As<ast::Function>();
    const ast::Expression& value = *function->body[0].As<ast::Return>()->values[0];
    initial.push_back({declarations[i]->result()->name, declarations[i]->result()->type,
                       evaluate.EvaluateInitializer(value, earlier), value.range});
    earlier.emplace(initial.back().name, declarations[i]->result());
  }
  RETURN_IF_ERROR(diagnostics.ToStatus());
  ir::Graph result = InitializeGraph(module, options, diagnostics, initial, absl::StrCat(stem, ".initialize"));
  RETURN_IF_ERROR(diagnostics.ToStatus());
  return result;
}

absl::StatusOr<std::vector<Check>> LowerChecks(const Module& module, const LowerOptions& options) {
  Diagnostics diagnostics;
  std::vector<Check> checks;
  for (const auto& [check, unit] : All<ast::Check>(module)) {
    if (unit != 0) continue;
    const ast::Model* model = nullptr;
    int model_unit = 0;
    std::vector<std::string> names;
    for (const auto& [candidate, candidate_unit] : All<ast::Model>(module)) {
      names.push_back(candidate->name.text);
      if (model != nullptr || candidate->name.text != check->model.text) continue;
      model = candidate;
      model_unit = candidate_unit;
    }
    if (model == nullptr) {
      Diagnostic& diagnostic = diagnostics.Error(ErrorKind::kUnknownModel, check->model.range,
                                                 absl::StrCat("there is no model ", check->model.text));
      const std::string nearest = Nearest(check->model.text, names);
      if (!nearest.empty()) diagnostic.Help(absl::StrCat("did you mean ", nearest, "?"));
      continue;
    }
    Check result{.model = model->name.text, .place = ToString(check->model.range)};
    const size_t errors = diagnostics.size();
    Lowering lowering(module, options, Entry::kEvaluate, diagnostics);
    lowering.LowerCheck(*model, model_unit, *check, &result);
    if (diagnostics.size() != errors) continue;
    result.initialize =
        InitializeGraph(module, options, diagnostics, lowering.initial(), absl::StrCat(result.model, ".initialize"));
    result.graph = lowering.Finish(absl::StrCat(result.model, ".check"));
    checks.push_back(std::move(result));
  }
  RETURN_IF_ERROR(diagnostics.ToStatus());
  return checks;
}

}  // namespace gradus::frontend
