#include "tests/library/reference.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "ir/check.h"
#include "passes/backprop.h"

namespace gradus::testing_support {
namespace {

using nlohmann::json;

json Read(const std::string& file) {
  std::ifstream in(absl::StrCat(GRADUS_SOURCE_DIR, "/tests/library/", file));
  CHECK(in.good()) << file;
  return json::parse(in);
}

std::vector<double> Doubles(const json& values) {
  std::vector<double> result;
  for (const json& v : values) {
    result.push_back(v.is_string() ? std::strtod(v.get<std::string>().c_str(), nullptr) : v.get<double>());
  }
  return result;
}

ir::Tensor TensorOf(const json& shape, const json& values, ir::DType type) {
  ir::Tensor tensor(ir::Type{type, shape.get<ir::Shape>()});
  const std::vector<double> numbers = Doubles(values);
  CHECK(static_cast<int64_t>(numbers.size()) == tensor.size());
  ir::Dispatch(type, [&](auto tag) {
    for (size_t i = 0; i < numbers.size(); ++i) {
      tensor.data<decltype(tag)>()[i] = static_cast<decltype(tag)>(numbers[i]);
    }
  });
  return tensor;
}

std::string Program(const ReferenceCase& c, bool with_gradient) {
  std::string text = "model m {\n";
  for (const ReferenceInput& input : c.inputs) {
    if (absl::StrContains(input.name, '.')) continue;
    absl::StrAppend(&text, "  input ", input.name, " : ", ir::ToString(input.value.type()), "\n");
  }
  if (with_gradient) absl::StrAppend(&text, "  input r : ", ir::ToString(c.r.type()), "\n");
  absl::StrAppend(&text, "  ", c.setup, "\n  y = ", c.text, "\n  output y\n");
  if (with_gradient) absl::StrAppend(&text, "  s = sum(y * r)\n");
  for (const ReferenceInput& input : c.inputs) {
    if (!with_gradient || !input.differentiable) continue;
    const std::string name = GradientName(input);
    absl::StrAppend(&text, "  ", name, " = grad(s, ", input.name, ")\n  output ", name, "\n");
  }
  return text + "}\n";
}

}  // namespace

std::vector<ReferenceCase> ReadCases(const std::string& file) {
  std::vector<ReferenceCase> cases;
  for (const json& c : Read(file)) {
    ReferenceCase result{c["name"],          c["setup"], c["text"], {}, TensorOf(c["shape"], c["r"], ir::DType::kF64),
                         Doubles(c["value"])};
    for (const auto& [name, input] : c["inputs"].items()) {
      const ir::DType type = input.contains("type") ? ir::DType::kI32 : ir::DType::kF64;
      result.inputs.push_back({name, TensorOf(input["shape"], input["values"], type), input.contains("gradient"),
                               input.contains("gradient") ? Doubles(input["gradient"]) : std::vector<double>()});
    }
    cases.push_back(std::move(result));
  }
  return cases;
}

std::vector<ReferenceUpdates> ReadUpdates(const std::string& file) {
  std::vector<ReferenceUpdates> cases;
  for (const json& c : Read(file)) {
    ReferenceUpdates result{c["name"], c["text"], c["parameter"].dump(), static_cast<int64_t>(c["parameter"].size()),
                            {},        {}};
    if (!c.contains("gradients")) result.gradients = cases.back().gradients;
    for (const json& gradient : c.value("gradients", json::array())) result.gradients.push_back(Doubles(gradient));
    for (const json& value : c["values"]) result.values.push_back(Doubles(value));
    cases.push_back(std::move(result));
  }
  return cases;
}

std::string GradientName(const ReferenceInput& input) {
  return absl::StrCat("d_", absl::StrReplaceAll(input.name, {{".", "_"}}));
}

absl::StatusOr<ir::Graph> LowerText(const std::string& text, frontend::Entry entry) {
  ASSIGN_OR_RETURN(const frontend::Module module, frontend::ParseProgram("test.gr", text));
  frontend::LowerOptions options;
  options.set = {{"float", "f64"}};
  return frontend::Lower(module, options, entry);
}

absl::StatusOr<ir::NamedTensors> RunCase(const ReferenceCase& c) {
  const std::string text = Program(c, true);
  ASSIGN_OR_RETURN(const ir::Graph initialize, LowerText(text, frontend::Entry::kInitialize));
  ir::NamedTensors declared;
  for (const ReferenceInput& input : c.inputs) declared.emplace(input.name, input.value);
  declared.emplace("r", c.r);
  if (!initialize.outputs.empty()) {
    ASSIGN_OR_RETURN(const ir::StepValues initial, ir::Interpret(initialize, {}));
    for (const auto& [name, tensor] : initial.outputs) declared.emplace(name, tensor);
  }
  ASSIGN_OR_RETURN(ir::Graph graph, LowerText(text, frontend::Entry::kPredict));
  RETURN_IF_ERROR(passes::Backprop(graph).status());
  ASSIGN_OR_RETURN(const ir::StepValues values, ir::Interpret(graph, declared));
  return values.outputs;
}

absl::StatusOr<ir::Graph> ValueGraph(const ReferenceCase& c, ir::NamedTensors* declared) {
  const std::string text = Program(c, false);
  ASSIGN_OR_RETURN(const ir::Graph initialize, LowerText(text, frontend::Entry::kInitialize));
  for (const ReferenceInput& input : c.inputs) declared->emplace(input.name, input.value);
  if (!initialize.outputs.empty()) {
    ASSIGN_OR_RETURN(const ir::StepValues initial, ir::Interpret(initialize, {}));
    for (const auto& [name, tensor] : initial.outputs) declared->emplace(name, tensor);
  }
  ASSIGN_OR_RETURN(const frontend::Module module, frontend::ParseProgram("test.gr", text));
  frontend::LowerOptions options;
  options.set = {{"float", "f64"}};
  options.keep_rules = true;
  return frontend::Lower(module, options, frontend::Entry::kPredict);
}

std::string Difference(const std::vector<double>& expected, const ir::Tensor& found) {
  if (found.type().element != ir::DType::kF64) return "the result is no f64";
  if (found.size() != static_cast<int64_t>(expected.size())) {
    return absl::StrCat("the result is ", ir::ToString(found.type()), ", and ", expected.size(),
                        " numbers are expected");
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    const double a = expected[i], b = found.data<double>()[i];
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    if (std::isfinite(a) && std::abs(a - b) <= 1e-12 * std::max(1.0, std::abs(a))) continue;
    return absl::StrCat("at ", i, " found ", b, ", expected ", a);
  }
  return "";
}

}  // namespace gradus::testing_support
