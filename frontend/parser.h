// The only parser: of models, of the library, and of printed graphs. `grammar.ebnf` beside it is its grammar, and a
// test holds the two together.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "frontend/ast.h"
#include "frontend/diagnostics.h"
#include "frontend/source.h"

namespace gradus::frontend {

// The syntax tree of a file. A wrong file gives every error that could be found, rendered, as InvalidArgument: after an
// error the parser goes on with the next statement.
absl::StatusOr<ast::File> Parse(std::shared_ptr<const SourceFile> source);

// The same, with the errors left in `diagnostics`; the tree then lacks the statements at fault.
ast::File Parse(std::shared_ptr<const SourceFile> source, Diagnostics& diagnostics);

}  // namespace gradus::frontend
