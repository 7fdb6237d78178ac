#include "tools/reference_example.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "frontend/lower.h"
#include "ir/check.h"
#include "ir/error.h"
#include "ir/interpreter.h"
#include "ir/printer.h"
#include "passes/backprop.h"

namespace gradus::tools {
namespace {

constexpr char kScalar[] = "s";  // sum(y * g), which is differentiated

// What the statements of an example declare and bind.
struct Names {
  std::vector<std::string> inputs;   // all of them
  std::vector<std::string> floats;   // those that have a derivative
  std::vector<std::string> results;  // of the last assignment
};

absl::StatusOr<Names> NamesOf(const std::string& statements) {
  ASSIGN_OR_RETURN(const frontend::Module module,
                   frontend::ParseProgram("example.gr", absl::StrCat("model example {\n", statements, "\n}\n")));
  const auto* model = module.program().definitions[0].As<frontend::ast::Model>();
  Names names;
  for (const frontend::ast::Statement& statement : model->body) {
    if (const auto* declaration = statement.As<frontend::ast::Declaration>()) {
      if (declaration->kind == frontend::ast::DeclarationKind::kInput) names.inputs.push_back(declaration->name.text);
      if (declaration->kind == frontend::ast::DeclarationKind::kParam) names.results = {declaration->name.text};
      if (declaration->kind != frontend::ast::DeclarationKind::kState && declaration->type.element.text == "float")
        names.floats.push_back(declaration->name.text);
    }
    if (const auto* assignment = statement.As<frontend::ast::Assignment>()) {
      names.results.clear();
      for (const frontend::ast::Target& target : assignment->targets) names.results.push_back(target.name.text);
    }
  }
  return names;
}

absl::StatusOr<ir::Graph> LowerExample(const std::string& text, frontend::Entry entry, bool f64) {
  ASSIGN_OR_RETURN(const frontend::Module module, frontend::ParseProgram("example.gr", text));
  frontend::LowerOptions options;
  if (f64) options.set = {{"float", "f64"}};
  ASSIGN_OR_RETURN(ir::Graph graph, frontend::Lower(module, options, entry));
  RETURN_IF_ERROR(passes::Backprop(graph).status());
  return graph;
}

std::string GradientName(const std::string& name) { return absl::StrCat("d", absl::StrReplaceAll(name, {{".", "_"}})); }

std::string ProgramOf(const std::string& statements, const Names& names, const std::vector<std::string>& wrt) {
  std::vector<std::string> outputs = names.results;
  outputs.insert(outputs.end(), names.inputs.begin(), names.inputs.end());
  std::string text = absl::StrCat("model example {\n", statements, "\n");
  if (!wrt.empty()) {
    absl::StrAppend(&text, "input g : like(", names.results[0], ")\n", kScalar, " = sum(", names.results[0], " * g)\n");
    std::vector<std::string> gradients;
    for (const std::string& name : wrt) gradients.push_back(GradientName(name));
    const std::string list = absl::StrJoin(wrt, ", ");
    absl::StrAppend(&text, absl::StrJoin(gradients, ", "), " = grad(", kScalar, ", ",
                    wrt.size() == 1 ? list : absl::StrCat("[", list, "]"), ")\n");
    outputs.insert(outputs.end(), gradients.begin(), gradients.end());
  }
  std::sort(outputs.begin(), outputs.end());
  outputs.erase(std::unique(outputs.begin(), outputs.end()), outputs.end());
  return absl::StrCat(text, "output ", absl::StrJoin(outputs, ", "), "\n}\n");
}

// The inputs and parameters by which the result has a derivative.
std::vector<std::string> Differentiable(const std::string& statements, const Names& names, const ir::Graph& values) {
  const auto result = std::find_if(values.outputs.begin(), values.outputs.end(),
                                   [&](const ir::Output& output) { return output.name == names.results[0]; });
  if (names.results.size() != 1 || result == values.outputs.end() || !ir::IsFloat(result->value->type.element) ||
      std::count(names.inputs.begin(), names.inputs.end(), "g") > 0)
    return {};
  std::vector<std::string> candidates = names.floats;
  for (const auto& statement : values.body.statements) {
    const std::string& name = statement->result()->name;
    if (statement->op == ir::Op::kParam && std::count(candidates.begin(), candidates.end(), name) == 0)
      candidates.push_back(name);
  }
  std::vector<std::string> wrt;
  for (const std::string& name : candidates) {
    if (LowerExample(ProgramOf(statements, names, {name}), frontend::Entry::kPredict, false).ok()) wrt.push_back(name);
  }
  return wrt;
}

// The lines of a graph between its header and its end, without the blanks that set types in columns over declarations.
std::vector<std::string> LinesOf(ir::Graph graph) {
  for (const auto& statement : graph.body.statements) statement->note = {};
  std::vector<std::string> lines = absl::StrSplit(ir::Print(graph), '\n');
  lines.erase(lines.begin());
  for (std::string& line : lines) {
    if (absl::StartsWith(line, "  ")) line.erase(0, 2);
  }
  return lines;
}

ir::Tensor Ones(const ir::Type& type) {
  ir::Tensor tensor(type);
  ir::Dispatch(type.element, [&](auto tag) {
    for (auto& element : tensor.data<decltype(tag)>()) element = static_cast<decltype(tag)>(1);
  });
  return tensor;
}

// What an example computes.
absl::StatusOr<ir::NamedTensors> Evaluate(const std::string& text, const ir::Graph& graph,
                                          const ExampleOptions& options) {
  ASSIGN_OR_RETURN(const ir::Graph initialize, LowerExample(text, frontend::Entry::kInitialize, options.f64));
  const auto bind_counters = [&](const ir::Graph& to, ir::NamedTensors& declared) {
    for (const auto& statement : to.body.statements) {
      if (statement->op != ir::Op::kInput) continue;
      const ir::Value& value = *statement->result();
      if (value.name == "g") declared.insert_or_assign("g", Ones(value.type));
      if (value.name == "step") declared.insert_or_assign("step", ir::Tensor::Scalar<int64_t>(options.step));
      if (value.name == "epoch" || value.name == "seed")
        declared.insert_or_assign(value.name, ir::Tensor::Scalar<int64_t>(1));
    }
  };
  ir::NamedTensors declared;
  bind_counters(initialize, declared);
  if (!initialize.outputs.empty()) {
    ASSIGN_OR_RETURN(const ir::StepValues initial, ir::Interpret(initialize, declared));
    for (const auto& [name, tensor] : initial.outputs) declared.insert_or_assign(name, tensor);
  }
  bind_counters(graph, declared);
  ASSIGN_OR_RETURN(const ir::StepValues values, ir::Interpret(graph, declared));
  return values.outputs;
}

// `0.16667`; all NaNs are one value.
std::string Digits(double value) { return std::isnan(value) ? "nan" : absl::StrFormat("%.5g", value); }

std::vector<std::string> Cells(const ir::Tensor& tensor) {
  std::vector<std::string> cells;
  ir::Dispatch(tensor.type().element, [&](auto tag) {
    using T = decltype(tag);
    for (const T element : tensor.data<T>()) {
      if constexpr (std::is_same_v<T, bool>) {
        cells.push_back(element ? "true" : "false");
      } else if constexpr (std::is_floating_point_v<T>) {
        cells.push_back(Digits(element));
      } else {
        cells.push_back(absl::StrCat(element));
      }
    }
  });
  return cells;
}

// `[[1, 2], [3, 4]]`
std::string Nested(const std::vector<std::string>& cells, const ir::Shape& shape, size_t axis, size_t& at) {
  if (axis == shape.size()) return cells[at++];
  std::vector<std::string> parts;
  for (int64_t i = 0; i < shape[axis]; ++i) parts.push_back(Nested(cells, shape, axis + 1, at));
  return absl::StrCat("[", absl::StrJoin(parts, ", "), "]");
}

}  // namespace

absl::StatusOr<Example> WorkOut(const std::string& statements, const ExampleOptions& options) {
  ASSIGN_OR_RETURN(const Names names, NamesOf(statements));
  if (names.results.empty()) return ir::ErrorStatus(ir::ErrorKind::kExpectedAssignment, "an example binds a value");
  ASSIGN_OR_RETURN(const ir::Graph values,
                   LowerExample(ProgramOf(statements, names, {}), frontend::Entry::kPredict, options.f64));
  const std::vector<std::string> wrt =
      options.gradient ? Differentiable(statements, names, values) : std::vector<std::string>();
  const std::string text = ProgramOf(statements, names, wrt);
  ASSIGN_OR_RETURN(ir::Graph graph, LowerExample(text, frontend::Entry::kPredict, options.f64));
  Example example;
  ASSIGN_OR_RETURN(const ir::NamedTensors computed, Evaluate(text, graph, options));
  for (const std::string& name : names.inputs) example.inputs.emplace_back(name, computed.at(name));
  for (const std::string& name : names.results) example.results.emplace_back(name, computed.at(name));
  for (const std::string& name : wrt) {
    example.gradients.emplace_back(GradientName(name), computed.at(GradientName(name)));
  }
  bool backward = false;
  for (const std::string& line : LinesOf(std::move(graph))) {
    const std::string name = line.substr(0, line.find_first_of(" :"));
    if (line == "}" || line.empty() || name == "output" || name == "input") continue;
    if (std::count(names.inputs.begin(), names.inputs.end(), name) > 0) continue;
    if (name == kScalar && !wrt.empty()) {
      backward = true;
      continue;
    }
    absl::StrAppend(backward ? &example.backward : &example.forward, line, "\n");
  }
  return example;
}

absl::StatusOr<std::vector<double>> ScheduleValues(const std::string& statements, int count) {
  ASSIGN_OR_RETURN(const Names names, NamesOf(statements));
  ASSIGN_OR_RETURN(const ir::Graph graph,
                   LowerExample(ProgramOf(statements, names, {}), frontend::Entry::kPredict, false));
  std::vector<double> values;
  for (int64_t step = 1; step <= count; ++step) {
    ir::NamedTensors declared;
    if (graph.Find("step") != nullptr) declared.emplace("step", ir::Tensor::Scalar<int64_t>(step));
    ASSIGN_OR_RETURN(const ir::StepValues computed, ir::Interpret(graph, declared));
    const ir::Tensor& rate = computed.outputs.at(names.results[0]);
    values.push_back(rate.type().element == ir::DType::kF64 ? rate.data<double>()[0] : rate.data<float>()[0]);
  }
  return values;
}

namespace {

// A model whose only parameter an optimizer updates, with this loss.
absl::StatusOr<ir::Graph> LowerUpdate(const std::string& optimizer, absl::string_view loss, frontend::Entry entry) {
  return LowerExample(
      absl::StrCat("model example { param w : float[2] = [1, -2]; input x : float[2] = [3, -4]; loss = ", loss,
                   " }\ntrain example { minimize loss; optimizer ", optimizer, "; steps 1 }\n"),
      entry, false);
}

}  // namespace

absl::StatusOr<std::string> UpdateOf(const std::string& optimizer) {
  ASSIGN_OR_RETURN(ir::Graph graph, LowerUpdate(optimizer, "sum(w * x)", frontend::Entry::kStep));
  std::string text;
  bool inside = false;
  for (const std::string& line : LinesOf(std::move(graph))) {
    if (absl::StartsWith(line, "section ")) inside = line == "section update";
    const bool state = absl::StartsWith(line, "state ");
    if (absl::StartsWith(line, "section ") || absl::StartsWith(line, "output ") || line == "}" || line.empty())
      continue;
    if (inside || state) absl::StrAppend(&text, line, "\n");
  }
  return text;
}

absl::StatusOr<std::vector<std::pair<std::string, ir::Tensor>>> UpdatesOf(const std::string& optimizer,
                                                                          const std::vector<int>& shown) {
  constexpr char kBowl[] = "sum(w * w) / 2";
  ASSIGN_OR_RETURN(const ir::Graph initialize, LowerUpdate(optimizer, kBowl, frontend::Entry::kInitialize));
  ASSIGN_OR_RETURN(const ir::Graph step, LowerUpdate(optimizer, kBowl, frontend::Entry::kStep));
  ASSIGN_OR_RETURN(const ir::StepValues initial, ir::Interpret(initialize, {}));
  ir::NamedTensors declared = initial.outputs;
  std::vector<std::pair<std::string, ir::Tensor>> values = {{"w at first", declared.at("w")}};
  for (int i = 1; i <= shown.back(); ++i) {
    if (step.Find("step") != nullptr) declared.insert_or_assign("step", ir::Tensor::Scalar<int64_t>(i));
    ASSIGN_OR_RETURN(const ir::StepValues after, ir::Interpret(step, declared));
    for (const auto& [name, tensor] : after.next) declared.insert_or_assign(name, tensor);
    if (std::count(shown.begin(), shown.end(), i) > 0)
      values.emplace_back(absl::StrCat("after ", i, i == 1 ? " update" : " updates"), declared.at("w"));
  }
  return values;
}

std::string NumberTable(const std::vector<std::pair<std::string, ir::Tensor>>& values) {
  size_t name_width = 0;
  std::vector<size_t> widths;
  for (const auto& [name, tensor] : values) {
    name_width = std::max(name_width, name.size());
    if (tensor.type().rank() != 1) continue;
    const std::vector<std::string> cells = Cells(tensor);
    widths.resize(std::max(widths.size(), cells.size()));
    for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  }
  std::string text;
  for (const auto& [name, tensor] : values) {
    absl::StrAppendFormat(&text, "%-*s = ", static_cast<int>(name_width), name);
    const std::vector<std::string> cells = Cells(tensor);
    if (tensor.type().rank() == 1) {
      for (size_t i = 0; i < cells.size(); ++i) {
        absl::StrAppendFormat(&text, "%s%*s", i == 0 ? "[" : ", ", static_cast<int>(widths[i]), cells[i]);
      }
      absl::StrAppend(&text, "]\n");
    } else {
      size_t at = 0;
      absl::StrAppend(&text, Nested(cells, tensor.type().shape, 0, at), "\n");
    }
  }
  return text;
}

}  // namespace gradus::tools
