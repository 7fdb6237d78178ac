// lstm, gru and rnn against PyTorch in f64: values and gradients of the random configurations of recurrent.py.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "ir/builder.h"
#include "passes/backprop.h"
#include "tests/library/reference.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

// As `fill` of recurrent.py has it.
std::vector<double> Fill(const std::string& name, int64_t count) {
  int phase = 0;
  for (const char c : name) phase += c;
  phase %= 17;
  std::vector<double> values;
  for (int64_t k = 0; k < count; ++k) values.push_back(0.8 * std::sin(1 + 0.7 * static_cast<double>(k) + 2.3 * phase));
  return values;
}

ir::Tensor FilledTensor(const std::string& name, const ir::Type& type) {
  ir::Tensor tensor(type);
  const std::vector<double> values = Fill(name, type.elements().value());
  for (size_t i = 0; i < values.size(); ++i) {
    if (type.element == ir::DType::kBool) {
      tensor.data<bool>()[i] = values[i] > -0.3;
    } else {
      tensor.data<double>()[i] = values[i];
    }
  }
  return tensor;
}

TEST(RecurrentTest, LayersComputeWhatPyTorchDoes) {
  std::ifstream in(GRADUS_SOURCE_DIR "/tests/library/recurrent.json");
  const nlohmann::json cases = nlohmann::json::parse(in, nullptr, false);
  ASSERT_GE(cases.size(), 300u);
  for (const nlohmann::json& c : cases) {
    const std::string text = c["text"];
    auto graph = LowerText(text, frontend::Entry::kPredict);
    ASSERT_TRUE(graph.ok()) << graph.status() << "\n" << text;
    ASSERT_THAT(passes::Backprop(*graph), IsOk()) << text;
    ir::NameUnnamed(*graph);
    ir::NamedTensors declared;
    for (const auto& s : graph->body.statements) {
      if (ir::IsDeclaration(s->op)) declared[s->result()->name] = FilledTensor(s->result()->name, s->result()->type);
    }
    const auto step = ir::Interpret(*graph, declared);
    ASSERT_TRUE(step.ok()) << step.status() << "\n" << text;
    const double value = step->outputs.at("s").data<double>()[0];
    EXPECT_NEAR(value, c["s"].get<double>(), 1e-12) << text;
    const std::string list = text.substr(text.find('[', text.find("grad(s")) + 1);
    size_t number = 0, begin = 0;
    for (size_t end = 0; end < list.size() && list[begin] != '\n'; begin = end + 2) {
      end = list.find_first_of(",]", begin);
      const std::string name = list.substr(begin, end - begin);
      const ir::Tensor& gradient = step->outputs.at(absl::StrCat("g", number++));
      const std::vector<double> weights = Fill("q" + name, gradient.size());
      double product = 0;
      for (size_t i = 0; i < weights.size(); ++i) product += gradient.data<double>()[i] * weights[i];
      EXPECT_NEAR(product, c["gradients"][name].get<double>(), 1e-12) << name << "\n" << text;
      if (list[end] == ']') break;
    }
    EXPECT_EQ(number, c["gradients"].size()) << text;
  }
}

}  // namespace
}  // namespace gradus::testing_support
