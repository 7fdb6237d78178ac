// The command as a user calls it: every verb, what it prints, how it exits.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/golden.h"
#include "tests/runtime/sample_files.h"
#include "tests/tools/command.h"

namespace gradus::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

constexpr char kModel[] = R"(model m {
  dim B = 2
  input x : float[B,3]
  input y : i32[B]
  fc = linear(3, 4)
  logits = fc(x)
  loss = mean(cross_entropy(logits, y))
  acc = mean(float(argmax(logits, axis=-1) == y))
  output logits
}
train m {
  minimize loss
  optimizer sgd(lr=0.1)
  metric acc
  data x = "x.npy" / 4, y = "y.npy"
  validate x = "x.npy" / 4, y = "y.npy"
  batch B; epochs 2; seed 3
}
)";

// m.gr with five examples, so that a batch of two leaves one over.
class CliTest : public CommandTest {
 protected:
  CliTest() {
    Write("m.gr", kModel);
    Write("x.npy", runtime::NpyFile("|u1", "5, 3", std::string("\0\1\2\3\4\5\6\7\0\1\2\3\4\5\6", 15)));
    Write("y.npy", runtime::NpyFile("|u1", "5,", std::string("\0\1\2\3\2", 5)));
  }
};

constexpr char kNormalized[] = R"(model m {
  dim B = 4
  input x : float[B,2]; input t : float[B,1]
  first = linear(2, 8); norm = batch_norm(8); last = linear(8, 1)
  y = last(relu(norm(first(x))))
  loss = mean((y - t) ** 2)
  output y
}
train m {
  minimize loss
  optimizer sgd(lr=0.05)
  data x = [[0, 0], [0, 1], [1, 0], [1, 1], [2, 1], [0, 3], [1, 2], [2, 2]], t = [[0], [1], [1], [0], [1], [2], [1], [0]]
  validate x = [[0, 0], [0, 1], [1, 3]], t = [[0], [1], [1]]
  batch B; epochs 3; seed 1
}
)";

// The verbs that `gradus --help` lists.
std::vector<std::string> Verbs(const std::string& help) {
  std::vector<std::string> verbs;
  std::istringstream lines(help.substr(help.find("\nSubcommands:\n") + 1));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line) && !line.empty()) verbs.push_back(line.substr(2, line.find(' ', 2) - 2));
  return verbs;
}

// Validation has a batch of three and one of one: with their own statistics they would give other numbers.
TEST_F(CliTest, RunningStatisticsServeValidationEvaluationAndPrediction) {
  Write("n.gr", kNormalized);
  const CommandResult trained = Gradus("train n.gr --save w.safetensors --json");
  ASSERT_EQ(trained.code, 0) << trained.error;
  const auto report = nlohmann::json::parse(trained.out, nullptr, /*allow_exceptions=*/false);
  const double validated = report["epochs"].back()["validation"]["loss"];
  std::string predicted;
  for (const char* batch : {"", " --set B=1", " --set B=3", " --interpret"}) {
    const CommandResult evaluated = Gradus(absl::StrCat("eval n.gr --load w.safetensors --json", batch));
    ASSERT_EQ(evaluated.code, 0) << evaluated.error;
    const auto json = nlohmann::json::parse(evaluated.out, nullptr, /*allow_exceptions=*/false);
    EXPECT_NEAR(json["loss"].get<double>(), validated, 1e-6) << batch;
    const CommandResult result = Gradus(absl::StrCat("predict n.gr --load w.safetensors", batch));
    ASSERT_EQ(result.code, 0) << result.error;
    if (predicted.empty()) predicted = result.out;
    EXPECT_EQ(result.out, predicted) << batch;
  }
}

TEST_F(CliTest, HelpSaysWhatThereIsAndExitsWithZero) {
  const CommandResult help = Gradus("--help");
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(Verbs(help.out), testing::IsSupersetOf({"train", "eval", "predict", "grad", "show", "check", "fmt",
                                                      "bench", "ops", "help"}));
  for (const std::string& verb : Verbs(help.out)) {
    const CommandResult own = Gradus(absl::StrCat(verb, " --help"));
    EXPECT_EQ(own.code, 0);
    EXPECT_THAT(own.out, AllOf(HasSubstr(absl::StrCat("gradus ", verb)), HasSubstr("Exit codes:"))) << verb;
  }
}

