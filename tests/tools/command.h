// Runs the `gradus` command as a user does.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "ir/check.h"
#include "runtime/file.h"

namespace gradus::tools {

struct CommandResult {
  int code = -1;
  std::string out;
  std::string error;
};

inline std::string Slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// A folder of its own for a test, in which commands run; removed at the end.
class CommandTest : public testing::Test {
 protected:
  CommandTest() : folder_(absl::StrCat(testing::TempDir(), "gradus_cli_", getpid(), "/")) {
    std::filesystem::create_directories(folder_);
  }
  ~CommandTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, const std::string& bytes) {
    CHECK(runtime::WriteFileAtomically(folder_ + name, {bytes}).ok()) << name;
  }
  std::string Path(const std::string& name) const { return folder_ + name; }
  static std::string Example(const std::string& name) { return absl::StrCat(GRADUS_SOURCE_DIR, "/examples/", name); }

  // `arguments` as a shell reads them.
  CommandResult Gradus(const std::string& arguments, const std::string& input = "") {
    return Shell(absl::StrCat(GRADUS_BINARY_DIR, "/gradus ", arguments), input);
  }
  CommandResult Shell(const std::string& command, const std::string& input = "") {
    Write("stdin", input);
    const int status = std::system(absl::StrCat("cd ", folder_, " && ", command, " <stdin >stdout 2>stderr").c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, Slurp(folder_ + "stdout"), Slurp(folder_ + "stderr")};
  }

  std::string folder_;
};

}  // namespace gradus::tools
