// What programs get that parse and mean nothing: every errors/lower/*.gr with its diagnostics beside it, NAME.txt.
// GRADUS_REWRITE=1 writes them.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "frontend/lower.h"
#include "tests/golden.h"

namespace gradus::frontend {
namespace {

const char kFolder[] = "tests/frontend/errors/lower/";

std::string MessagesOf(const std::string& file) {
  const auto module = LoadProgram(file);
  if (!module.ok()) return std::string(module.status().message());
  const auto program = Describe(*module, {});
  if (!program.ok()) return std::string(program.status().message());
  const auto checks = LowerChecks(*module, {});
  if (!checks.ok()) return std::string(checks.status().message());
  return std::string(Lower(*module, {}, Entry::kPredict).status().message());
}

TEST(LowerErrorsTest, EveryWrongProgramGetsItsMessages) {
  std::filesystem::current_path(absl::StrCat(GRADUS_SOURCE_DIR, "/", kFolder));
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(".")) {
    if (entry.path().extension() == ".gr") names.insert(entry.path().stem());
  }
  EXPECT_GE(names.size(), 30u);
  for (const std::string& name : names) {
    const std::string messages = MessagesOf(name + ".gr");
    EXPECT_NE(messages, "") << name << ".gr is no wrong program";
    testing_support::ExpectGolden(absl::StrCat(kFolder, name, ".txt"), messages);
  }
}

}  // namespace
}  // namespace gradus::frontend
