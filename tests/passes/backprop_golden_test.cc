// Golden text: graphs with `grad` in tests/golden/backprop and what backprop makes of them.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "frontend/lower.h"
#include "frontend/program.h"
#include "frontend/read_graph.h"
#include "ir/builder.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "passes/backprop.h"
#include "tests/golden.h"
#include "tests/matchers.h"

namespace gradus::passes {
namespace {

using testing_support::IsOk;

class BackpropGoldenTest : public testing::TestWithParam<const char*> {};

TEST_P(BackpropGoldenTest, PrintsAsInTheGoldenFile) {
  const std::string path = std::string("tests/golden/backprop/") + GetParam() + ".gr";
  std::ifstream file(std::string(GRADUS_SOURCE_DIR) + "/" + path);
  std::stringstream text;
  text << file.rdbuf();
  absl::StatusOr<ir::Graph> graph = frontend::ReadGraph(path, text.str());
  ASSERT_THAT(graph, IsOk());
  absl::StatusOr<ir::Graph> reread = frontend::ReadGraph(path, ir::Print(*graph));
  ASSERT_THAT(reread, IsOk());
  const std::string after = std::string("tests/golden/backprop/") + GetParam() + ".after";
  const absl::StatusOr<bool> changed = Backprop(*graph);
  if (!changed.ok()) {
    testing_support::ExpectGolden(after + ".txt", std::string(changed.status().message()) + "\n");
    return;
  }
  EXPECT_TRUE(*changed);
  ir::NameUnnamed(*graph);
  ASSERT_THAT(ir::Verify(*graph), IsOk());
  testing_support::ExpectGolden(after + ".gr", ir::Print(*graph));
  const absl::StatusOr<ir::Graph> read_back = frontend::ReadGraph(path, ir::Print(*graph));
  ASSERT_THAT(read_back, IsOk());
  EXPECT_EQ(ir::Print(*graph), ir::Print(*read_back));
  ASSERT_THAT(Backprop(*reread), IsOk());
  ir::NameUnnamed(*reread);
  EXPECT_EQ(ir::Print(*graph), ir::Print(*reread)) << "the text of the graph says all that backprop reads";
}

INSTANTIATE_TEST_SUITE_P(Backprop, BackpropGoldenTest,
                         testing::Values("textbook", "scalars", "mlp", "broadcast", "sharing", "second_order",
                                         "custom_vjp", "literal_gradient", "several", "no_path", "lstm", "while",
                                         "no_adjoint"),
                         [](const auto& info) { return std::string(info.param); });

// d.z3, d.w2, d.b2, d.a2, d.z2, d.w1, d.b1: the textbook's derivatives in its order, a line each.
TEST(BackpropExampleTest, TheTextbookExamplePrintsTheTextbook) {
  const absl::StatusOr<frontend::Module> module =
      frontend::LoadProgram(std::string(GRADUS_SOURCE_DIR) + "/examples/textbook/regression.gr");
  ASSERT_THAT(module, IsOk());
  absl::StatusOr<ir::Graph> step = frontend::Lower(*module, {}, frontend::Entry::kStep);
  ASSERT_THAT(step, IsOk());
  ASSERT_THAT(Backprop(*step), IsOk());
  ir::NameUnnamed(*step);
  testing_support::ExpectGolden("tests/golden/backprop/regression_example.after.gr", ir::Print(*step));
}

}  // namespace
}  // namespace gradus::passes