TEST_F(CliTest, TheDocumentationOfTheCommandIsItsHelp) {
  const std::string all = Gradus("--help").out;
  std::string text =
      "# The `gradus` command\n\nWhat `--help` prints; a test keeps this page so (`GRADUS_REWRITE=1` rewrites "
      "it).\n\n```\n" +
      all + "```\n";
  for (const std::string& verb : Verbs(all)) {
    std::string help = Gradus(absl::StrCat(verb, " --help")).out;
    // The exit codes are those of the whole command.
    help.resize(std::min(help.size(), help.find("\n\nExit codes:")));
    absl::StrAppend(&text, "\n## gradus ", verb, "\n\n```\n", help, "\n```\n");
  }
  // No trailing blanks, which the help has in empty lines of descriptions.
  std::string trimmed;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line.resize(line.find_last_not_of(' ') + 1);
    trimmed += line + "\n";
  }
  testing_support::ExpectGolden("docs/cli.md", trimmed);
}

TEST_F(CliTest, AWrongCommandLineExitsWithTwo) {
  for (const char* arguments :
       {"", "nonsense", "train", "train m.gr --threads 0", "train m.gr --epochs none", "train m.gr --fuse maybe",
        "show m.gr --stage nothing", "eval m.gr", "train m.gr --unknown"}) {
    const CommandResult result = Gradus(arguments);
    EXPECT_EQ(result.code, 2) << arguments;
    EXPECT_NE(result.error, "") << arguments;
  }
}

TEST_F(CliTest, AMisspeltVerbGetsTheNearestOne) {
  EXPECT_EQ(
      Gradus("tarin m.gr").error,
      "gradus: tarin is not a verb [command-line]\n   help: did you mean train? `gradus --help` lists the verbs\n");
}

TEST_F(CliTest, TrainPrintsEveryEpochWithItsValidationAndSaysWhatIsDropped) {
  const CommandResult result = Gradus("train m.gr --threads 1");
  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.out,
              HasSubstr("m: 5 examples, 2 steps of 2 an epoch (the 1 left over are dropped); compiled in "));
  EXPECT_THAT(result.out, HasSubstr("memory: arena "));
  EXPECT_THAT(result.out, HasSubstr("\nepoch 2/2  loss "));
  EXPECT_THAT(result.out, HasSubstr("   validation loss "));
  EXPECT_EQ(result.error, "");
}

TEST_F(CliTest, WhatIsSavedEvaluatesToWhatTrainingSaid) {
  const CommandResult trained = Gradus("train m.gr --json --save w.safetensors");
  ASSERT_EQ(trained.code, 0) << trained.error;
  const auto epochs = nlohmann::json::parse(trained.out)["epochs"];
  ASSERT_EQ(epochs.size(), 2u);
  const CommandResult evaluated = Gradus("eval m.gr --json --load w.safetensors");
  ASSERT_EQ(evaluated.code, 0) << evaluated.error;
  const auto averages = nlohmann::json::parse(evaluated.out);
  EXPECT_EQ(averages["loss"], epochs[1]["validation"]["loss"]);
  EXPECT_EQ(averages["acc"], epochs[1]["validation"]["acc"]);
  EXPECT_EQ(averages["examples"], 5);
}

TEST_F(CliTest, PredictionsAreShownAndWritten) {
  ASSERT_EQ(Gradus("train m.gr --save w.safetensors").code, 0);
  const CommandResult shown = Gradus("predict m.gr --load w.safetensors");
  EXPECT_THAT(shown.out, StartsWith("logits : f32[5,4]\n     0  "));
  ASSERT_EQ(Gradus("predict m.gr --load w.safetensors --out y_hat.npy").code, 0);
  EXPECT_THAT(Slurp(Path("y_hat.npy")), HasSubstr("'descr': '<f4', 'fortran_order': False, 'shape': (5, 4), }"));
  EXPECT_THAT(Gradus("predict m.gr --load w.safetensors --draw 2").error,
              HasSubstr("no input of the model is a square picture"));
}

TEST_F(CliTest, ANumberMayBeAnOutputAndAnOperandOfEinsum) {
  Write("n.gr",
        "model n { dim B = 2; y = einsum(\"ij,->j\", [[1.0, 2], [3, 4]], 2.0); z = 3; t = bool(2); output y, z, t }");
  for (const char* way : {"", " --interpret", " --fuse off"}) {
    const CommandResult shown = Gradus(absl::StrCat("predict n.gr", way));
    EXPECT_EQ(shown.code, 0) << shown.error;
    EXPECT_THAT(shown.out, MatchesRegex("y : f32\\[1,2\\]\n +0 +8 +12\n.*z : i32\\[1\\]\n +0 +3\n.*t : .*1\n.*"));
  }
}

