// What people do wrong and what the command tells them: cases/NAME.gr begins with what the mistake is and how the
// command was called,
//
//   # Labels are declared as floats.
//   # $ gradus train labels_as_floats.gr
//
// and NAME.txt beside it is what it printed on standard error. GRADUS_REWRITE=1 writes them, and the list of them.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "tests/golden.h"
#include "tests/tools/command.h"

namespace gradus::tools {
namespace {

struct Case {
  std::string name;
  std::string mistake;
  std::string command;  // what follows `gradus`
};

std::vector<Case> Cases(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(absl::StrCat(GRADUS_SOURCE_DIR, "/", folder))) {
    if (entry.path().extension() == ".gr") names.insert(entry.path().stem());
  }
  std::vector<Case> cases;
  for (const std::string& name : names) {
    Case one{name};
    const std::string text = Slurp(absl::StrCat(GRADUS_SOURCE_DIR, "/", folder, name, ".gr"));
    for (const absl::string_view view : absl::StrSplit(text, '\n')) {
      const std::string line(view);
      if (!absl::StartsWith(line, "# ")) break;
      constexpr absl::string_view kPrompt = "# $ gradus ";
      if (absl::StartsWith(line, kPrompt)) {
        one.command = line.substr(kPrompt.size());
      } else {
        absl::StrAppend(&one.mistake, one.mistake.empty() ? "" : " ", line.substr(2));
      }
    }
    cases.push_back(std::move(one));
  }
  return cases;
}

class MistakesTest : public CommandTest {
 protected:
  void ExpectAdvice(const std::string& folder, const Case& one) {
    SCOPED_TRACE(one.name);
    ASSERT_NE(one.command, "") << "the case says nothing about how it is run";
    const CommandResult result = Shell(
        absl::StrCat("(cd ", GRADUS_SOURCE_DIR, "/", folder, " && ", GRADUS_BINARY_DIR, "/gradus ", one.command, ")"));
    const bool warned = absl::StrContains(result.error, ": warning: ") || absl::StrContains(result.error, ": note: ");
    EXPECT_TRUE(result.code == 0 ? warned : result.code == 1 || result.code == 2) << result.code << result.error;
    testing_support::ExpectGolden(absl::StrCat(folder, one.name, ".txt"), result.error);
  }
};

TEST_F(MistakesTest, EachOfNewcomersGetsTheAdviceThatIsKeptBesideIt) {
  const std::string folder = "tests/mistakes/cases/";
  const std::vector<Case> cases = Cases(folder);
  EXPECT_GE(cases.size(), 50u);
  std::string list =
      "# Mistakes\n\nWhat newcomers do wrong, each a program here with what the command tells them beside it, "
      "`cases/NAME.txt`. `others/` has what else\ncan go wrong, `data/` the files that they name.\n\n";
  for (const Case& one : cases) {
    ExpectAdvice(folder, one);
    absl::StrAppend(&list, "- [`", one.name, "`](cases/", one.name, ".gr): ", one.mistake, "\n");
  }
  testing_support::ExpectGolden("tests/mistakes/README.md", list);
}

TEST_F(MistakesTest, AndSoDoesEveryOther) {
  const std::string folder = "tests/mistakes/others/";
  for (const Case& one : Cases(folder)) ExpectAdvice(folder, one);
}

TEST_F(MistakesTest, AFileThatImportsItselfUnderAnotherSpellingIsOneFile) {
  Write("a.gr", "import \"./a.gr\"\nimport \"b.gr\"\nmodel m { input x : float; y = f(x); output y }\n");
  Write("b.gr", "import \"../" + std::filesystem::path(folder_).parent_path().filename().string() +
                    "/a.gr\"\nfn f(x) = x + 1\n");
  EXPECT_EQ(Gradus("show a.gr --entry predict").error, "");
}

}  // namespace
}  // namespace gradus::tools
