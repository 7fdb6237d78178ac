#include "tools/check_gradient.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "frontend/locate.h"
#include "ir/check.h"
#include "ir/error.h"
#include "ir/index_bounds.h"
#include "ir/interpreter.h"
#include "runtime/gradient_check.h"
#include "runtime/index_bounds.h"
#include "runtime/interpreted_executable.h"
#include "runtime/memory.h"
#include "runtime/progress.h"
#include "runtime/source.h"
#include "tools/verb.h"

namespace gradus::tools {
namespace {

using runtime::GradientCheck;
using runtime::GradientVerdict;
using runtime::ParameterCheck;
using runtime::WrongDerivative;

// By how much of their size initial parameters are moved, or of 1, where that is smaller or they are 0: what is exactly
// 0 hides errors behind it and sits on the kinks of relu, and a small one may not change its sign.
constexpr double kMoved = 0.01;

double Uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-52 - 1; }

// The first batch of the data.
absl::StatusOr<ir::Tensor> FirstBatch(const runtime::DataColumn& column, const runtime::Dataset& data) {
  if (!column.sampled) return column.values;
  if (data.examples < data.batch)
    return ir::ErrorStatus(ir::ErrorKind::kTooFewExamples, "the data have ", data.examples,
                           " examples, fewer than one batch of ", data.batch);
  ir::Tensor batch(column.type);
  std::vector<int64_t> indices(static_cast<size_t>(data.batch));
  for (size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<int64_t>(i);
  runtime::GatherExamples(column, indices, batch.bytes());
  return batch;
}

// Floats in [-1, 1); integers that are used as indices in range, others 0 or 1.
ir::Tensor RandomInput(const ir::Value& input, const std::vector<ir::IndexBound>& bounds, std::mt19937_64& random) {
  ir::Tensor tensor(input.type);
  int64_t limit = 2;
  for (const ir::IndexBound& bound : bounds) {
    if (bound.input == input.name) limit = bound.limit;
  }
  ir::Dispatch(input.type.element, [&](auto tag) {
    using T = decltype(tag);
    for (T& x : tensor.data<T>()) {
      if constexpr (std::is_floating_point_v<T>) {
        x = static_cast<T>(Uniform(random));
      } else if constexpr (std::is_same_v<T, bool>) {
        x = random() % 2 == 0;
      } else {
        x = static_cast<T>(random() % static_cast<uint64_t>(std::max<int64_t>(limit, 1)));
      }
    }
  });
  return tensor;
}

absl::Status BindInputs(const ir::Graph& graph, const Model& model, const ModelOptions& options,
                        const CheckGradientOptions& more, ir::NamedTensors& declared) {
  std::mt19937_64 random(static_cast<uint64_t>(SeedOf(options, model)) + 1);
  const std::vector<ir::IndexBound> bounds = ir::InputIndexBounds(graph);
  std::vector<const ir::Value*> wanted;
  for (const auto& s : graph.body.statements) {
    if (s->op != ir::Op::kInput) continue;
    const ir::Value& input = *s->result();
    if (runtime::IsProvidedInput(input.name)) {
      declared[input.name] = ir::Tensor::Scalar<int64_t>(input.name == "seed" ? SeedOf(options, model) : 1);
    } else {
      wanted.push_back(&input);
    }
  }
  if (wanted.empty()) return absl::OkStatus();
  if (more.random) {
    for (const ir::Value* input : wanted) declared[input->name] = RandomInput(*input, bounds, random);
    return absl::OkStatus();
  }
  constexpr char kHelp[] = "; --random checks with random inputs instead";
  if (model.graph && more.data.empty())
    return ir::ErrorStatus(ir::ErrorKind::kNoData, options.file,
                           ": a printed graph has no data; give them by --data FILE.npz", kHelp);
  Model described;
  const Model* with_inputs = &model;
  if (model.graph) {
    for (const ir::Value* input : wanted)
      described.program.inputs.push_back({input->name, input->type, input->type.rank() > 0 ? 0 : -1, false});
    with_inputs = &described;
  }
  absl::StatusOr<runtime::Dataset> data = model.graph ? runtime::LoadDatasetFromNpz(described.program, more.data)
                                                      : LoadData(*with_inputs, DataOf::kTraining, more.data);
  if (!data.ok()) return absl::Status(data.status().code(), absl::StrCat(data.status().message(), kHelp));
  RETURN_IF_ERROR(runtime::CheckIndices(bounds, options.file, *data));
  for (const ir::Value* input : wanted) {
    const runtime::DataColumn* column = data->Find(input->name);
    if (column == nullptr)
      return ir::ErrorStatus(ir::ErrorKind::kNoData, options.file, ": no data are given for the input ", input->name,
                             kHelp);
    ASSIGN_OR_RETURN(declared[input->name], FirstBatch(*column, *data));
  }
  return absl::OkStatus();
}

// Initial values, moved a little unless they are loaded ones.
absl::Status BindState(const ir::Graph& graph, const ir::Graph& initialize, const Model& model,
                       const ModelOptions& options, const CheckGradientOptions& more,
                       const std::map<std::string, ir::Tensor>& loaded, ir::NamedTensors& declared) {
  const int64_t seed = SeedOf(options, model);
  const ir::NamedTensors seeded = {{"seed", ir::Tensor::Scalar<int64_t>(seed)},
                                   {"step", ir::Tensor::Scalar<int64_t>(0)},
                                   {"epoch", ir::Tensor::Scalar<int64_t>(0)}};
  ASSIGN_OR_RETURN(ir::StepValues initial, ir::Interpret(initialize, seeded));
  std::mt19937_64 random(static_cast<uint64_t>(seed) + 2);
  for (const auto& s : graph.body.statements) {
    if (s->op != ir::Op::kParam && s->op != ir::Op::kState) continue;
    const ir::Value& value = *s->result();
    ir::Tensor tensor = initial.outputs.at(value.name);
    if (const auto given = loaded.find(value.name); given != loaded.end()) {
      const std::string name = absl::StrCat(more.load, ":", value.name);
      if (given->second.type().shape != value.type.shape)
        return ir::ErrorStatus(ir::ErrorKind::kDataShape, name, ": expected ", ir::ToString(value.type), ", found ",
                               ir::ToString(given->second.type()));
      ASSIGN_OR_RETURN(tensor, runtime::ConvertElements(name, given->second, value.type.element));
    } else if (s->op == ir::Op::kParam && more.load.empty()) {
      ir::Dispatch(tensor.type().element, [&](auto tag) {
        using T = decltype(tag);
        if constexpr (std::is_floating_point_v<T>) {
          double squares = 0;
          for (const T x : tensor.data<T>()) squares += static_cast<double>(x) * static_cast<double>(x);
          const double size = std::sqrt(squares / static_cast<double>(std::max<int64_t>(tensor.size(), 1)));
          const double most = kMoved * (size == 0 ? 1 : std::min(size, 1.0));
          for (T& x : tensor.data<T>()) x += static_cast<T>(most * Uniform(random));
        }
      });
    }
    declared[value.name] = std::move(tensor);
  }
  for (const auto& [name, tensor] : loaded) {
    if (declared.contains(name)) continue;
    return ir::ErrorStatus(ir::ErrorKind::kUnknownParameter, more.load, ": has the tensor ", name,
                           ", which the program does not");
  }
  return absl::OkStatus();
}

const char* Word(GradientVerdict verdict) {
  switch (verdict) {
    case GradientVerdict::kRight:
      return "ok";
    case GradientVerdict::kWrong:
      return "WRONG";
    case GradientVerdict::kKink:
      return "ok, at a kink";
    case GradientVerdict::kRounding:
      return "ok, 0 but for rounding";
    case GradientVerdict::kNotFinite:
      break;
  }
  return "NOT FINITE";
}

std::string Significant(double value) { return absl::StrFormat("%.7g", value); }
// Below 1e-12 it is rounding, whose digits say nothing.
std::string Error(double error) { return error < 1e-12 ? "<1e-12" : absl::StrFormat("%.1e", error); }
std::string Element(const ir::Ints& index) { return absl::StrCat("[", absl::StrJoin(index, ","), "]"); }

// `m.gr:12:7`.
std::string Place(const ir::Note& note, const std::string& file) {
  if (note.line == 0) return file;
  return absl::StrCat(note.file.empty() ? file : note.file, ":", note.line, ":", note.column);
}

// Of a printed graph: what its notes say.
std::string OriginalPlace(const ir::Note& note) {
  if (note.line == 0) return "without a place";
  return absl::StrCat(note.line, ":", note.column, " of ", note.file.empty() ? "its program" : note.file);
}

// Where a vjp begins, from `sq 4:3`, `sq shapes.gr:4:3` or, of the library, `softmax activation.gr`.
std::string RulePlace(const std::string& rule, const std::string& file) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(rule, absl::MaxSplits(' ', 1));
  const auto colons = std::count(parts.second.begin(), parts.second.end(), ':');
  if (colons == 0) return absl::StrCat("the vjp of ", parts.first, " in ", parts.second, " of the library");
  return absl::StrCat("the vjp of ", parts.first, " at ", colons > 1 ? "" : absl::StrCat(file, ":"), parts.second);
}

// The line of a printed graph on which a value is defined, or what a carry becomes; 0: none.
int LineOf(const Model& model, const std::string& name) {
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(model.module.program().source->text(), '\n')) {
    ++number;
    absl::string_view text = absl::StripAsciiWhitespace(line);
    absl::ConsumePrefix(&text, "next ");
    if (!absl::StartsWith(text, name)) continue;
    const absl::string_view rest = absl::StripLeadingAsciiWhitespace(text.substr(name.size()));
    if (absl::StartsWith(rest, ":") || absl::StartsWith(rest, "=")) return number;
  }
  return 0;
}

