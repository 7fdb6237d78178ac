// Dependencies point one way: ir ← {frontend, passes, codegen} ← runtime ← tools; only codegen knows LLVM, and ir
// nothing but Abseil and the standard library.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace gradus {
namespace {

const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"ir", {"ir"}},
    {"frontend", {"ir", "frontend"}},
    {"passes", {"ir", "passes"}},
    {"codegen", {"ir", "codegen"}},
    {"runtime", {"ir", "frontend", "passes", "codegen", "runtime"}},
    {"tools", {"ir", "frontend", "passes", "codegen", "runtime", "tools"}},
};

// What is wrong with one include of a file in `folder`, or nothing.
std::string Wrong(const std::string& folder, const std::string& included) {
  const std::string first = included.substr(0, included.find('/'));
  if (kMayInclude.contains(first) && included != first && !kMayInclude.at(folder).contains(first))
    return "against the arrows";
  if (first == "tests") return "a test is no part of the program";
  if ((first == "llvm" || first == "llvm-c") && folder != "codegen") return "only codegen knows LLVM";
  if (folder == "ir" && first != "ir" && first != "absl" && included.find('/') != std::string::npos)
    return "ir knows Abseil alone";
  return "";
}

TEST(IncludeArrowsTest, NoFileIncludesAgainstTheArrows) {
  const std::regex include(R"(^\s*#\s*include\s*[<"]([^">]+)[">])");
  int files = 0;
  for (const auto& [folder, allowed] : kMayInclude) {
    const std::filesystem::path root = std::filesystem::path(GRADUS_SOURCE_DIR) / folder;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cc" && extension != ".def") continue;
      ++files;
      std::ifstream in(entry.path());
      std::string line;
      for (int number = 1; std::getline(in, line); ++number) {
        std::smatch match;
        if (!std::regex_search(line, match, include)) continue;
        EXPECT_EQ(Wrong(folder, match[1]), "") << entry.path() << ":" << number << ": " << line;
      }
    }
  }
  EXPECT_GT(files, 50);
}

TEST(IncludeArrowsTest, AnArrowTheOtherWayIsFound) {
  EXPECT_NE(Wrong("ir", "passes/pass.h"), "");
  EXPECT_NE(Wrong("passes", "codegen/compile.h"), "");
  EXPECT_NE(Wrong("frontend", "llvm/IR/Module.h"), "");
  EXPECT_NE(Wrong("ir", "nlohmann/json.hpp"), "");
  EXPECT_EQ(Wrong("runtime", "passes/pass.h"), "");
  EXPECT_EQ(Wrong("codegen", "llvm/IR/Module.h"), "");
  EXPECT_EQ(Wrong("ir", "vector"), "");
}

}  // namespace
}  // namespace gradus
