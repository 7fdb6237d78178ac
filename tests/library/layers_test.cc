// Normalisation and attention in random configurations against PyTorch: values, gradients, new states.
//
// tests/library/random_layers.py says what a line of the files is. In f64 what is found must agree with PyTorch's
// numbers to 1e-12; in f32 no element may be further from its value in f64 than four times the largest error that
// PyTorch makes in f32.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "frontend/lower.h"
#include "ir/check.h"
#include "ir/interpreter.h"
#include "passes/backprop.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

using nlohmann::json;

uint32_t Word(uint64_t seed, const std::string& name, uint64_t element) {
  uint64_t h = 2166136261;
  for (const char byte : name) h = (h ^ static_cast<uint8_t>(byte)) * 16777619 % (uint64_t{1} << 32);
  auto v = static_cast<uint32_t>(element * 2654435769 + h + seed * 1000003);
  v = (v ^ (v >> 16)) * 0x85EBCA6B;
  v = (v ^ (v >> 13)) * 0xC2B2AE35;
  return v ^ (v >> 16);
}

double NumberAt(uint64_t seed, const std::string& name, uint64_t element) {
  const double x = (Word(seed, name, element) >> 8) / 4194304.0 - 2;
  return absl::EndsWith(name, "variance") ? std::abs(x) + 0.25 : absl::EndsWith(name, "mean") ? x / 16 : x;
}

// A part that not every line has.
const json& Part(const json& row, const char* name) {
  static const json none = json::object();
  return row.contains(name) ? row[name] : none;
}

// Every tensor that a line names, in the type that it is to be computed in.
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
  floats["r"] = row["shape"];
  for (const auto& [name, shape] : floats.items()) {
    add(name, {type, shape.get<ir::Shape>()}, [&, name = name](size_t i) { return NumberAt(seed, name, i); });
  }
  for (const auto& [name, shape] : Part(row, "flags").items()) {
    add(name, {ir::DType::kBool, shape.get<ir::Shape>()},
        [&, name = name](size_t i) { return Word(seed, name, i) % 3 > 0; });
  }
  for (const auto& [name, index] : Part(row, "indices").items()) {
    const uint32_t below = index["below"];
    add(name, {ir::DType::kI32, index["shape"].get<ir::Shape>()},
        [&, name = name](size_t i) { return Word(seed, name, i) % below; });
  }
  return declared;
}

// A step whose states become the result and the gradients, or, for evaluation, a prediction that puts them out.
std::string ProgramOf(const json& row, const ir::NamedTensors& declared, const std::vector<std::string>& wanted) {
  const bool evaluate = row.value("evaluate", false);
  std::string text = "model m {\n  param one : float = 1\n", results;
  const auto input = [&](const std::string& name) {
    if (absl::StrContains(name, '.')) return;
    absl::StrAppend(&text, "  input ", name, " : ", ir::ToString(declared.at(name).type()), "\n");
  };
  for (const char* kind : {"inputs", "flags", "indices"}) {
    for (const auto& [name, unused] : Part(row, kind).items()) input(name);
  }
  input("r");
  for (size_t i = 0; i < wanted.size(); ++i) {
    const std::string value = i == 0 ? "y" : absl::StrCat("grad(s, ", wanted[i], ")");
    const std::string type = ir::ToString(declared.at(i == 0 ? "r" : wanted[i]).type());
    if (!evaluate) absl::StrAppend(&text, "  state result", i, " : ", type, " = zeros\n");
    absl::StrAppend(&results, evaluate ? "  output result" : "  next result", i, " = ", value, "\n");
  }
  absl::StrAppend(&text, "  ", row["setup"].get<std::string>(), "\n  y = ", row["text"].get<std::string>(),
                  "\n  s = sum(y * r)\n", results, "  loss = s * one\n}\n");
  if (!evaluate) absl::StrAppend(&text, "train m { minimize loss wrt one; optimizer sgd(lr=0) }\n");
  return text;
}

