// Printed loops and branches: read, printed, computed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "frontend/read_graph.h"
#include "ir/interpreter.h"
#include "ir/printer.h"
#include "tests/golden.h"
#include "tests/matchers.h"

namespace gradus::frontend {
namespace {

using ::testing::ElementsAre;

ir::Graph Read(const std::string& name) {
  const std::string path = absl::StrCat("tests/golden/loops/", name, ".gr");
  auto graph = ReadGraph(*SourceFile::Read(absl::StrCat(GRADUS_SOURCE_DIR, "/", path)));
  if (!graph.ok()) {
    ADD_FAILURE() << graph.status();
    return {};
  }
  const std::string once = ir::Print(*graph);
  testing_support::ExpectGolden(path, once);
  EXPECT_EQ(ir::Print(graph->Clone()), once);
  auto again = ReadGraph("again.gr", once);
  if (again.ok()) {
    EXPECT_EQ(ir::Print(*again), once);
  } else {
    ADD_FAILURE() << again.status();
  }
  return *std::move(graph);
}

ir::Tensor Floats(ir::Shape shape, std::vector<float> elements) {
  return ir::Tensor::Of<float>(std::move(shape), absl::MakeConstSpan(elements));
}

std::vector<float> Output(const absl::StatusOr<ir::StepValues>& values, const std::string& name) {
  if (!values.ok()) {
    ADD_FAILURE() << values.status();
    return {};
  }
  const auto data = values->outputs.at(name).data<float>();
  return std::vector<float>(data.begin(), data.end());
}

TEST(LoopsTest, AScanCarriesFromStepToStepAndStacks) {
  const ir::Graph graph = Read("scan");
  ir::NamedTensors declared;
  declared["xs"] = Floats({4, 2}, {1, 0, 0, 1, 5, 5, 1, 1});
  const std::vector<uint8_t> mask = {1, 1, 0, 1};
  ir::Tensor bools(ir::Type{ir::DType::kBool, {4}});
  for (size_t i = 0; i < 4; ++i) bools.data<bool>()[i] = mask[i] != 0;
  declared["mask"] = std::move(bools);
  declared["w"] = Floats({2, 2}, {1, 2, 3, 4});
  declared["b"] = Floats({2}, {0, 1});
  const auto values = ir::Interpret(graph, declared);
  // h1 = (1, 1); h2 = (0, 1) + (4, 6) + (0, 1); masked; h4 = (1, 1) + (4 + 24, 8 + 32) + (0, 1)
  EXPECT_THAT(Output(values, "ys"), ElementsAre(1, 1, 4, 8, 4, 8, 29, 42));
  EXPECT_THAT(Output(values, "hT"), ElementsAre(29, 42));
}

TEST(LoopsTest, LoopsWithoutSequencesReverseLoopsAndNestedOnes) {
  const ir::Graph graph = Read("forms");
  for (const bool p : {false, true}) {
    ir::NamedTensors declared;
    declared["xs"] = Floats({3, 2}, {1, 2, 3, 4, 5, 6});
    declared["p"] = ir::Tensor::Scalar<bool>(p);
    const auto values = ir::Interpret(graph, declared);
    EXPECT_THAT(Output(values, "halves"), ElementsAre(0.5, 0.25, 0.125, 0.0625, 0.03125));
    EXPECT_THAT(Output(values, "last"), ElementsAre(0.03125));
    // Each is x[i] + 10 * what came behind it.
    EXPECT_THAT(Output(values, "back"), ElementsAre(531, 642, 53, 64, 5, 6));
    EXPECT_THAT(Output(values, "nested"), ElementsAre(7, 11, 15, 11, 15, 19, 15, 19, 23));
    EXPECT_THAT(Output(values, "doubled"), ElementsAre(64));
    EXPECT_THAT(Output(values, "count"), ElementsAre(5));
    EXPECT_THAT(Output(values, "chosen"), p ? ElementsAre(2, 4, 6, 8, 10, 12) : ElementsAre(0, 0, 0, 0, 0, 0));
  }
}

}  // namespace
}  // namespace gradus::frontend
