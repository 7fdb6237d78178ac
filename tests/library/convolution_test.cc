// Convolutions, pooling and resizing in f32 against PyTorch's f64, as near as PyTorch's own f32 is, four times over; by
// the interpreter and as native code, whose bits are the same.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "passes/backprop.h"
#include "runtime/npz.h"
#include "tests/codegen/native_run.h"
#include "tests/library/reference.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

// As `uniform` of convolution_reference.py.
ir::Tensor Uniform(uint64_t number, uint64_t tensor, ir::Shape shape) {
  ir::Tensor result(ir::Type{ir::DType::kF32, std::move(shape)});
  for (uint64_t i = 0; i < static_cast<uint64_t>(result.size()); ++i) {
    uint64_t z = i + (number * 1000003 + tensor * 7919 + 1) * 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    z ^= z >> 31;
    result.data<float>()[i] = static_cast<float>(static_cast<double>(z >> 40) / 8388608 - 1);
  }
  return result;
}

struct Case {
  std::string text;  // the program
  ir::NamedTensors declared;
  std::vector<std::string> outputs;  // y, then the gradient by each input
};

Case Read(const nlohmann::json& from, uint64_t number) {
  Case c;
  c.text = "model m {\n";
  std::string gradients;
  for (const auto& input : from["inputs"]) {
    const std::string name = input[0];
    const ir::Tensor value = Uniform(number, c.declared.size(), input[1].get<ir::Shape>());
    if (name == "x") absl::StrAppend(&c.text, "  input x : ", ir::ToString(value.type()), "\n");
    const std::string gradient = absl::StrCat("d_", absl::StrReplaceAll(name, {{".", "_"}}));
    absl::StrAppend(&gradients, "  ", gradient, " = grad(s, ", name, ")\n  output ", gradient, "\n");
    c.outputs.push_back(gradient);
    c.declared.emplace(name, value);
  }
  const ir::Tensor r = Uniform(number, c.declared.size(), from["shape"].get<ir::Shape>());
  absl::StrAppend(&c.text, "  input r : ", ir::ToString(r.type()), "\n  ", from["setup"].get<std::string>(),
                  "\n  y = ", from["text"].get<std::string>(), "\n  output y\n  s = sum(y * r)\n", gradients, "}\n");
  c.outputs.insert(c.outputs.begin(), "y");
  c.declared.emplace("r", r);
  return c;
}

absl::StatusOr<ir::Graph> GraphOf(const Case& c) {
  ASSIGN_OR_RETURN(const frontend::Module module, frontend::ParseProgram("test.gr", c.text));
  ASSIGN_OR_RETURN(ir::Graph graph, frontend::Lower(module, {}, frontend::Entry::kPredict));
  RETURN_IF_ERROR(passes::Backprop(graph).status());
  return graph;
}

TEST(ConvolutionReferenceTest, ValuesAndGradientsAreThoseOfPyTorch) {
  std::ifstream in(absl::StrCat(GRADUS_SOURCE_DIR, "/tests/library/convolutions.npz"), std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  const auto arrays = runtime::ParseNpz("convolutions.npz", bytes.str());
  ASSERT_THAT(arrays, IsOk());
  const auto text = arrays->at("cases").data<uint8_t>();
  const nlohmann::json cases = nlohmann::json::parse(std::string(text.begin(), text.end()));
  EXPECT_GE(cases.size(), 600u);
  const int32_t* expected = arrays->at("values").data<int32_t>().data();
  double worst = 0;
  for (size_t number = 0; number < cases.size(); ++number) {
    const nlohmann::json& from = cases[number];
    const Case c = Read(from, number);
    SCOPED_TRACE(c.text);
    const auto graph = GraphOf(c);
    ASSERT_THAT(graph, IsOk());
    const auto step = ir::Interpret(*graph, c.declared);
    ASSERT_THAT(step, IsOk());
    for (size_t i = 0; i < c.outputs.size(); ++i) {
      const double scale = from["scales"][i], allowed = 4 * from["errors"][i].get<double>() + scale;
      for (const float found : step->outputs.at(c.outputs[i]).data<float>()) {
        const double error = std::abs(found - scale * *expected++);
        ASSERT_LE(error, allowed) << c.outputs[i];
        worst = std::max(worst, error / allowed);
      }
    }
    if (number % 16 == 0) {
      EXPECT_EQ(DifferenceFromInterpreter(*graph, c.declared, TargetsOfThisMachine().front(), 1 + number / 16 % 3), "");
    }
  }
  RecordProperty("worst_of_allowed", std::to_string(worst));
}

}  // namespace
}  // namespace gradus::testing_support
