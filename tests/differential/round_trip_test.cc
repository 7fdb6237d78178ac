// Printing and reading are each other's inverse at every stage, and no pass can tell a graph from its reparsed text.
#include <gtest/gtest.h>

#include <filesystem>

#include "frontend/lower.h"
#include "frontend/read_graph.h"
#include "ir/printer.h"
#include "passes/pipeline.h"
#include "tests/differential/random_graph.h"

namespace gradus {
namespace {

// Runs the pipeline on a graph and, before every pass, on what its text reads as.
void ExpectTextSaysEverything(ir::Graph graph) {
  for (const passes::Pass& pass : passes::kStepPipeline) {
    const std::string text = ir::Print(graph);
    absl::StatusOr<ir::Graph> read = frontend::ReadGraph("printed.gr", text);
    ASSERT_TRUE(read.ok()) << read.status() << "\nbefore " << pass.name << "\n" << text;
    ASSERT_EQ(ir::Print(*read), text) << "before " << pass.name;
    const auto of_graph = passes::RunPasses(absl::MakeConstSpan(&pass, 1), graph);
    const auto of_text = passes::RunPasses(absl::MakeConstSpan(&pass, 1), *read);
    ASSERT_EQ(of_graph.ok(), of_text.ok()) << of_graph.status() << of_text.status();
    if (!of_graph.ok()) return;
    ASSERT_EQ(ir::Print(graph), ir::Print(*read)) << "after " << pass.name << " on\n" << text;
  }
  const std::string text = ir::Print(graph);
  absl::StatusOr<ir::Graph> read = frontend::ReadGraph("printed.gr", text);
  ASSERT_TRUE(read.ok()) << read.status() << "\n" << text;
  ASSERT_EQ(ir::Print(*read), text);
}

TEST(RoundTripTest, RandomGraphsAtEveryStage) {
  for (uint64_t seed = 0; seed < 500 && !testing::Test::HasFatalFailure(); ++seed) {
    SCOPED_TRACE(seed);
    testing_support::RandomGraphOptions options;
    options.statements = 4 + static_cast<int>(seed % 20);
    options.gradient = seed % 2 == 1;
    ExpectTextSaysEverything(testing_support::RandomGraph(seed, options));
  }
}

TEST(RoundTripTest, EveryEntryOfEveryExampleAtEveryStage) {
  int count = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(GRADUS_SOURCE_DIR "/examples")) {
    if (file.path().extension() != ".gr") continue;
    SCOPED_TRACE(file.path().string());
    const auto module = frontend::LoadProgram(file.path());
    ASSERT_TRUE(module.ok()) << module.status();
    using frontend::Entry;
    for (Entry entry : {Entry::kStep, Entry::kEvaluate, Entry::kPredict, Entry::kInitialize}) {
      auto graph = frontend::Lower(*module, {}, entry);
      if (!graph.ok()) continue;  // a file without a recipe has no step
      ExpectTextSaysEverything(*std::move(graph));
      if (testing::Test::HasFatalFailure()) return;
      ++count;
    }
  }
  EXPECT_GE(count, 10);
}

}  // namespace
}  // namespace gradus
