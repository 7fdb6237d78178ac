// tests/golden/PASS/NAME.gr: a graph, the line `# becomes`, and the graph after the pass; for fuse, its decisions as
// comments. GRADUS_REWRITE=1 rewrites what stands below the line.
#include "tests/golden.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "frontend/read_graph.h"
#include "ir/interpreter.h"
#include "ir/printer.h"
#include "passes/memory_report.h"
#include "passes/pipeline.h"
#include "passes/verify_plan.h"
#include "tests/differential/random_graph.h"
#include "tests/matchers.h"

namespace gradus::passes {
namespace {

using testing_support::IsOk;

constexpr char kBecomes[] = "# becomes\n";

struct Case {
  std::string path;  // from the root of the repository
  const Pass* pass = nullptr;
  std::string before;
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  const std::filesystem::path root(GRADUS_SOURCE_DIR);
  for (const Pass& pass : kStepPipeline) {
    const auto folder = root / "tests" / "golden" / std::string(pass.name);
    if (pass.name == "backprop" || !std::filesystem::exists(folder)) continue;  // it has files of another form
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::ifstream in(entry.path());
      std::stringstream text;
      text << in.rdbuf();
      const std::string all = text.str();
      cases.push_back(
          {std::filesystem::relative(entry.path(), root).string(), &pass, all.substr(0, all.find(kBecomes))});
    }
  }
  const auto key = [](const Case& c) { return c.path; };
  std::sort(cases.begin(), cases.end(), [&](const Case& a, const Case& b) { return key(a) < key(b); });
  cases.erase(std::unique(cases.begin(), cases.end(), [&](const Case& a, const Case& b) { return key(a) == key(b); }),
              cases.end());  // simplify stands twice in the pipeline
  return cases;
}

RunOptions Checked() {
  RunOptions options;
  options.check_changed = true;
  options.options.target.isa = ir::Isa::kAvx512;
  options.options.threads = 2;
  return options;
}

TEST(GoldenPassTest, EveryPassPrintsWhatItsFilesSay) {
  const std::vector<Case> cases = Cases();
  EXPECT_GE(cases.size(), 12u);
  for (const Case& c : cases) {
    absl::StatusOr<ir::Graph> graph = frontend::ReadGraph(c.path, c.before);
    ASSERT_THAT(graph, IsOk());
    RunOptions options = Checked();
    std::vector<FusionDecision> decisions;
    options.options.decisions = &decisions;
    const Pass one[] = {*c.pass};
    ASSERT_THAT(RunPasses(one, *graph, options), IsOk()) << c.path;
    std::string text = absl::StrCat(c.before, kBecomes, ir::Print(*graph));
    const std::string told = Describe(decisions);
    for (absl::string_view line : absl::StrSplit(told, '\n', absl::SkipEmpty()))
      absl::StrAppend(&text, "# ", line, "\n");
    if (c.pass->name == "plan") {
      EXPECT_THAT(VerifyPlan(*graph), IsOk()) << c.path;
      const std::string report = ToString(ReportMemory(*graph));
      for (absl::string_view line : absl::StrSplit(report, '\n', absl::SkipEmpty())) {
        absl::StrAppend(&text, "# ", line, "\n");
      }
    }
    testing_support::ExpectGolden(c.path, text);
  }
}

TEST(GoldenPassTest, APassHasNothingLeftToDoTheSecondTime) {
  for (const Case& c : Cases()) {
    absl::StatusOr<ir::Graph> graph = frontend::ReadGraph(c.path, c.before);
    ASSERT_THAT(graph, IsOk());
    const Pass one[] = {*c.pass};
    ASSERT_THAT(RunPasses(one, *graph, Checked()), IsOk()) << c.path;
    const std::string first = ir::Print(*graph);
    const auto again = RunPasses(one, *graph, Checked());
    ASSERT_THAT(again, IsOk()) << c.path;
    EXPECT_EQ(ir::Print(*graph), first) << c.path;
    EXPECT_FALSE(again->front().changed) << c.path;
  }
}

TEST(GoldenPassTest, APassDoesTheSameToTheReparsedText) {
  for (const Case& c : Cases()) {
    absl::StatusOr<ir::Graph> graph = frontend::ReadGraph(c.path, c.before);
    ASSERT_THAT(graph, IsOk());
    absl::StatusOr<ir::Graph> reread = frontend::ReadGraph(c.path, ir::Print(*graph));
    ASSERT_THAT(reread, IsOk());
    const Pass one[] = {*c.pass};
    ASSERT_THAT(RunPasses(one, *graph, Checked()), IsOk()) << c.path;
    ASSERT_THAT(RunPasses(one, *reread, Checked()), IsOk()) << c.path;
    EXPECT_EQ(ir::Print(*graph), ir::Print(*reread)) << c.path;
  }
}

}  // namespace
}  // namespace gradus::passes
