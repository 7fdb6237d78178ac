// Models and their graphs as golden text, tests/golden/lower/NAME.ENTRY.gr; GRADUS_REWRITE=1 writes them.
#include "frontend/lower.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "frontend/read_graph.h"
#include "ir/printer.h"
#include "tests/golden.h"
#include "tests/matchers.h"

namespace gradus::frontend {
namespace {

using testing_support::FailsWith;
using testing_support::IsOk;

constexpr char kFolder[] = "tests/golden/lower/";

// From the root of the repository, so that the places in the text do not depend on where that lies.
Module Load(const std::string& path) {
  std::filesystem::current_path(GRADUS_SOURCE_DIR);
  auto module = LoadProgram(path);
  EXPECT_THAT(module, IsOk());
  return *std::move(module);
}

Module FromText(const std::string& text) {
  auto module = ParseProgram("m.gr", text);
  EXPECT_THAT(module, IsOk());
  return *std::move(module);
}

struct Named {
  const char* name;
  Entry entry;
};
constexpr Named kEntries[] = {
    {"step", Entry::kStep},
    {"evaluate", Entry::kEvaluate},
    {"predict", Entry::kPredict},
    {"initialize", Entry::kInitialize},
};

std::string PrintEntry(const Module& module, Entry entry, LowerOptions options = {}) {
  auto graph = Lower(module, options, entry);
  if (!graph.ok()) return std::string(graph.status().message());
  return ir::Print(*graph);
}

void ExpectGoldenEntries(const std::string& folder, const std::string& stem, absl::Span<const Named> entries) {
  const Module module = Load(absl::StrCat(folder, stem, ".gr"));
  for (const Named& entry : entries) {
    const std::string name = stem.substr(stem.rfind('/') + 1);
    const std::string text = PrintEntry(module, entry.entry);
    testing_support::ExpectGolden(absl::StrCat(kFolder, name, ".", entry.name, ".txt"), text);
    auto again = ReadGraph("printed.gr", text);
    ASSERT_THAT(again, IsOk()) << name << "." << entry.name;
    EXPECT_EQ(ir::Print(*again), text) << name << "." << entry.name << " does not read back as it was printed";
  }
}

TEST(LowerTest, TheExamplesLowerAndPrint) {
  ExpectGoldenEntries("examples/", "mlp", kEntries);
  ExpectGoldenEntries("examples/", "tiny", absl::MakeConstSpan(kEntries, 1));
  ExpectGoldenEntries("examples/", "tiny1", absl::MakeConstSpan(kEntries, 1));
  ExpectGoldenEntries("examples/", "xor", absl::MakeConstSpan(kEntries, 1));
  ExpectGoldenEntries("examples/", "digits", absl::MakeConstSpan(kEntries, 1));
  ExpectGoldenEntries("examples/", "lenet", absl::MakeConstSpan(kEntries, 1));
  ExpectGoldenEntries("examples/", "digits_cnn", absl::MakeConstSpan(kEntries, 1));
  ExpectGoldenEntries("examples/", "textbook/regression", kEntries);
}

TEST(LowerTest, LayersOfLayersNameWhatTheyOwn) { ExpectGoldenEntries(kFolder, "nested", kEntries); }

TEST(LowerTest, GradientsOfGradientsAreStatementsOfTheForwardPart) { ExpectGoldenEntries(kFolder, "pinn", kEntries); }

TEST(LowerTest, SeveralObjectivesDifferentiateAtTheSameParameters) { ExpectGoldenEntries(kFolder, "gan", kEntries); }

TEST(LowerTest, ARecipeAccumulatesClipsAveragesAndFreezes) {
  ExpectGoldenEntries(kFolder, "recipe", kEntries);
  // What begins as a copy of a parameter does so from the printed graph too.
  const Module module = Load(absl::StrCat(kFolder, "recipe.gr"));
  auto printed = ReadGraph("printed.gr", PrintEntry(module, Entry::kStep));
  ASSERT_THAT(printed, IsOk());
  auto initialize = LowerInitializers(*printed);
  ASSERT_THAT(initialize, IsOk());
  const ir::Output* outputs[2] = {};
  for (const ir::Output& output : initialize->outputs) {
    if (output.name == "fc2.w") outputs[0] = &output;
    if (output.name == "fc2.w.ema") outputs[1] = &output;
  }
  ASSERT_TRUE(outputs[0] != nullptr && outputs[1] != nullptr);
  EXPECT_EQ(outputs[0]->value, outputs[1]->value);
}

TEST(LowerTest, EveryFormOfAnExpressionLowers) {
  ExpectGoldenEntries(kFolder, "forms", absl::MakeConstSpan(kEntries).subspan(2, 2));
  const Module module = Load(absl::StrCat(kFolder, "forms.gr"));
  auto program = Describe(module, {});
  EXPECT_THAT(program, IsOk());
}

TEST(LowerTest, EntriesDeclareTheSameStateInTheSameOrder) {
  const Module module = Load(absl::StrCat(kFolder, "nested.gr"));
  std::vector<std::string> first;
  for (Entry entry : {Entry::kStep, Entry::kEvaluate, Entry::kPredict}) {
    auto graph = Lower(module, {}, entry);
    ASSERT_THAT(graph, IsOk());
    std::vector<std::string> declared;
    for (const auto& statement : graph->body.statements) {
      if (statement->op == ir::Op::kParam || statement->op == ir::Op::kState) {
        declared.push_back(ir::Print(*statement));
      }
    }
    if (first.empty()) first = declared;
    EXPECT_EQ(declared, first);
  }
  auto initialize = Lower(module, {}, Entry::kInitialize);
  ASSERT_THAT(initialize, IsOk());
  EXPECT_EQ(initialize->outputs.size(), first.size());
}

TEST(LowerTest, APrintedGraphInitializesItselfToTheSameBits) {
  for (const char* path : {"examples/mlp.gr", "examples/textbook/regression.gr", "tests/golden/lower/nested.gr"}) {
    const Module module = Load(path);
    auto printed = ReadGraph("printed.gr", PrintEntry(module, Entry::kStep));
    ASSERT_THAT(printed, IsOk());
    auto from_print = LowerInitializers(*printed);
    ASSERT_THAT(from_print, IsOk());
    // The same but for the places, which are those of the printed text.
    auto expected = Lower(module, {}, Entry::kInitialize);
    ASSERT_THAT(expected, IsOk());
    for (ir::Graph* graph : {&*from_print, &*expected}) {
      for (const auto& statement : graph->body.statements) statement->note = {};
    }
    EXPECT_EQ(ir::Print(*from_print), ir::Print(*expected)) << path;
  }
}

TEST(LowerTest, DimsAndTheFloatTypeAreSetFromOutside) {
  const Module module = Load("examples/tiny.gr");
  LowerOptions options;
  options.set = {{"B", "7"}, {"float", "f64"}};
  auto graph = Lower(module, options, Entry::kStep);
  ASSERT_THAT(graph, IsOk());
  EXPECT_EQ(ir::ToString(graph->Find("y")->type), "f64[7,1]");
  options.set = {{"C", "7"}};
  EXPECT_THAT(Lower(module, options, Entry::kStep), FailsWith("the model tiny has no dim C"));
  options.set = {{"B", "seven"}};
  EXPECT_THAT(Lower(module, options, Entry::kStep), FailsWith("a dim is an integer"));
  options.set = {{"float", "i32"}};
  EXPECT_THAT(Lower(module, options, Entry::kStep), FailsWith("float is f32 or f64"));
}

TEST(LowerTest, ADrawnInputIsFedWhereTheCallerFeedsIt) {
  const Module module = Load(absl::StrCat(kFolder, "gan.gr"));
  LowerOptions options;
  options.fed = {"noise"};
  auto graph = Lower(module, options, Entry::kStep);
  ASSERT_THAT(graph, IsOk());
  ASSERT_NE(graph->Find("noise"), nullptr);
  EXPECT_EQ(graph->Find("noise")->definition->op, ir::Op::kInput);
  EXPECT_EQ(graph->Find("seed"), nullptr);
}

TEST(LowerTest, ARecipeIsDescribed) {
  const Module module = Load(absl::StrCat(kFolder, "nested.gr"));
  auto program = Describe(module, {});
  ASSERT_THAT(program, IsOk());
  EXPECT_EQ(program->name, "nested");
  EXPECT_EQ(program->batch_dim, "B");
  EXPECT_EQ(program->batch, 4);
  EXPECT_EQ(program->steps, 10);
  EXPECT_EQ(program->epochs, absl::nullopt);
  EXPECT_EQ(program->seed, 7);
  EXPECT_EQ(program->objectives, std::vector<std::string>{"loss"});
  EXPECT_EQ(program->outputs, (std::vector<std::string>{"logits", "output2"}));
  ASSERT_EQ(program->inputs.size(), 2u);
  EXPECT_EQ(program->inputs[0].batch_axis, 0);
  ASSERT_EQ(program->metrics.size(), 1u);
  EXPECT_EQ(program->metrics[0].reads, std::vector<std::string>{"loss"});
  ASSERT_TRUE(program->metrics[0].post.has_value());
  EXPECT_EQ(ir::Print(*program->metrics[0].post), R"(graph nested.ppl numerics 1 {
  input loss : f32
  ppl : f32 = exp(loss)  | 43:16
  output ppl
}
)");
  ASSERT_EQ(program->data.size(), 2u);
  EXPECT_EQ(program->data[0].sources[0].path, "a.npy");
  ASSERT_TRUE(program->data[0].transform.has_value());
  EXPECT_EQ(ir::Print(*program->data[0].transform), R"(graph nested.x numerics 1 {
  input source0 : f32[4,8]
  x : f32[4,8] = (source0 - 1) / 255  | 44:12
  output x
}
)");
  EXPECT_EQ(program->data[1].sources[0].path, "b.npz:y");
  EXPECT_FALSE(program->data[1].transform.has_value());
}

