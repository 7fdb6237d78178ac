// Derivatives of any order against PyTorch's (tests/textbook/reference.py) in f64, by the interpreter and by native
// code.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/compile.h"
#include "tests/matchers.h"
#include "tests/textbook/example.h"

namespace gradus::testing_support {
namespace {

using nlohmann::json;

// What the cases call beside the library.
constexpr char kDefinitions[] = R"(
layer slope_of(w1, w2) { apply(x) = tanh(x @ w1) @ w2 }
fn cube(x) = x ** 3 vjp(g) { return g * 3 * x * x }
fn wrong(x) = exp(x) vjp(g) { return g * x * x }
fn reverse(x) { return x } vjp(g) { return -g }
)";

struct Case {
  std::string name, text;
  std::map<std::string, std::vector<double>> values;
};

std::vector<Case> Cases() {
  std::ifstream in(std::string(GRADUS_SOURCE_DIR) + "/tests/textbook/orders.json");
  std::vector<Case> cases;
  for (const json& c : json::parse(in)) {
    cases.push_back({c["name"], absl::StrCat(kDefinitions, "model m {\n", c["text"].get<std::string>(), "\n}\n"),
                     c["values"].get<std::map<std::string, std::vector<double>>>()});
  }
  return cases;
}

struct Lowered {
  ir::Graph graph;  // gradients not yet taken
  ir::NamedTensors state;
};

absl::StatusOr<Lowered> Lower(const std::string& text) {
  ASSIGN_OR_RETURN(const frontend::Module module, frontend::ParseProgram("test.gr", text));
  frontend::LowerOptions options;
  options.set = {{"float", "f64"}};
  ASSIGN_OR_RETURN(const ir::Graph initialize, frontend::Lower(module, options, frontend::Entry::kInitialize));
  ASSIGN_OR_RETURN(ir::StepValues initial, ir::Interpret(initialize, {}));
  ASSIGN_OR_RETURN(ir::Graph graph, frontend::Lower(module, options, frontend::Entry::kPredict));
  return Lowered{std::move(graph), std::move(initial.outputs)};
}

TEST(OrdersTest, DerivativesOfAnyOrderAreThoseOfPyTorch) {
  const std::vector<Case> cases = Cases();
  EXPECT_GE(cases.size(), 12u);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    auto lowered = Lower(c.text);
    EXPECT_THAT(lowered, IsOk());
    if (!lowered.ok()) continue;
    ASSERT_THAT(passes::Backprop(lowered->graph), IsOk());
    const auto found = ir::Interpret(lowered->graph, lowered->state);
    ASSERT_THAT(found, IsOk());
    for (const auto& [name, expected] : c.values) {
      const ir::Tensor& tensor = found->outputs.at(name);
      ASSERT_EQ(static_cast<size_t>(tensor.size()), expected.size()) << name;
      for (size_t i = 0; i < expected.size(); ++i) {
        const double a = expected[i], b = tensor.data<double>()[i];
        EXPECT_LE(std::abs(a - b), 1e-12 * std::max(1.0, std::abs(a)))
            << name << " at " << i << ": expected " << a << ", found " << b;
      }
    }
  }
}

TEST(OrdersTest, NativeCodeGivesTheBitsOfTheInterpreter) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.name);
    ir::NamedTensors results[2];
    for (const bool interpret : {false, true}) {
      auto lowered = Lower(c.text);
      ASSERT_THAT(lowered, IsOk());
      runtime::CompileOptions options;
      options.interpret = interpret;
      options.threads = 1;
      const auto compiled = runtime::CompileGraph(std::move(lowered->graph), options);
      ASSERT_THAT(compiled, IsOk());
      runtime::Executable& executable = *compiled->executable;
      for (const runtime::NamedType& one : executable.state()) {
        executable.WriteState(one.name, lowered->state.at(one.name));
      }
      ir::NamedTensors& outputs = results[interpret];
      std::vector<runtime::Fetch> fetches;
      for (const runtime::NamedType& output : executable.outputs(0)) {
        outputs.emplace(output.name, ir::Tensor(output.type));
      }
      for (auto& [name, value] : outputs) fetches.push_back({name, value.bytes(), 0});
      ASSERT_THAT(executable.Run(0, {}, fetches, 1), IsOk());
    }
    for (const auto& [name, values] : c.values) {
      EXPECT_TRUE(ir::SameBits(results[0].at(name), results[1].at(name))) << name;
    }
  }
}

}  // namespace
}  // namespace gradus::testing_support