size_t Columns(absl::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

void PrintTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Columns(row[i]));
  }
  for (const auto& row : rows) {
    std::string line = " ";
    for (size_t i = 0; i < row.size(); ++i) {
      absl::StrAppend(&line, " ", row[i]);
      if (i + 1 < row.size()) line.append(widths[i] - Columns(row[i]) + 1, ' ');
    }
    std::printf("%s\n", std::string(absl::StripTrailingAsciiWhitespace(line)).c_str());
  }
}

void PrintCheck(const GradientCheck& check) {
  std::vector<std::vector<std::string>> rows = {
      {absl::StrCat("∂", check.of, "/∂"), "shape", "analytic", "numeric", "difference", "error", "worst element", ""}};
  for (const ParameterCheck& p : check.parameters) {
    const bool finite = p.verdict != GradientVerdict::kNotFinite;
    const std::string element =
        !finite
            ? ""
            : absl::StrCat(p.element.empty() ? "" : Element(p.element), p.element.empty() ? "" : " ",
                           Significant(p.analytic),
                           p.verdict == GradientVerdict::kWrong ? absl::StrCat(" not ", Significant(p.numeric)) : "");
    rows.push_back({p.name, p.shape.empty() ? "[]" : ir::ToString(p.shape), finite ? Significant(p.along.analytic) : "",
                    finite ? Significant(p.along.numeric) : "",
                    p.along.has_difference ? Significant(p.along.difference)
                    : p.along.kink != nullptr
                        ? absl::StrCat(Significant(p.along.left), " | ", Significant(p.along.right))
                        : "",
                    finite ? Error(p.error) : "", element, Word(p.verdict)});
  }
  PrintTable(rows);
}