TEST_F(CliTest, LiteralDataAreNumbersOfTheirInput) {
  Write("k.gr",
        "model k { dim B = 2; input x : float[B,2]; param w : float = ones; loss = mean(w * x); output x }\n"
        "train k { minimize loss; optimizer sgd(lr=1); batch B; steps 1\n"
        "data x = -[[1, 2], [3, 4]] / [10, 10] + [[j, j + 1] for j in range(2)] }");
  const CommandResult shown = Gradus("predict k.gr");
  EXPECT_EQ(shown.code, 0) << shown.error;
  EXPECT_THAT(shown.out, MatchesRegex("x : f32\\[2,2\\]\n +0 +-0.1 +0.8\n +1 +0.7 +1.6\n.*"));
}

TEST_F(CliTest, AnEmptyProgramAndOneWithoutAnEndAreRefused) {
  Write("empty.gr", "");
  EXPECT_THAT(Gradus("train empty.gr").error, HasSubstr("empty.gr has no model"));
  EXPECT_THAT(Gradus("train /dev/zero").error, HasSubstr("more than the source size limit"));
  EXPECT_THAT(Gradus("train .").error, HasSubstr(".: error: cannot read the file"));
}

TEST_F(CliTest, ASizeOfAParameterCannotDependOnTheBatch) {
  Write("s.gr",
        "model s { dim B = 2, H = 2 * B; input x : float[B,1]; l = linear(1, H); loss = mean(l(x)); output loss }\n"
        "train s { minimize loss; optimizer sgd(lr=1); batch B; steps 1; data x = [[1], [2]]\n"
        "validate x = [[1], [2], [3]] }");
  const CommandResult result = Gradus("train s.gr");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.error, HasSubstr("l.w is f32[1,4] in s.step and f32[1,2] in s.evaluate"));
}

TEST_F(CliTest, WhatCannotBeSavedIsRefusedBeforeTraining) {
  for (const char* path : {"nowhere/w.safetensors", ".", "w.npz"}) {
    const CommandResult result = Gradus(absl::StrCat("train m.gr --save ", path));
    EXPECT_EQ(result.code, 1) << path;
    EXPECT_EQ(result.out, "") << path;
    EXPECT_THAT(result.error, HasSubstr(path));
  }
}

TEST_F(CliTest, NumbersThatDoNotFitAreRefused) {
  for (const char* option : {"--seed 99999999999999999999", "--seed -1", "--epochs 0", "--steps 9223372036854775808"}) {
    const CommandResult result = Gradus(absl::StrCat("train m.gr ", option));
    EXPECT_EQ(result.code, 2) << option;
    EXPECT_THAT(result.error, HasSubstr("is no whole number from")) << option;
  }
  for (const char* option : {"--epochs 9223372036854775807", "--steps 9223372036854775807"}) {
    EXPECT_THAT(Gradus(absl::StrCat("train m.gr ", option)).error, HasSubstr("(training limit)")) << option;
  }
}

TEST_F(CliTest, DigitsAreDrawn) {
  const CommandResult drawn = Gradus("predict " + Example("digits.gr") + " --draw 4");
  ASSERT_EQ(drawn.code, 0) << drawn.error;
  EXPECT_THAT(drawn.out, AllOf(HasSubstr("██"), HasSubstr("reads ")));
}

// In the foreground `timeout` sends one signal; otherwise a second goes to its group, and a second one means at once.
TEST_F(CliTest, AnInterruptionEndsAfterAWholeStepAndKeepsWhatWasTrained) {
  const CommandResult result = Shell(absl::StrCat("timeout --foreground --signal=INT 3 ", GRADUS_BINARY_DIR,
                                                  "/gradus train m.gr --epochs 100000000 --save w.safetensors"));
  EXPECT_EQ(result.code, 124) << "it went on until timeout interrupted it";
  EXPECT_THAT(result.error, HasSubstr("gradus: stopped after step "));
  EXPECT_THAT(result.out, HasSubstr("saved w.safetensors"));
  EXPECT_EQ(Gradus("eval m.gr --load w.safetensors").code, 0);
}