TEST(LowerTest, DataMayBeWrittenOut) {
  const Module module = Load("examples/xor.gr");
  auto program = Describe(module, {});
  ASSERT_THAT(program, IsOk());
  ASSERT_TRUE(program->data[0].sources[0].literal.has_value());
  EXPECT_EQ(ir::PrintLiteral(*program->data[0].sources[0].literal), "[[0, 0], [0, 1], [1, 0], [1, 1]]");
}

TEST(LowerTest, ATrainOfAnImportedModelSetsItsDims) {
  const Module module = FromText(R"(
    model m { dim B = 4, D = 2; input x : float[B,D]; l = linear(D, 1); loss = mean(l(x) ** 2); output loss }
    train m(D=3) as wide { minimize loss; optimizer sgd(lr=1) }
    train m { minimize loss; optimizer sgd(lr=1) }
  )");
  EXPECT_THAT(Lower(module, {}, Entry::kStep), FailsWith("m.gr has several: wide, m"));
  LowerOptions options;
  options.name = "wide";
  auto graph = Lower(module, options, Entry::kStep);
  ASSERT_THAT(graph, IsOk());
  EXPECT_EQ(graph->name, "wide.step");
  EXPECT_EQ(ir::ToString(graph->Find("x")->type), "f32[4,3]");
}

