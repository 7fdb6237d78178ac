// The guides of docs/guide say what the command prints.
//
// A fenced block of a guide is one of two things. ```gr NAME is a program: one of the repository, of whose text the
// block is a part, or one that the reader keeps under that name. ```console (```console 3, where the last of them finds
// something wrong) has commands, each behind `$ `, and under
// it what a shell prints, run where `examples/` is, with the files that blocks before it have made. Rates (`1,234
// steps/s`) are the machine's and are not compared. GRADUS_REWRITE=1 writes what was printed into the guide.
#include <gmock/gmock.h>

#include <algorithm>
#include <regex>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/golden.h"
#include "tests/tools/command.h"

namespace gradus::tools {
namespace {

std::string WithoutRates(const std::string& text) {
  static const std::regex kRate("[0-9,]+ (examples|steps)/s");
  return std::regex_replace(text, kRate, "… $1/s");
}

class GuideTest : public CommandTest {
 protected:
  // The guide with what its commands print now.
  std::string Rerun(const std::string& guide) {
    std::filesystem::create_directory_symlink(absl::StrCat(GRADUS_SOURCE_DIR, "/examples"), folder_ + "examples");
    std::vector<std::string> result;
    std::string kind;  // of the block that we are in: "", `gr NAME`, `console`
    std::vector<std::string> block;
    for (const std::string& line : std::vector<std::string>(absl::StrSplit(guide, '\n'))) {
      if (!absl::StartsWith(line, "```")) {
        (kind.empty() ? result : block).push_back(line);
        continue;
      }
      if (kind.empty()) {
        kind = line.substr(3);
        EXPECT_TRUE(kind == "console" || kind == "console 3" || absl::StartsWith(kind, "gr "))
            << "a block of no kind: " << line;
        result.push_back(line);
        continue;
      }
      if (absl::StartsWith(kind, "gr ")) {
        Program(kind.substr(3), absl::StrJoin(block, "\n") + "\n");
      } else {
        block = Console(block, kind == "console 3" ? 3 : 0);
      }
      result.insert(result.end(), block.begin(), block.end());
      result.push_back(line);
      kind.clear();
      block.clear();
    }
    EXPECT_EQ(kind, "") << "a block without an end";
    return absl::StrJoin(result, "\n");
  }

  void Program(const std::string& name, const std::string& text) {
    if (absl::StartsWith(name, "examples/")) {
      EXPECT_THAT(Slurp(absl::StrCat(GRADUS_SOURCE_DIR, "/", name)), testing::HasSubstr(text));
      return;
    }
    Write(name, text);
    EXPECT_EQ(Gradus("fmt --check " + name).code, 0) << name << " is not formatted";
  }

  // `code`: what the last command exits with.
  std::vector<std::string> Console(const std::vector<std::string>& block, int code) {
    std::vector<std::string> result;
    std::vector<std::string> before;  // what the guide has under the command
    const auto keep_rates = [&](std::vector<std::string> now) {
      const auto same = [](const std::string& a, const std::string& b) { return WithoutRates(a) == WithoutRates(b); };
      return std::equal(now.begin(), now.end(), before.begin(), before.end(), same) ? before : now;
    };
    for (size_t i = 0; i < block.size();) {
      EXPECT_TRUE(absl::StartsWith(block[i], "$ ")) << block[i];
      const std::string command = block[i].substr(2);
      result.push_back(block[i++]);
      before.clear();
      while (i < block.size() && !absl::StartsWith(block[i], "$ ")) before.push_back(block[i++]);
      const CommandResult ran =
          Shell(absl::StrCat("export PATH=", GRADUS_BINARY_DIR, ":$PATH && { ", command, "; } 2>&1"));
      EXPECT_EQ(ran.code, i < block.size() ? 0 : code) << command << "\n" << ran.out;
      std::vector<std::string> now = absl::StrSplit(ran.out, '\n');
      if (now.back().empty()) now.pop_back();
      now = keep_rates(std::move(now));
      result.insert(result.end(), now.begin(), now.end());
    }
    return result;
  }
};

TEST_F(GuideTest, EveryGuideSaysWhatIsPrinted) {
  int guides = 0;
  for (const auto& file : std::filesystem::directory_iterator(GRADUS_SOURCE_DIR "/docs/guide")) {
    if (file.path().extension() != ".md") continue;
    ++guides;
    const std::string path = absl::StrCat("docs/guide/", file.path().filename().string());
    SCOPED_TRACE(path);
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    testing_support::ExpectGolden(path, Rerun(Slurp(file.path())));
  }
  EXPECT_GE(guides, 1);
}

}  // namespace
}  // namespace gradus::tools