// The first asks for the end of the step, which never comes; the second gives it up, and nothing is saved.
TEST_F(CliTest, AWhileThatNeverEndsIsInterruptedTwice) {
  Write("endless.gr", R"(model m {
  input x : float[3]
  param w : float[3] = ones
  h = while carry h = w until sum(h) < 0 { next h = 0.5 * h + 0.001 }
  loss = sum(h * w * x)
}
train m { minimize loss; optimizer sgd(lr=0.1); steps 3; data x = [1, 2, 3] }
)");
  const CommandResult result =
      Shell(absl::StrCat("{ ", GRADUS_BINARY_DIR, "/gradus train endless.gr --save w.safetensors & p=$!; sleep 2; ",
                         "kill -INT $p; sleep 1; kill -INT $p; wait $p; }"));
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.error, HasSubstr("endless.gr:4:7: error: while (h) had not ended when it was stopped; step 1, "
                                      "whose results are invalid"));
  EXPECT_FALSE(std::filesystem::exists(Path("w.safetensors")));
}

TEST_F(CliTest, TheSeedAndNothingElseChangesTheResult) {
  const auto hash = [&](const std::string& arguments) {
    const CommandResult result = Gradus("train m.gr --json " + arguments);
    EXPECT_EQ(result.code, 0) << result.error;
    return nlohmann::json::parse(result.out)["state_hash"].get<std::string>();
  };
  const std::string base = hash("--threads 1");
  EXPECT_EQ(base, hash("--threads 1"));
  EXPECT_EQ(base, hash("--interpret"));
  EXPECT_EQ(base, hash("--fuse off --target baseline"));
  EXPECT_NE(base, hash("--seed 4"));
}

TEST_F(CliTest, MoreThreadsThanProcessorsAreHonouredWithAWarning) {
  const CommandResult result = Gradus("train m.gr --epochs 1 --threads 200");
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.error, HasSubstr("warning: 200 threads on "));
}

TEST_F(CliTest, SetReplacesASize) {
  EXPECT_THAT(Gradus("train m.gr --set B=1").out, HasSubstr("5 steps of 1 an epoch"));
  EXPECT_THAT(Gradus("train m.gr --set B").error, HasSubstr("--set B: expected NAME=VALUE"));
  EXPECT_THAT(Gradus("train m.gr --set B=1 --set B=2").error, HasSubstr("B is set twice"));
  const CommandResult unknown = Gradus("train m.gr --set NOPE=1");
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.error, HasSubstr("NOPE"));
}

TEST_F(CliTest, EveryStageIsShown) {
  for (const char* stage : {"parsed", "step", "simplified", "fused", "plan", "llvm", "asm"}) {
    const CommandResult shown = Gradus(absl::StrCat("show m.gr --stage ", stage));
    EXPECT_EQ(shown.code, 0) << stage << shown.error;
    EXPECT_GT(shown.out.size(), 500u) << stage;
  }
  EXPECT_THAT(Gradus("show m.gr --stage fused").out, HasSubstr("\n# "));
  EXPECT_THAT(Gradus("show m.gr --stage simplified --entry predict").out,
              StartsWith("graph m.predict numerics 1 frozen {"));
  EXPECT_THAT(Gradus("show m.gr --stage simplified --entry initialize").out, StartsWith("graph m.initialize"));
}

TEST_F(CliTest, TheGradientIsPrintedBySections) {
  EXPECT_THAT(Gradus("grad m.gr").out,
              AllOf(HasSubstr("section forward\n"), HasSubstr("section backward\n"), HasSubstr("next fc.w = ")));
  const std::string backward = Gradus("grad m.gr --section backward").out;
  EXPECT_THAT(backward, AllOf(HasSubstr("d.logits"), HasSubstr("x.T @ d.logits")));
  EXPECT_EQ(backward.find("next fc.w"), std::string::npos);
}

