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
  EXPECT_EQ(golden.str(), text) << path << " differs; GRADUS_REWRITE=1 rewrites it";
}

}  // namespace gradus::testing_support