TEST(LowerTest, ALiteralIsRoundedOnceToTheTypeThatItMeets) {
  // 0.1f is not f32(f64(0.1000000014901161193847656250001)) where the text lies between two halves.
  const Module module = FromText("model m { input x : f32; y = x + 1.00000017881393432617187499; output y }");
  auto graph = Lower(module, {}, Entry::kPredict);
  ASSERT_THAT(graph, IsOk());
  EXPECT_EQ(ir::Print(*graph->Find("y")->definition), "y : f32 = x + 1.0000001");
}

TEST(LowerTest, ChecksBecomeGraphsWithLiteralInputs) {
  auto checks = LowerChecks(Load("examples/textbook/regression.gr"), {});
  ASSERT_THAT(checks, IsOk());
  ASSERT_EQ(checks->size(), 1u);
  const Check& check = (*checks)[0];
  testing_support::ExpectGolden(absl::StrCat(kFolder, "regression.check.txt"), ir::Print(check.graph));
  ASSERT_EQ(check.expectations.size(), 1u);
  EXPECT_EQ(check.expectations[0].text, "loss");
  EXPECT_EQ(check.expectations[0].tolerance, 1e-4);
}

std::string PredictionOf(const std::string& text) {
  const absl::StatusOr<ir::Graph> graph = Lower(FromText(text), {}, Entry::kPredict);
  return graph.ok() ? ir::Print(*graph) : std::string(graph.status().message());
}

TEST(LowerTest, AScanCapturesWhatItReadsAndWalksAlongItsAxis) {
  const std::string printed = PredictionOf(R"(
    model m {
      input x : float[2,3]
      param k : float = 0.5
      ys, last = scan a in x axis=1 reverse carry h = fill(0, [2]) { h1 = h + k * a; next h = h1; yield h1 }
      output ys, last
    })");
  EXPECT_THAT(printed, testing::HasSubstr("scan a in x.T reverse carry h = broadcast(f32(0), [2]) capture k {"));
  EXPECT_THAT(printed, testing::HasSubstr("f32[2,3] = ys.steps.T"));
}

TEST(LowerTest, ACheckpointedScanIsAScanOfChunksAndOneOfTheRest) {
  const std::string printed = PredictionOf(R"(
    model m {
      input x : float[7,2]
      ys, last = scan a in x carry h = fill(0, [2]) checkpoint every 3 { h1 = h * a; next h = h1; yield h1 }
      output ys, last
    })");
  EXPECT_THAT(printed, testing::HasSubstr("a_chunk in reshape(x[0:6, :], [2, 3, 2]) carry"));
  EXPECT_THAT(printed, testing::HasSubstr(" recompute {"));
  EXPECT_THAT(printed, testing::HasSubstr("a in x[6:7, :] carry"));
}

TEST(LowerTest, EachStepOfAScanDrawsOtherValues) {
  EXPECT_THAT(PredictionOf(R"(
    model m {
      ys = scan i in arange(4) { yield random_bits([2]) }
      output ys
    })"),
              testing::HasSubstr("scan.index in"));
}

TEST(LowerTest, CondIsTwoBranchesAndAChoice) {
  const std::string printed = PredictionOf(R"(
    model m {
      input x : float[2]
      y = cond(sum(x) > 0) { yield x } else { yield 0 }
      output y
    })");
  EXPECT_THAT(printed, testing::HasSubstr("branch("));
  EXPECT_THAT(printed, testing::HasSubstr("where("));
}

}  // namespace
}  // namespace gradus::frontend
