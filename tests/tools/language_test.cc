// docs/language.md is true: every program on it compiles, every check holds, every recipe trains, as a user runs them.
#include <gmock/gmock.h>

#include "absl/strings/str_split.h"
#include "tests/tools/command.h"

namespace gradus::tools {
namespace {

class LanguageTest : public CommandTest {};

TEST_F(LanguageTest, EveryProgramOfThePageIsCompiledAndWhatItClaimsIsRun) {
  int programs = 0, checks = 0, recipes = 0;
  std::string code;
  bool inside = false;
  for (absl::string_view line :
       absl::StrSplit(Slurp(absl::StrCat(GRADUS_SOURCE_DIR, "/docs/language.md")), absl::ByChar('\n'))) {
    if (line.substr(0, 3) != "```") {
      if (inside) absl::StrAppend(&code, line, "\n");
      continue;
    }
    inside = !inside;
    if (inside) continue;
    ++programs;
    // A definition alone gets a model to stand beside.
    const bool alone = code.find("model ") == std::string::npos && code.find("graph ") == std::string::npos;
    Write("page.gr", code + (alone ? "model page { output y = 1.0 }\n" : ""));
    const bool graph = code.find("graph ") == 0, train = code.find("train ") != std::string::npos,
               check = code.find("\ncheck ") != std::string::npos;
    const CommandResult shown =
        Gradus(absl::StrCat("show page.gr --stage plan", graph || train ? "" : " --entry predict"));
    EXPECT_EQ(shown.code, 0) << code << shown.error;
    if (graph) {
      EXPECT_EQ(code, Gradus("grad first.gr").out) << "the printed step of the first program";
    } else {
      EXPECT_EQ(Gradus("fmt --check page.gr").code, 0) << code;
    }
    if (programs == 1) Write("first.gr", code);
    if (check) {
      const CommandResult result = Gradus("check page.gr");
      EXPECT_EQ(result.code, 0) << code << result.out << result.error;
      ++checks;
    }
    if (train) {
      const CommandResult result = Gradus("train page.gr --threads 1");
      EXPECT_EQ(result.code, 0) << code << result.error;
      ++recipes;
    }
    code.clear();
  }
  EXPECT_GE(programs, 12);
  EXPECT_GE(checks, 6);
  EXPECT_GE(recipes, 2);
}

// The others' programs on that page were run by hand; ours is compiled.
TEST_F(LanguageTest, TheProgramForThoseWhoComeFromElsewhereIsCompiled) {
  const std::string page = Slurp(absl::StrCat(GRADUS_SOURCE_DIR, "/docs/coming-from.md"));
  const size_t begin = page.find("\n```\n") + 5, end = page.find("\n```\n", begin) + 1;
  ASSERT_LT(begin, end);
  Write("digits.gr", page.substr(begin, end - begin));
  const CommandResult shown = Gradus("show digits.gr --stage plan");
  EXPECT_EQ(shown.code, 0) << shown.error;
  EXPECT_EQ(Gradus("fmt --check digits.gr").code, 0);
}

}  // namespace
}  // namespace gradus::tools
