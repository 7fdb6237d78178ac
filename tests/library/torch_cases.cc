#include "tests/library/torch_cases.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "frontend/lower.h"
#include "ir/interpreter.h"
#include "passes/backprop.h"
#include "passes/pipeline.h"
#include "runtime/npz.h"
#include "tests/codegen/native_run.h"
#include "tests/differential/native_difference.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

using nlohmann::json;

constexpr size_t kSums = 3, kElements = 3;  // of a digest

uint32_t Word(uint64_t seed, const std::string& name, uint64_t element) {
  uint64_t h = 2166136261;
  for (const char byte : name) h = (h ^ static_cast<uint8_t>(byte)) * 16777619 % (uint64_t{1} << 32);
  auto v = static_cast<uint32_t>(element * 2654435769 + h + seed * 1000003);
  v = (v ^ (v >> 16)) * 0x85EBCA6B;
  v = (v ^ (v >> 13)) * 0xC2B2AE35;
  return v ^ (v >> 16);
}

double Uniform(uint64_t seed, const std::string& name, uint64_t element) {
  return (Word(seed, name, element) >> 8) / 4194304.0 - 2;
}

ir::Shape ShapeOf(const json& given) { return (given.is_object() ? given["shape"] : given).get<ir::Shape>(); }

// As `numbers` of torch_cases.py.
double NumberAt(uint64_t seed, const std::string& name, const json& given, uint64_t element) {
  double x = Uniform(seed, name, element);
  if (absl::EndsWith(name, "variance")) x = std::abs(x) + 0.25;
  if (!given.is_object()) return x;
  x *= given.value("spread", 1.0);
  if (given.contains("offset")) {
    const ir::Shape shape = ShapeOf(given);
    const int axis = given["axis"].get<int>() < 0 ? static_cast<int>(shape.size()) - 1 : given["axis"].get<int>();
    uint64_t inner = 1;
    for (size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
    const uint64_t index = element / inner % shape[axis];
    if (given.value("constant", false) && Word(seed, name + ":constant", index) % 4 == 0) x = 0;
    x += given["offset"].get<double>() * Uniform(seed, name + ":offset", index);
  }
  if (given.contains("zeros") && Word(seed, name + ":zeros", element) % given["zeros"].get<uint32_t>() == 0) x = 0;
  return static_cast<float>(x);
}

// A part that not every case has.
const json& Part(const json& row, const char* name) {
  static const json none = json::object();
  return row.contains(name) ? row[name] : none;
}

// Every tensor that a case names, in the type that it is to be computed in.
ir::NamedTensors DeclaredOf(const json& row, ir::DType type) {
  const uint64_t seed = row["seed"];
  ir::NamedTensors declared;
  const auto add = [&](const std::string& name, ir::Type of, auto element) {
    ir::Tensor tensor(std::move(of));
    ir::Dispatch(tensor.type().element, [&](auto tag) {
      using T = decltype(tag);
      auto data = tensor.data<T>();
      for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<T>(element(i));
    });
    declared.emplace(name, std::move(tensor));
  };
  json floats = row["inputs"];
  floats.update(Part(row, "states"));
  for (const auto& [name, shape] : row["outputs"].items()) floats["r_" + name] = shape;
  for (const auto& [name, given] : floats.items()) {
    add(name, {type, ShapeOf(given)},
        [&, name = name, given = given](size_t i) { return NumberAt(seed, name, given, i); });
  }
  for (const auto& [name, shape] : Part(row, "flags").items()) {
    add(name, {ir::DType::kBool, ShapeOf(shape)}, [&, name = name](size_t i) { return Word(seed, name, i) % 3 > 0; });
  }
  for (const auto& [name, index] : Part(row, "indices").items()) {
    const uint32_t below = index["below"];
    add(name, {ir::DType::kI32, ShapeOf(index)}, [&, name = name](size_t i) { return Word(seed, name, i) % below; });
  }
  return declared;
}

// A step whose states become the results by number, or, for evaluation, a prediction that puts them out.
std::string ProgramOf(const json& row, const ir::NamedTensors& declared) {
  const bool evaluate = row.value("evaluate", false);
  std::string text = "model m {\n  param one : float = 1\n", results, sum;
  for (const auto& [name, tensor] : declared) {
    if (!absl::StrContains(name, '.'))
      absl::StrAppend(&text, "  input ", name, " : ", ir::ToString(tensor.type()), "\n");
  }
  for (size_t i = 0; i < row["errors"].size(); ++i) {
    const std::string name = row["errors"][i][0];
    if (absl::EndsWith(name, "'")) continue;
    const bool output = row["outputs"].contains(name);
    const ir::Tensor& like = declared.at(output ? "r_" + name : name);
    if (!evaluate) absl::StrAppend(&text, "  state result", i, " : ", ir::ToString(like.type()), " = zeros\n");
    absl::StrAppend(&results, evaluate ? "  output result" : "  next result", i, " = ",
                    output ? name : absl::StrCat("grad(s, ", name, ")"), "\n");
    if (output) absl::StrAppend(&sum, sum.empty() ? "" : " + ", "sum(", name, " * r_", name, ")");
  }
  absl::StrAppend(&text, row["text"].get<std::string>(), "\n  s = ", sum, "\n", results, "  loss = s * one\n}\n");
  if (!evaluate) absl::StrAppend(&text, "train m { minimize loss wrt one; optimizer sgd(lr=0) }\n");
  return text;
}

// What PyTorch has numbers of, by the names of the file.
absl::StatusOr<ir::NamedTensors> Run(const json& row, ir::DType type, bool native) {
  ir::NamedTensors declared = DeclaredOf(row, type);
  frontend::LowerOptions options;
  options.set = {{"float", std::string(ir::Name(type))}};
  const bool evaluate = row.value("evaluate", false);
  ASSIGN_OR_RETURN(const frontend::Module module, frontend::ParseProgram("test.gr", ProgramOf(row, declared)));
  ASSIGN_OR_RETURN(ir::Graph graph,
                   frontend::Lower(module, options, evaluate ? frontend::Entry::kPredict : frontend::Entry::kStep));
  RETURN_IF_ERROR(passes::Backprop(graph).status());
  for (const auto& statement : graph.body.statements) {
    if (!ir::IsDeclaration(statement->op) || statement->op == ir::Op::kNext) continue;
    declared.emplace(statement->result()->name, ir::Tensor(statement->result()->type));
  }
  ASSIGN_OR_RETURN(const ir::StepValues values, ir::Interpret(graph, declared));
  if (native) {
    passes::RunOptions until;
    until.stop_after = "simplified";
    RETURN_IF_ERROR(passes::RunPasses(passes::kStepPipeline, graph, until).status());
    EXPECT_EQ(Difference(graph, declared, {TargetsOfThisMachine().front(), 1 + row["seed"].get<int>() % 3}), "");
  }
  ir::NamedTensors results;
  for (size_t i = 0; i < row["errors"].size(); ++i) {
    const std::string name = row["errors"][i][0];
    const std::string result = absl::EndsWith(name, "'") ? name.substr(0, name.size() - 1) : absl::StrCat("result", i);
    results.emplace(name, (evaluate ? values.outputs : values.next).at(result));
  }
  return results;
}

// In f64 what the digest says; `numbers` moves behind it.
void ExpectDigest(uint64_t seed, const std::string& name, const ir::Tensor& found, double allowed,
                  const double*& numbers) {
  const auto elements = found.data<double>();
  if (elements.size() <= kSums + kElements) {
    for (const double element : elements) EXPECT_NEAR(element, *numbers++, allowed) << name << " in f64";
    return;
  }
  for (size_t s = 0; s < kSums; ++s) {
    double sum = 0, weights = 0;
    for (size_t i = 0; i < elements.size(); ++i) {
      const double weight = Uniform(seed, absl::StrCat(name, ":", s), i);
      sum += elements[i] * weight;
      weights += std::abs(weight);
    }
    EXPECT_NEAR(sum, *numbers++, allowed * weights) << name << " in f64, sum " << s;
  }
  for (size_t i = 0; i < kElements; ++i) {
    const size_t at = Word(seed, name + ":at", i) % elements.size();
    EXPECT_NEAR(elements[at], *numbers++, allowed) << name << " in f64, element " << at;
  }
}

}  // namespace