TEST_F(CliTest, APrintedGraphRunsAndGivesTheSameBits) {
  Write("i.npz", runtime::ZipFile({{"fc.w.npy", runtime::NpyFile("<i4", "3, 4", std::string(48, '\0'))}},
                                  runtime::Zip::kStored));
  const std::string data = " --init i.npz --data d.npz --losses 5 --blocks 1 --interpret --json";
  std::string x(6 * 4, '\0');
  Write("d.npz", runtime::ZipFile({{"x.npy", runtime::NpyFile("|u1", "4, 3", "\1\2\3\4\5\6\7\1\2\3\4\5")},
                                   {"y.npy", runtime::NpyFile("|u1", "4,", std::string("\0\1\2\3", 4))}},
                                  runtime::Zip::kStored));
  const CommandResult program = Gradus("bench m.gr" + data);
  ASSERT_EQ(program.code, 0) << program.error;
  for (const char* stage : {"step", "simplified", "fused", "plan"}) {
    Write("g.gr", Gradus(absl::StrCat("show m.gr --stage ", stage)).out);
    const CommandResult printed = Gradus("bench g.gr" + data);
    ASSERT_EQ(printed.code, 0) << stage << ": " << printed.error;
    EXPECT_EQ(nlohmann::json::parse(printed.out)["losses"], nlohmann::json::parse(program.out)["losses"]) << stage;
    EXPECT_EQ(nlohmann::json::parse(printed.out)["state_hash"], nlohmann::json::parse(program.out)["state_hash"])
        << stage;
  }
  EXPECT_THAT(Gradus("train g.gr").error, HasSubstr("is a printed graph; training needs the program"));
  EXPECT_THAT(Gradus("show g.gr --set B=3").error, HasSubstr("--set has nothing to set"));
}

TEST_F(CliTest, BenchPrintsOneObjectWithAllItsKeys) {
  const CommandResult result = Gradus("bench m.gr --losses 7 --blocks 1 --json");
  ASSERT_EQ(result.code, 0) << result.error;
  const auto json = nlohmann::json::parse(result.out);
  for (const char* key : {"losses", "steps_per_s", "best_steps_per_s", "compile_s", "first_step_s", "peak_rss_mb",
                          "process_s", "arena_bytes", "state_hash"})
    EXPECT_TRUE(json.contains(key)) << key;
  EXPECT_EQ(json["losses"].size(), 7u);
  EXPECT_GE(json["process_s"].get<double>(), json["first_step_s"].get<double>() - 0.02);
  EXPECT_THAT(Gradus("show m.gr --stage plan").out,
              HasSubstr(absl::StrCat(" arena ", json["arena_bytes"].get<int64_t>(), " ")));
}

TEST_F(CliTest, ChecksThatHoldAndThatDoNot) {
  EXPECT_THAT(Gradus("check " + Example("textbook/regression.gr")).out, HasSubstr("all hold"));
  EXPECT_THAT(Gradus("check " + Example("textbook/network.gr")).out, HasSubstr("3 expectations, all hold")) << "grad";
  Write("c.gr",
        "model c {\n  input x : float[2]\n  param w : float[2] = [1, 2]\n  loss = sum(x * w)\n}\ncheck c(x=[1, 1]) {\n "
        " loss ~ 3 tol 1e-6\n  loss ~ 4 tol 0.5\n}\n");
  const CommandResult result = Gradus("check c.gr");
  EXPECT_EQ(result.code, 3) << result.error;
  EXPECT_THAT(result.out, AllOf(HasSubstr("c.gr:8:3: loss is 3 by the interpreter, expected 4, off by 1"),
                                HasSubstr("by native code")));
  EXPECT_EQ(result.out.find("c.gr:7"), std::string::npos);
  EXPECT_THAT(Gradus("check m.gr").error, HasSubstr("m.gr: has no `check`"));
}

TEST_F(CliTest, FmtPrintsChecksAndRewrites) {
  const CommandResult printed = Gradus("fmt -", "model  m{\n dim B=2\n}\n");
  EXPECT_EQ(printed.code, 0);
  Write("f.gr", "model  m{\n dim B=2\n}\n");
  EXPECT_EQ(Gradus("fmt --check f.gr").code, 3);
  EXPECT_EQ(Gradus("fmt f.gr").code, 0);
  EXPECT_EQ(Slurp(Path("f.gr")), printed.out);
  EXPECT_EQ(Gradus("fmt --check f.gr").code, 0);
  EXPECT_EQ(Gradus("fmt -", "model {").code, 1);
}

TEST_F(CliTest, OpsListsTheTable) {
  EXPECT_THAT(Gradus("ops").out, AllOf(HasSubstr("tanh "), HasSubstr("einsum ")));
  EXPECT_EQ(Gradus("ops --markdown").out, Slurp(absl::StrCat(GRADUS_SOURCE_DIR, "/docs/ops.md")));
}

TEST_F(CliTest, AWrongProgramIsShownWithItsCaret) {
  Write("bad.gr", "model m {\n  input x : float[2,3]\n  h = x @ x\n  output h\n}\n");
  const CommandResult result = Gradus("show bad.gr --entry predict");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.error, AllOf(StartsWith("bad.gr:3:9: error: "), HasSubstr("    3 |   h = x @ x\n")));
  EXPECT_THAT(Gradus("train absent.gr").error, HasSubstr("absent.gr"));
}