std::string At(const ir::Ints& index) { return index.empty() ? "" : absl::StrCat(" at ", Element(index)); }

void PrintWrong(const GradientCheck& check, const Model& model, const std::string& file) {
  bool first = true;
  for (const WrongDerivative& one : check.wrong) {
    std::string text = first ? "\nThe first statement whose derivative is wrong: " : "Also wrong: ";
    absl::StrAppend(&text, one.name, ", ", model.graph ? OriginalPlace(one.place) : Place(one.place, file), "\n");
    if (!one.rule.empty()) absl::StrAppend(&text, "  its rule is ", RulePlace(one.rule, file), "\n");
    absl::StrAppend(&text, "  what it contributes to ∂", check.of, "/∂", one.by, At(one.element), " is ",
                    Significant(one.analytic), ", and must be ", Significant(one.numeric),
                    one.what.empty() ? "" : absl::StrCat(": ", one.what), "\n");
    if (!one.rule.empty()) {
      absl::StrAppend(&text, "  if that rule is not meant to be the derivative of the value: --trust ",
                      one.rule.substr(0, one.rule.find(' ')), "\n");
    }
    if (model.graph && !one.adjoint.empty()) {
      if (const int line = LineOf(model, one.adjoint); line > 0)
        absl::StrAppend(&text, "  written as ", one.adjoint, ", ", file, ":", line, "\n");
    }
    std::fputs(text.c_str(), stdout);
    first = false;
  }
  if (check.not_finite) {
    std::printf("\nThe first statement that is not finite: %s, %s (%s)\n", check.not_finite->name.c_str(),
                Place(check.not_finite->place, file).c_str(), check.not_finite->value.c_str());
    if (!check.not_finite->rule.empty()) std::printf("  by %s\n", RulePlace(check.not_finite->rule, file).c_str());
  }
}