void ExpectAsTorch(const std::string& file, size_t least) {
  std::ifstream in(absl::StrCat(GRADUS_SOURCE_DIR, "/tests/library/", file), std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  const auto arrays = runtime::ParseNpz(file, bytes.str());
  ASSERT_THAT(arrays, IsOk());
  const auto text = arrays->at("cases").data<uint8_t>();
  const json rows = json::parse(std::string(text.begin(), text.end()));
  EXPECT_GE(rows.size(), least);
  const double* numbers = arrays->at("numbers").data<double>().data();
  double worst = 0;
  for (const json& row : rows) {
    const uint64_t seed = row["seed"];
    SCOPED_TRACE(absl::StrCat("seed ", seed, ": ", row["text"].get<std::string>()));
    const auto exact = Run(row, ir::DType::kF64, false), single = Run(row, ir::DType::kF32, seed % 16 == 0);
    ASSERT_THAT(exact, IsOk());
    ASSERT_THAT(single, IsOk());
    for (const json& named : row["errors"]) {
      const std::string name = named[0];
      const double error = named[1], allowed = 4 * error;
      ExpectDigest(seed, name, exact->at(name), 32 * allowed * 0x1p-29, numbers);
      const auto wide = exact->at(name).data<double>();
      const auto narrow = single->at(name).data<float>();
      double ours = 0;
      for (size_t i = 0; i < wide.size(); ++i) {
        const double distance = std::abs(narrow[i] - wide[i]);
        if (!(distance <= ours)) ours = distance;  // NaN stays
      }
      EXPECT_LE(ours, allowed) << name << " in f32, " << ours / error << " times PyTorch's error";
      if (error > 0) worst = std::max(worst, ours / error);
    }
  }
  testing::Test::RecordProperty("worst_times_torch", std::to_string(worst));
  printf("%s: %zu cases, at worst %.2f times PyTorch's error\n", file.c_str(), rows.size(), worst);
}

}  // namespace gradus::testing_support
