// Random graphs, from `freeze` on: interpreter = fused = planned = native code, bit for bit (trust.md §3 of the
// design).
//
// GRADUS_COUNT graphs (2,000 if it is not set) from GRADUS_SEED on (0). Each is run fused and unfused on one target
// with one number of threads, all of them in turn. A graph that fails is printed as small as it can be made.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "passes/pipeline.h"
#include "tests/codegen/native_run.h"
#include "tests/differential/forked.h"
#include "tests/differential/native_difference.h"
#include "tests/differential/random_graph.h"
#include "tests/differential/reduce.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// What a difference was found in, before its text.
constexpr absl::string_view kFused = "fused, ", kUnfused = "unfused, ";

RunConfiguration ConfigurationOf(uint64_t seed, bool fuse, const std::vector<ir::Target>& targets) {
  constexpr int64_t kThreads[] = {1, 2, 3, 7};
  RunConfiguration c;
  c.target = targets[seed % targets.size()];
  c.threads = kThreads[seed / targets.size() % 4];
  c.fuse = fuse;
  return c;
}

// Through every pass up to `freeze`.
absl::StatusOr<FailingGraph> FrozenGraph(uint64_t seed) {
  FailingGraph result;
  const bool long_axes = seed % 16 == 15;
  result.graph = RandomGraph(seed, {.statements = 3 + static_cast<int>(seed % 9),
                                    .gradient = seed % 3 == 1,
                                    .max_elements = long_axes || seed % 24 == 2 ? 20000 : 6000,
                                    .loops = seed % 3 == 2 ? 4 : 0,
                                    .long_axes = long_axes});
  const std::vector<ir::Tensor> values = RandomDeclarations(seed, result.graph);
  size_t i = 0;
  for (const auto& s : result.graph.body.statements) {
    if (ir::IsDeclaration(s->op)) result.declared.emplace(s->result()->name, values[i++]);
  }
  passes::RunOptions options;
  options.stop_after = "simplified";
  RETURN_IF_ERROR(passes::RunPasses(passes::kStepPipeline, result.graph, options).status());
  return result;
}

// What the failure of a seed looks like when it has been made small. Every trial is a process of its own.
std::string Report(uint64_t seed, const std::string& difference, const RunConfiguration& configuration) {
  absl::StatusOr<FailingGraph> frozen = FrozenGraph(seed);
  if (!frozen.ok()) return absl::StrCat("seed ", seed, ": ", frozen.status().ToString());
  const auto try_in_child = [&](const ir::Graph& graph, const ir::NamedTensors& declared) {
    return InChild([&] { return Difference(graph, declared, configuration); });
  };
  const auto kind = [](const std::string& text) { return text.substr(0, text.find(':')); };
  const Fails fails = [&](const ir::Graph& graph, const ir::NamedTensors& declared) {
    const std::string other = try_in_child(graph, declared);
    return !other.empty() && kind(other) == kind(difference);
  };
  const FailingGraph small = Reduce(*std::move(frozen), fails);
  return absl::StrCat("seed ", seed, " (", ToString(configuration), "): ", difference,
                      "\nreduced: ", try_in_child(small.graph, small.declared), "\n", Describe(small));
}

TEST(DifferentialTest, APlantedBugIsFoundAndMadeSmall) {
  RunConfiguration configuration;
  configuration.target = TargetsOfThisMachine().back();
  configuration.fuse = false;
  configuration.spoil = [](ir::Graph& planned) {  // tanh has become sin
    for (const auto& s : planned.body.statements) s->op = s->op == ir::Op::kTanh ? ir::Op::kSin : s->op;
  };
  int found = 0;
  for (uint64_t seed = 0; seed < 60 && found < 2; ++seed) {
    const absl::StatusOr<FailingGraph> frozen = FrozenGraph(seed);
    ASSERT_THAT(frozen, IsOk());
    const bool has_bug = std::any_of(frozen->graph.body.statements.begin(), frozen->graph.body.statements.end(),
                                     [](const auto& s) { return s->op == ir::Op::kTanh; });
    const std::string difference = InChild([&] { return Difference(frozen->graph, frozen->declared, configuration); });
    EXPECT_TRUE(has_bug || difference.empty()) << difference;
    if (difference.empty()) continue;
    ++found;
    const std::string report = Report(seed, difference, configuration);
    EXPECT_NE(report.find(" = tanh("), std::string::npos) << report;
    const std::string graph = report.substr(report.find("graph random"));
    EXPECT_LE(std::count(graph.begin(), graph.end(), '|'), 2) << report;
  }
  EXPECT_EQ(found, 2);
}

TEST(DifferentialTest, AChildThatDiesIsAnAnswer) {
  EXPECT_EQ(InChild([]() -> std::string { std::abort(); }), "died: Aborted");
  EXPECT_EQ(InChild([] { return std::string(100000, 'x'); }).size(), 100000u);
  const auto answers = InChildren(0, 20, 2, 5, [](uint64_t number) -> std::string {
    if (number == 7) std::abort();
    return number == 12 ? "twelve" : "";
  });
  EXPECT_EQ(answers, (std::map<uint64_t, std::string>{{7, "died: Aborted"}, {12, "twelve"}}));
}

TEST(DifferentialTest, EveryWayToRunARandomGraphGivesTheBitsOfTheInterpreter) {
  const uint64_t first = FromEnvironment("GRADUS_SEED", 0), count = FromEnvironment("GRADUS_COUNT", 2000);
  const std::vector<ir::Target> targets = TargetsOfThisMachine();
  const int processes = static_cast<int>(std::min(8u, std::max(1u, std::thread::hardware_concurrency())));
  const auto failures = InChildren(first, first + count, processes, 3, [&](uint64_t seed) -> std::string {
    const absl::StatusOr<FailingGraph> frozen = FrozenGraph(seed);
    if (!frozen.ok()) return frozen.status().ToString();
    for (const bool fuse : {true, false}) {
      const std::string difference = Difference(frozen->graph, frozen->declared, ConfigurationOf(seed, fuse, targets));
      if (!difference.empty()) return absl::StrCat(fuse ? kFused : kUnfused, difference);
    }
    return "";
  });
  for (const auto& [seed, difference] : failures) {
    const bool fuse = !absl::StartsWith(difference, kUnfused);
    const std::string kind = std::string(absl::StripPrefix(absl::StripPrefix(difference, kUnfused), kFused));
    ADD_FAILURE() << Report(seed, kind, ConfigurationOf(seed, fuse, targets));
  }
}

}  // namespace
}  // namespace gradus::testing_support