nlohmann::json Finite(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

nlohmann::json Json(const GradientCheck& check, const Model& model, const std::string& file) {
  nlohmann::json parameters = nlohmann::json::array(), wrong = nlohmann::json::array();
  static const std::map<GradientVerdict, std::string> kVerdicts = {{GradientVerdict::kRight, "right"},
                                                                   {GradientVerdict::kWrong, "wrong"},
                                                                   {GradientVerdict::kKink, "kink"},
                                                                   {GradientVerdict::kRounding, "rounding"},
                                                                   {GradientVerdict::kNotFinite, "not finite"}};
  for (const ParameterCheck& p : check.parameters) {
    nlohmann::json one = {
        {"name", p.name},
        {"shape", std::vector<int64_t>(p.shape.begin(), p.shape.end())},
        {"analytic", Finite(p.along.analytic)},
        {"numeric", Finite(p.along.numeric)},
        {"error", Finite(p.error)},
        {"worst_element", {{"index", p.element}, {"analytic", Finite(p.analytic)}, {"numeric", Finite(p.numeric)}}},
        {"verdict", kVerdicts.at(p.verdict)}};
    if (p.along.has_difference) one["difference"] = Finite(p.along.difference);
    if (p.along.kink != nullptr) one["slopes"] = {Finite(p.along.left), Finite(p.along.right)};
    parameters.push_back(std::move(one));
  }
  for (const WrongDerivative& one : check.wrong) {
    nlohmann::json object = {
        {"statement", one.name},  {"place", Place(one.place, file)},  {"by", one.by},
        {"element", one.element}, {"analytic", Finite(one.analytic)}, {"numeric", Finite(one.numeric)},
        {"what", one.what}};
    if (!one.rule.empty()) object["rule"] = RulePlace(one.rule, file);
    if (!one.adjoint.empty()) object["adjoint"] = one.adjoint;
    if (const int line = model.graph ? LineOf(model, one.adjoint) : 0; line > 0) object["line"] = line;
    wrong.push_back(std::move(object));
  }
  nlohmann::json result = {{"of", check.of}, {"parameters", parameters}, {"wrong", wrong}, {"ok", check.ok()}};
  if (check.not_finite) {
    result["not_finite"] = {{"statement", check.not_finite->name},
                            {"place", Place(check.not_finite->place, file)},
                            {"value", check.not_finite->value}};
    if (!check.not_finite->rule.empty()) result["not_finite"]["rule"] = RulePlace(check.not_finite->rule, file);
  }
  return result;
}

}  // namespace

absl::StatusOr<int> CheckGradient(const ModelOptions& options, const CheckGradientOptions& more) {
  ASSIGN_OR_RETURN(Model model, LoadModel(options));
  ir::Graph graph, initialize;
  if (model.graph) {
    graph = model.graph->Clone();
    ASSIGN_OR_RETURN(initialize, frontend::LowerInitializers(graph));
  } else {
    const frontend::Entry entry = model.program.trains ? frontend::Entry::kStep : frontend::Entry::kPredict;
    ASSIGN_OR_RETURN(graph, frontend::Lower(model.module, model.lower, entry));
    const auto& statements = graph.body.statements;
    if (std::none_of(statements.begin(), statements.end(), [](const auto& s) { return s->op == ir::Op::kGrad; }))
      return ir::ErrorStatus(ir::ErrorKind::kNoRecipe, options.file, ": has no recipe and no `grad`: `train ",
                             model.program.model, " { minimize … }` says what to differentiate");
    ASSIGN_OR_RETURN(initialize, frontend::Lower(model.module, model.lower, frontend::Entry::kInitialize));
  }
  RETURN_IF_ERROR(
      runtime::CheckMemory(ir::InterpreterBytes(initialize), absl::StrCat("interpreting ", initialize.name)));
  RETURN_IF_ERROR(runtime::CheckGradientFits(graph));
  ASSIGN_OR_RETURN(const auto loaded, LoadWeights(more.load, model));
  ir::NamedTensors declared;
  RETURN_IF_ERROR(BindInputs(graph, model, options, more, declared));
  RETURN_IF_ERROR(BindState(graph, initialize, model, options, more, loaded, declared));

  runtime::Progress bar(/*enabled=*/true, std::chrono::milliseconds(1000));
  runtime::GradientCheckOptions check;
  check.seed = static_cast<uint64_t>(SeedOf(options, model)) + 1;
  check.trusted.insert(check.trusted.end(), more.trust.begin(), more.trust.end());
  check.progress = [&](double fraction, absl::string_view doing) {
    bar.Update(fraction, absl::StrCat("checking ", doing));
  };
  const std::string name = graph.name;
  const auto checks = runtime::CheckGradients(std::move(graph), declared, check);
  bar.Clear();
  if (!checks.ok()) return frontend::Locate(model.module, checks.status());
  const bool ok = std::all_of(checks->begin(), checks->end(), [](const GradientCheck& c) { return c.ok(); });
  if (options.json) {
    nlohmann::json gradients = nlohmann::json::array();
    for (const GradientCheck& one : *checks) gradients.push_back(Json(one, model, options.file));
    std::printf("%s\n", nlohmann::json({{"ok", ok}, {"gradients", gradients}}).dump(2).c_str());
  } else {
    for (const GradientCheck& one : *checks) {
      if (&one != &checks->front()) std::printf("\n");
      PrintCheck(one);
      PrintWrong(one, model, options.file);
    }
    if (ok) std::printf("\n%s: every derivative is right\n", name.c_str());
  }
  return ok ? kSuccess : kCheckFailed;
}

}  // namespace gradus::tools
