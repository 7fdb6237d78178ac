// The reference that `gradus help` prints and the pages of docs/ that are made of it.
#include <gmock/gmock.h>

#include <filesystem>
#include <regex>
#include <set>

#include "tests/golden.h"
#include "tests/tools/command.h"

namespace gradus::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ReferenceTest : public CommandTest {};

TEST_F(ReferenceTest, ThePagesAreWhatTheCommandPrints) {
  const std::pair<const char*, const char*> pages[] = {{"operations", "docs/ops.md"},
                                                       {"library", "docs/reference/library.md"},
                                                       {"grammar", "docs/reference/grammar.md"},
                                                       {"index", "docs/reference/index.md"}};
  std::set<std::string> plots;
  const std::regex mention(R"(plots/(\w+)\.svg)");
  for (const auto& [page, path] : pages) {
    const CommandResult result = Gradus(absl::StrCat("help --page ", page));
    ASSERT_EQ(result.code, 0) << result.error;
    testing_support::ExpectGolden(path, result.out);
    for (std::sregex_iterator at(result.out.begin(), result.out.end(), mention), end; at != end; ++at)
      plots.insert((*at)[1]);
  }
  EXPECT_GT(plots.size(), 40u);
  for (const std::string& name : plots) {
    const CommandResult plot = Gradus("help --plot " + name);
    ASSERT_EQ(plot.code, 0) << name << plot.error;
    EXPECT_THAT(plot.out, HasSubstr("<polyline points=")) << name;
    testing_support::ExpectGolden(absl::StrCat("docs/reference/plots/", name, ".svg"), plot.out);
  }
  for (const auto& entry :
       std::filesystem::directory_iterator(absl::StrCat(GRADUS_SOURCE_DIR, "/docs/reference/plots")))
    EXPECT_TRUE(plots.contains(entry.path().stem())) << entry.path() << " is on no page";
}

TEST_F(ReferenceTest, HelpListsEveryNameAndKnowsWhatItLists) {
  const CommandResult list = Gradus("help");
  EXPECT_EQ(list.code, 0);
  for (const char* name : {"tanh", "einsum", "relu", "adam", "cosine_decay", "he_normal", "train", "minimize"})
    EXPECT_THAT(list.out, HasSubstr(name));
  for (const char* name :
       {"tanh", "'**'", "split", "prelu", "conditioned", "fan_in", "warmup", "mean", "bench", "repeat", "f64"}) {
    const CommandResult help = Gradus(absl::StrCat("help ", name));
    EXPECT_EQ(help.code, 0) << name << help.error;
    EXPECT_GT(help.out.size(), 100u) << name;
    EXPECT_THAT(help.out, AllOf(Not(HasSubstr("```")), Not(HasSubstr("\033")), Not(HasSubstr("!["))));
  }
}

TEST_F(ReferenceTest, HelpPrintsTheGradientThatBackpropDerives) {
  EXPECT_THAT(Gradus("help tanh").out, HasSubstr("dx : f32[7] = g * (1 - y * y)\n"));
  EXPECT_THAT(Gradus("help relu").out,
              AllOf(HasSubstr("dx : f32[7] = where(x > 0, g, 0)\n"), HasSubstr("dx = [ 0,  0,  0, 0, 1, 1, 1]\n"),
                    HasSubstr("    fn relu(x) = maximum(x, 0)\n")));
  EXPECT_THAT(Gradus("help sgd").out, HasSubstr("next w = w - 0.1 * d.w\n"));
}

TEST_F(ReferenceTest, HelpDrawsACurveWhereThePageHasAPicture) {
  const std::string relu = Gradus("help relu").out;
  EXPECT_THAT(relu, HasSubstr("* relu   o derivative\n"));
  EXPECT_THAT(relu, testing::ContainsRegex("\n +1 +o+[*]+o+\n")) << "its derivative jumps to 1 at 0";
  EXPECT_THAT(Gradus("help warmup").out, HasSubstr("* warmup\n"));
  EXPECT_THAT(Gradus("help adam").out, Not(HasSubstr("┼")));
}

TEST_F(ReferenceTest, HelpKnowsTheKindThatEndsAMessage) {
  const std::string help = Gradus("help inner-sizes-differ").out;
  EXPECT_THAT(help, AllOf(HasSubstr("error: cannot multiply"), HasSubstr("[inner-sizes-differ]\n"),
                          HasSubstr("\nFix. "), Not(HasSubstr("**"))));
}

TEST_F(ReferenceTest, AnUnknownNameGetsTheNearestOneAndExitsWithTwo) {
  const CommandResult result = Gradus("help gelo");
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.error,
            "gradus: the reference has no gelo [command-line]\n   help: did you mean gelu? `gradus help` lists what "
            "there is\n");
  EXPECT_EQ(Gradus("help xyzzyplugh").code, 2);
  EXPECT_EQ(Gradus("help --plot adam").code, 2);
}

}  // namespace
}  // namespace gradus::tools
