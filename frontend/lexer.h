// Text to tokens.
//
// A name is one token, ID(.ID|.INT)*('INT)?, and so is a note, from `|` to the end of its line. Line ends are no
// tokens: every token knows whether it is the first of its line, and the parser decides whether that ends a statement.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "frontend/diagnostics.h"
#include "frontend/source.h"

namespace gradus::frontend {

enum class TokenKind {
  kName,
  kInteger,
  kFloat,  // also `inf` and `nan`
  kString,
  kPunctuation,
  kNote,     // `| …`
  kError,    // reported already
  kNewline,  // made by the parser's view of the tokens, never by the lexer
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  SourceRange range;
  absl::string_view text;    // as written
  std::string value;         // of a string, its escapes resolved
  bool starts_line = false;  // no other token stands before it on its line
};

struct TokenizedFile {
  std::vector<Token> tokens;  // the last is kEnd
  std::vector<SourceRange> comments;
};

// Never fails: what is no token is reported and becomes kError.
TokenizedFile Tokenize(const SourceFile& source, Diagnostics& diagnostics);

// Whether a word has a meaning of its own wherever it stands, so that nothing can be called by it.
bool IsReserved(absl::string_view word);
// `float`, `bf16`, or a type of ir/type.h.
bool IsTypeName(absl::string_view word);

}  // namespace gradus::frontend
