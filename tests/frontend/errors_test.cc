// What wrong programs get: every errors/*.gr with its expected diagnostics beside it, NAME.txt. GRADUS_REWRITE=1 writes
// them.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "frontend/parser.h"
#include "frontend/read_graph.h"
#include "tests/golden.h"

namespace gradus::frontend {
namespace {

const char kFolder[] = "tests/frontend/errors/";

std::string DiagnosticsOf(const std::string& name) {
  const auto on_disk = SourceFile::Read(absl::StrCat(GRADUS_SOURCE_DIR, "/", kFolder, name));
  if (!on_disk.ok()) return std::string(on_disk.status().message());
  const auto source = *SourceFile::Create(name, std::string((*on_disk)->text()));
  Diagnostics diagnostics;
  const ast::File file = Parse(source, diagnostics);
  if (!diagnostics.ok()) return diagnostics.Render();
  for (const ast::Definition& definition : file.definitions) {
    if (const auto* graph = definition.As<ast::Graph>()) ReadGraph(*graph, diagnostics);
  }
  return diagnostics.Render();
}

TEST(ErrorsTest, EveryWrongProgramGetsItsMessages) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(absl::StrCat(GRADUS_SOURCE_DIR, "/", kFolder))) {
    if (entry.path().extension() == ".gr") names.insert(entry.path().stem());
  }
  EXPECT_GE(names.size(), 50u);
  for (const std::string& name : names) {
    const std::string diagnostics = DiagnosticsOf(name + ".gr");
    EXPECT_NE(diagnostics, "") << name << ".gr is no wrong program";
    testing_support::ExpectGolden(absl::StrCat(kFolder, name, ".txt"), diagnostics);
  }
}

}  // namespace
}  // namespace gradus::frontend
