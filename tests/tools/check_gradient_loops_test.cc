// gradus check --grad of programs with loops and branches.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "tests/tools/command.h"
#include "tests/tools/planted_gradients.h"

namespace gradus::tools {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class CheckGradientLoopsTest : public CommandTest {
 protected:
  nlohmann::json Check(const std::string& arguments, int expected_code) {
    const CommandResult result = Gradus(absl::StrCat("check --grad --json ", arguments));
    EXPECT_EQ(result.code, expected_code) << arguments << "\n" << result.out << result.error;
    return result.out.empty() ? nlohmann::json() : nlohmann::json::parse(result.out);
  }
  std::vector<nlohmann::json> Wrong(const std::string& arguments) {
    const nlohmann::json report = Check(arguments, 3);
    std::vector<nlohmann::json> wrong;
    if (report.is_null()) return wrong;
    for (const auto& gradient : report["gradients"]) {
      for (const auto& one : gradient["wrong"]) wrong.push_back(one);
    }
    return wrong;
  }
  void ExpectRight(const std::string& text, const std::string& arguments = "") {
    Write("m.gr", text);
    Check(absl::StrCat("m.gr --random ", arguments), 0);
  }
  static std::string Program(const std::string& function, const std::string& call, const std::string& loop = "") {
    return absl::StrReplaceAll(absl::StrCat(function, kLoopProgram), {{"CALL", call}, {"LOOP", loop}});
  }
};

TEST_F(CheckGradientLoopsTest, EveryWrongRuleInABodyIsFoundAtItsCall) {
  for (const char* loop : {"", "checkpoint every 2"}) {
    for (const WrongRule& rule : kWrongRulesInLoops) {
      SCOPED_TRACE(absl::StrCat(rule.what, " ", loop));
      Write("m.gr", Program(rule.function, rule.call, loop));
      const std::vector<nlohmann::json> wrong = Wrong("m.gr --random");
      ASSERT_EQ(wrong.size(), 1u) << absl::StrJoin(
          wrong, "\n", [](std::string* out, const auto& one) { absl::StrAppend(out, one.dump()); });
      EXPECT_THAT(wrong[0]["place"].get<std::string>(), StartsWith("m.gr:12:"));
      EXPECT_EQ(wrong[0]["rule"], "the vjp of f at m.gr:2:1");
      EXPECT_EQ(wrong[0]["by"], rule.by);
      if (*rule.how != '\0') {
        EXPECT_EQ(wrong[0]["what"], rule.how);
      }
    }
  }
}

TEST_F(CheckGradientLoopsTest, EveryWrongEditOfAPrintedLoopIsFoundAtItsLine) {
  Write("m.gr", Program("", "tanh(z)"));
  const std::string step = Gradus("grad m.gr").out;
  Write("step.gr", step);
  Check("step.gr --random", 0);
  for (const WrongEdit& edit : kWrongEditsInLoops) {
    SCOPED_TRACE(edit.what);
    const size_t at = step.find(edit.from);
    ASSERT_NE(at, std::string::npos) << edit.from << " is not in\n" << step;
    const std::string edited = absl::StrReplaceAll(step, {{edit.from, edit.to}});
    Write("step.gr", edited);
    const std::vector<nlohmann::json> wrong = Wrong("step.gr --random");
    ASSERT_GE(wrong.size(), 1u);
    EXPECT_EQ(wrong[0]["statement"].get<std::string>(), edit.statement);
    EXPECT_EQ(wrong[0]["adjoint"].get<std::string>(), edit.adjoint);
    const std::vector<std::string> lines = absl::StrSplit(edited, '\n');
    EXPECT_THAT(lines[wrong[0].value("line", 1) - 1], HasSubstr(absl::StrCat(edit.adjoint, " ")));
  }
}

TEST_F(CheckGradientLoopsTest, RightLoopsAreRightAsProgramsAndInPrint) {
  for (const char* loop : {"", "checkpoint every 2", "checkpoint every 4"}) {
    for (const char* call :
         {"tanh(z)", "relu(z) - 0.5 * h", "cond(sum(z) > 0) { yield tanh(z * s) } else { yield z * h }",
          "z + (scan q in z carry r = s { next r = tanh(r * q) })",
          "tanh(z) * mean(softmax(z @ wh), axis=1, keepdims=true)"}) {
      SCOPED_TRACE(absl::StrCat(call, " ", loop));
      ExpectRight(Program("", call, loop));
      for (const char* stage : {"step", "simplified"}) {
        Write("printed.gr", Gradus(absl::StrCat("show m.gr --stage ", stage)).out);
        Check("printed.gr --random", 0);
      }
    }
  }
}

TEST_F(CheckGradientLoopsTest, TheSecondOrderIsRight) {
  const std::string text = absl::StrReplaceAll(
      Program("", "tanh(z)"), {{"  loss = mean((ys - t) ** 2)", "  g = grad(sum(ys ** 2), x)\n  loss = mean(g ** 2)"}});
  ExpectRight(text);
  EXPECT_EQ(Check("m.gr --random", 0)["gradients"].size(), 2u);
  Write("m.gr",
        absl::StrReplaceAll(absl::StrCat("fn f(x) = tanh(x)\nvjp(g) { return g * x }", text), {{"tanh(z)", "f(z)"}}));
  const std::vector<nlohmann::json> wrong = Wrong("m.gr --random");
  ASSERT_FALSE(wrong.empty());
  EXPECT_EQ(wrong[0]["rule"], "the vjp of f at m.gr:2:1");
}

// What a `while` gives is a number like any other, through which no gradient flows; so it is in the differences.
TEST_F(CheckGradientLoopsTest, NothingFlowsThroughAWhile) {
  for (const char* call :
       {"tanh(z) * (while carry c = sum(z ** 2) until c > 9 { next c = 2 * c + 1 })", "tanh(z) + stop_gradient(h)"}) {
    ExpectRight(Program("", call));
  }
}

TEST_F(CheckGradientLoopsTest, ATrustedRuleInABodyIsTakenAtItsWord) {
  const std::string text = Program("fn f(x) = x * x\nvjp(g) { return maximum(-1, minimum(2 * g * x, 1)) / 2 }",
                                   "straight_through(round(4 * z) / 4, tanh(z)) + 0.5 * f(tanh(z))");
  ExpectRight(text, "--trust f");
  const std::vector<nlohmann::json> wrong = Wrong("m.gr --random");
  ASSERT_EQ(wrong.size(), 1u);
  EXPECT_EQ(wrong[0]["rule"], "the vjp of f at m.gr:2:1");
}

TEST_F(CheckGradientLoopsTest, KinksAndWhatIsNotFiniteAreFoundInABody) {
  ExpectRight(Program("", "relu(0 * z) + tanh(z)"));
  Write("m.gr", Program("", "(z - z) / (h - h)"));
  const nlohmann::json report = Check("m.gr --random", 3);
  EXPECT_EQ(report["gradients"][0]["not_finite"]["place"], "m.gr:11:9");
}

TEST_F(CheckGradientLoopsTest, TheStepsOfALoopCountAsMemory) {
  Write("m.gr", absl::StrReplaceAll(Program("", "tanh(z)"), {{"dim B = 2", "dim B = 20000"}, {"[B,6,", "[B,60000,"}}));
  EXPECT_THAT(Gradus("check --grad m.gr --random").error, HasSubstr("A smaller batch (--set) is as good a proof"));
}

}  // namespace
}  // namespace gradus::tools
