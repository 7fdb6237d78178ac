// What the compiler makes of a model grows with the number of its layers, and no faster.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "codegen/compile.h"
#include "tests/matchers.h"
#include "tests/runtime/program.h"

namespace gradus::runtime {
namespace {

constexpr int kBlocks[] = {6, 12, 24, 48};

struct Counts {
  int64_t lowered = 0, simplified = 0, kernels = 0;  // statements of the graph at that stage
  int64_t functions = 0, instructions = 0;           // of the module
};

int64_t Executed(const ir::Graph& graph) {
  int64_t count = 0;
  for (const auto& s : graph.body.statements) count += ir::IsDeclaration(s->op) || s->op == ir::Op::kBarrier ? 0 : 1;
  return count;
}

// The step of char_gpt with so many blocks, each as narrow as can be.
Counts CountsOf(int blocks) {
  const TestProgram loaded = LoadExampleWithoutData(
      "char_gpt.gr", 1,
      {.set = {{"B", "1"}, {"T", "4"}, {"V", "8"}, {"D", "8"}, {"H", "2"}, {"L", absl::StrCat(blocks)}}});
  Counts counts;
  CompileOptions options;
  options.lower = loaded.lower;
  options.target = "avx2";
  const auto stage = [&](const std::string& name) {
    ir::Graph graph = *frontend::Lower(loaded.module, loaded.lower, frontend::Entry::kStep);
    if (name.empty()) counts.lowered = static_cast<int64_t>(graph.body.statements.size());
    EXPECT_THAT(Transform(graph, options, name), testing_support::IsOk());
    return graph;
  };
  counts.simplified = Executed(stage("simplified"));
  const ir::Graph planned = stage("");
  counts.kernels = Executed(planned);
  const ir::Graph* const graphs[] = {&planned};
  const absl::StatusOr<std::string> llvm = codegen::ShowLlvm(graphs);
  EXPECT_THAT(llvm, testing_support::IsOk());
  for (const absl::string_view line : absl::StrSplit(*llvm, '\n')) {
    counts.functions += absl::StartsWith(line, "define ") ? 1 : 0;
    counts.instructions += absl::StartsWith(line, "  ") ? 1 : 0;
  }
  return counts;
}

TEST(GrowthTest, EverythingThatIsMadeOfAModelIsLinearInItsLayers) {
  std::vector<Counts> counts;
  for (const int blocks : kBlocks) counts.push_back(CountsOf(blocks));
  const auto expect_linear = [&](const char* what, int64_t Counts::* count) {
    std::vector<double> a_block;  // what a further one costs
    for (size_t i = 1; i < counts.size(); ++i)
      a_block.push_back(static_cast<double>(counts[i].*count - counts[i - 1].*count) / (kBlocks[i] - kBlocks[i - 1]));
    for (size_t i = 1; i < a_block.size(); ++i)
      EXPECT_LE(a_block[i], 1.02 * a_block[0]) << what << " of " << kBlocks[i + 1] << " blocks";
    std::printf("%-24s", what);
    for (const Counts& c : counts) std::printf(" %8ld", static_cast<long>(c.*count));
    std::printf("\n");
    return a_block[0];
  };
  EXPECT_GT(expect_linear("statements lowered", &Counts::lowered), 10);
  EXPECT_GT(expect_linear("statements simplified", &Counts::simplified), 10);
  EXPECT_GT(expect_linear("kernels that are called", &Counts::kernels), 10);
  EXPECT_GT(expect_linear("instructions of LLVM", &Counts::instructions), 10);
  // A block calls the kernels of the one before it.
  EXPECT_LT(expect_linear("functions of LLVM", &Counts::functions), 1);
}

}  // namespace
}  // namespace gradus::runtime
