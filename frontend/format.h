// `gradus fmt`: the canonical layout of a source text.
//
// Lines stay as the writer broke them, and so do comments and what was set in columns (frontend/format_columns.h). What
// is put in order is the rest: two columns a block, four more for a line that continues another, one blank between
// tokens (none around the `=` of an argument or the `:` of a slice), at most one empty line in a row and none at the
// edges of a block, no `;` at the end of a line, and a block that takes several lines begins and ends with a line of
// its own.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "frontend/source.h"

namespace gradus::frontend {

// Formatting twice gives what formatting once gives, and the result parses to the same tree. Fails with the errors of a
// text that does not parse.
absl::StatusOr<std::string> Format(const SourceFile& source);

// The canonical text of an expression, on one line and without comments.
std::string FormatExpression(SourceRange expression);

}  // namespace gradus::frontend
