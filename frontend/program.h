// A program as text: the file that a user names, what it imports, and the library, parsed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "frontend/ast.h"
#include "frontend/diagnostics.h"

namespace gradus::frontend {

// Trees point into one another and at their texts, so a Module is moved and never copied.
struct Module {
  struct Unit {
    ast::File file;
    std::string stem;          // `mlp` of `models/mlp.gr`, `nn` of the library: qualifies its names, as in `nn.linear`
    std::vector<int> imports;  // units, in text order
    bool library = false;
  };
  std::vector<std::unique_ptr<Unit>> units;  // [0]: the program itself; then what it imports; then the library
  std::string directory;                     // of the program; "" or ends in `/`: imports are relative to it

  const ast::File& program() const { return units[0]->file; }
};

// Reads and parses `path`, everything that it imports (relative to the importing file), and the library. Fails with
// every syntax error of all of them, rendered.
absl::StatusOr<Module> LoadProgram(const std::string& path);
// The same for a text; `path` is what messages call it and what imports are relative to.
absl::StatusOr<Module> ParseProgram(std::string path, std::string text);

}  // namespace gradus::frontend
