// Golden text: files of the repository that a test keeps equal to what the program prints.
//
// GRADUS_REWRITE=1 in the environment writes what was printed instead of comparing; the diff is then for the reader.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace gradus::testing_support {

inline bool RewriteGolden() { return std::getenv("GRADUS_REWRITE") != nullptr; }

// `path` is relative to the root of the repository.
inline void ExpectGolden(const std::string& path, const std::string& text) {
  const std::string file = std::string(GRADUS_SOURCE_DIR) + "/" + path;
  if (RewriteGolden()) {
    std::ofstream(file) << text;
    return;
  }
  std::ifstream in(file);
  std::stringstream golden;
  golden << in.rdbuf();
  const std::string hint = path + " differs; GRADUS_REWRITE=1 rewrites it";
  constexpr size_t kReadable = 20000;
  if (golden.str().size() < kReadable && text.size() < kReadable) {
    EXPECT_EQ(golden.str(), text) << hint;
    return;
  }
  // Of a whole page, the first line that differs.
  std::istringstream expected_lines(golden.str()), lines(text);
  std::string expected, line;
  for (int number = 1;; ++number) {
    const bool more = static_cast<bool>(std::getline(expected_lines, expected));
    if (static_cast<bool>(std::getline(lines, line)) != more || expected != line) {
      ADD_FAILURE() << hint << "\nline " << number << "\n  expected: " << expected << "\n  found:    " << line;
      return;
    }
    if (!more) return;
  }
}

}  // namespace gradus::testing_support