TEST_F(CliTest, BenchSaysThatALossIsNotFiniteAndItsObjectStaysValid) {
  Write("m.gr",
        "model m { input x : float[2]; param w : float[2] = ones; loss = exp(sum(w * x) * 1000) }\n"
        "train m { minimize loss; optimizer sgd(lr=0.1); data x = [1, 2] }\n");
  const CommandResult result = Gradus("bench m.gr --json --losses 2 --blocks 1");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.error, HasSubstr("step 1: loss is not finite"));
  EXPECT_TRUE(nlohmann::json::parse(result.out)["losses"][0].is_null());
}

TEST_F(CliTest, AParameterThatNothingTrainsIsNamedOnce) {
  const std::string model =
      "model m {\n  input x : float[2]\n  param w : float[2] = ones\n  param v : float[2] = ones\n"
      "  param u : float[2] = ones\n  loss = sum(w * x * stop_gradient(v))\n}\n";
  Write("m.gr", model + "train m { minimize loss; optimizer sgd(lr=0.1); data x = [1, 2]; steps 2 }\n");
  const CommandResult result = Gradus("train m.gr");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.error,
            "m.gr:8:11: note: v is not trained: loss depends on it only where no gradient passes (stop_gradient, "
            "integers, comparisons); `optimizer none for v` says so [untrained-parameter]\n"
            "m.gr:8:11: note: u is not trained: loss does not depend on it; `optimizer none for u` says so "
            "[untrained-parameter]\n");
  Write("m.gr", model +
                    "train m { minimize loss; optimizer sgd(lr=0.1); optimizer none for u, v; data x = [1, 2]; "
                    "steps 2 }\n");
  EXPECT_EQ(Gradus("train m.gr").error, "");
}

TEST_F(CliTest, SeveralFilesAreCheckedAndTheWorstDecides) {
  Write("good.gr", "model m { input x : float; y = x + 1; output y }\ncheck m(x=1) { y ~ 2 }\n");
  Write("bad.gr", "model m { input x : float; y = x + 1; output y }\ncheck m(x=1) { y ~ 3 }\n");
  Write("none.gr", "model m { input x : float; y = x + 1; output y }\n");
  const CommandResult good = Gradus("check good.gr none.gr good.gr");
  EXPECT_EQ(good.code, 0);
  EXPECT_EQ(good.out,
            "good.gr: 1 check, 1 expectations, all hold\nnone.gr: has no `check`\n"
            "good.gr: 1 check, 1 expectations, all hold\n");
  EXPECT_EQ(Gradus("check bad.gr good.gr").code, 3);
  EXPECT_EQ(Gradus("check bad.gr missing.gr good.gr").code, 1);
}

TEST_F(CliTest, AnUpdateThatIsNotFiniteEndsTrainingAtItsStepTheLastOneToo) {
  Write(
      "m.gr",
      "model m {\n  input x : float[5,8]\n  param u : float = 1\n  param w : float[5,8] = ones\n"
      "  loss = sum(w * x) + u\n}\n"
      "train m { minimize loss; optimizer sgd(lr = where(step == 7, 1e38, 1e-3)); data x = [[1, 2, 3, 4, 5, 6, 7, 8], "
      "[1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8]] }\n");
  const std::string sentence =
      "step 7 (epoch 7): w after the update is not finite; a smaller learning rate often helps [not-finite]\n";
  for (const char* how : {"", "--interpret", "--threads 1", "--target avx2", "--target baseline", "--fuse off"}) {
    for (const char* steps : {"--steps 7 ", "--steps 20 "}) {
      const CommandResult result = Gradus(absl::StrCat("train m.gr ", steps, how));
      EXPECT_EQ(result.code, 1) << how;
      EXPECT_THAT(result.error, HasSubstr(sentence)) << how;
    }
  }
  EXPECT_EQ(Gradus("train m.gr --steps 6").code, 0);
}

TEST_F(CliTest, ALossThatIsNotFiniteEndsTraining) {
  Write("big.gr", absl::StrReplaceAll(kModel, {{"lr=0.1", "lr=1e38"}}));
  const CommandResult result = Gradus("train big.gr --epochs 50");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.error, HasSubstr(": loss is not finite"));
}

}  // namespace
}  // namespace gradus::tools