// What PyTorch has numbers of, by the names of the file.
absl::StatusOr<ir::NamedTensors> Run(const json& row, ir::DType type) {
  ir::NamedTensors declared = DeclaredOf(row, type);
  std::vector<std::string> wanted = {"y"};
  for (const auto& [name, unused] : row["inputs"].items()) wanted.push_back(name);
  const std::string text = ProgramOf(row, declared, wanted);
  SCOPED_TRACE(text);
  frontend::LowerOptions options;
  options.set = {{"float", std::string(ir::Name(type))}};
  const bool evaluate = row.value("evaluate", false);
  ASSIGN_OR_RETURN(const frontend::Module module, frontend::ParseProgram("test.gr", text));
  ASSIGN_OR_RETURN(ir::Graph graph,
                   frontend::Lower(module, options, evaluate ? frontend::Entry::kPredict : frontend::Entry::kStep));
  RETURN_IF_ERROR(passes::Backprop(graph).status());
  for (const auto& statement : graph.body.statements) {
    if (!ir::IsDeclaration(statement->op) || statement->op == ir::Op::kNext) continue;
    declared.emplace(statement->result()->name, ir::Tensor(statement->result()->type));
  }
  ASSIGN_OR_RETURN(const ir::StepValues values, ir::Interpret(graph, declared));
  ir::NamedTensors results;
  const auto& found = evaluate ? values.outputs : values.next;
  for (size_t i = 0; i < wanted.size(); ++i) results.emplace(wanted[i], found.at(absl::StrCat("result", i)));
  for (const auto& [name, unused] : Part(row, "states").items()) {
    const auto next = values.next.find(name);
    if (next != values.next.end()) results.emplace(name + "'", next->second);
  }
  return results;
}

void ExpectSums(const json& row, const std::string& name, const ir::Tensor& found, double scale) {
  const json& expected = row["results"][name];
  const auto elements = found.data<double>();
  double sums[4] = {elements[0], 0, 0, 0};
  for (size_t i = 0; i < elements.size(); ++i) {
    sums[1] += elements[i] * NumberAt(row["seed"], name + ":1", i);
    sums[2] += elements[i] * NumberAt(row["seed"], name + ":2", i);
    sums[3] += std::abs(elements[i]);
  }
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(sums[i], expected[i].get<double>(), 1e-12 * scale) << name << ", number " << i;
}

void ExpectLikePyTorch(const std::string& file) {
  std::ifstream in(absl::StrCat(GRADUS_SOURCE_DIR, "/tests/library/", file));
  const json rows = json::parse(in);
  EXPECT_GE(rows.size(), 300u);
  size_t above = 0;
  for (const json& row : rows) {
    SCOPED_TRACE(absl::StrCat("seed ", row["seed"].get<int>(), ": ", row["setup"].get<std::string>(), "; ",
                              row["text"].get<std::string>()));
    const auto exact = Run(row, ir::DType::kF64), single = Run(row, ir::DType::kF32);
    ASSERT_THAT(exact, IsOk());
    ASSERT_THAT(single, IsOk());
    EXPECT_EQ(exact->size(), row["results"].size());
    // A gradient that is 0 because large numbers cancel is as exact as they are.
    double scale = 1, largest = 0;
    for (const auto& [name, expected] : row["results"].items()) {
      scale = std::max(scale, expected[3].get<double>());
      for (const double element : exact->at(name).data<double>()) largest = std::max(largest, std::abs(element));
    }
    double ours = 0, theirs = 0;
    std::string worst;
    for (const auto& [name, expected] : row["results"].items()) {
      ExpectSums(row, name, exact->at(name), scale);
      const auto wide = exact->at(name).data<double>();
      const auto narrow = single->at(name).data<float>();
      double size = largest / 16, error = 0;
      for (size_t i = 0; i < wide.size(); ++i) {
        size = std::max(size, std::abs(wide[i]));
        error = std::max(error, std::abs(narrow[i] - wide[i]));
      }
      if (error / size > ours) worst = name;
      ours = std::max(ours, error / size);
      theirs = std::max(theirs, expected[4].get<double>() / size);
    }
    const double limit = std::max(theirs, 0x1p-24);  // PyTorch may be exact by chance
    above += ours > 4 * limit;
    EXPECT_LE(ours, 8 * limit) << worst << " in f32";
  }
  // The largest error of a few dozen elements is chance too.
  EXPECT_LE(above, rows.size() / 100);
  printf("%zu of %zu are further from f64 than four times PyTorch's f32\n", above, rows.size());
}

TEST(LayersTest, NormalisationIsPyTorchs) { ExpectLikePyTorch("normalizations.json"); }

TEST(LayersTest, AttentionIsPyTorchs) { ExpectLikePyTorch("attentions.json"); }

}  // namespace
}  // namespace gradus::testing_support
