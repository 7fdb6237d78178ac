// Every folder says what it is for, and no file of the program holds more than one idea's worth of lines.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace gradus {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostLines = 500;

// Folders at the top of the repository, without hidden ones and builds.
std::vector<fs::path> Folders() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(GRADUS_SOURCE_DIR)) {
    const std::string name = entry.path().filename();
    if (entry.is_directory() && name[0] != '.' && name.rfind("build", 0) != 0) folders.push_back(entry.path());
  }
  return folders;
}

int64_t Lines(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::count(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>(), '\n');
}

TEST(FilesTest, EveryFolderHasAPageOfItsOwn) {
  EXPECT_GE(Folders().size(), 10u);
  for (const fs::path& folder : Folders()) {
    const fs::path page = folder / "README.md";
    ASSERT_TRUE(fs::exists(page)) << page << " is missing";
    EXPECT_GT(Lines(page), 2) << page;
    EXPECT_LE(Lines(page), 120) << page << ": a page, not a book";
  }
}

TEST(FilesTest, NoFileOfTheProgramIsLongerThanFiveHundredLines) {
  int files = 0;
  for (const fs::path& folder : Folders()) {
    if (folder.filename() == "tests") continue;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".cc" && extension != ".h") continue;
      ++files;
      EXPECT_LE(Lines(entry.path()), kMostLines) << entry.path();
    }
  }
  EXPECT_GT(files, 100);
}

}  // namespace
}  // namespace gradus
