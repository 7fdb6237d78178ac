#include "frontend/parser.h"

#include "absl/strings/str_cat.h"
#include "frontend/parser_state.h"
#include "ir/check.h"

namespace gradus::frontend {

std::string Describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kNewline:
      return "the end of the line";
    case TokenKind::kEnd:
      return "the end of the file";
    case TokenKind::kString:
      return "a string";
    case TokenKind::kNote:
      return "a note";
    default:
      return absl::StrCat("`", token.text, "`");
  }
}

Parser::Parser(const SourceFile& source, Diagnostics& diagnostics) : source_(source), diagnostics_(diagnostics) {
  tokens_ = Tokenize(source, diagnostics).tokens;
  last_ = {&source, 0, 0};
}

const Token& Parser::Peek() {
  const Token& next = tokens_[at_];
  if (!next.starts_line || continues_ || open_brackets_ > 0 || next.kind == TokenKind::kEnd) return next;
  newline_ = {TokenKind::kNewline, {&source_, last_.end, last_.end}, "", "", false};
  return newline_;
}

Token Parser::Take() {
  CHECK(Peek().kind != TokenKind::kNewline) << "a line end taken as a token at " << ToString(last_);
  const Token& token = tokens_[at_];
  if (token.kind != TokenKind::kEnd) ++at_;
  last_ = token.range;
  continues_ = false;
  if (token.kind == TokenKind::kPunctuation) {
    if (token.text == "," || token.text == "=") continues_ = true;
    if (token.text == "(" || token.text == "[") ++open_brackets_;
    if ((token.text == ")" || token.text == "]") && open_brackets_ > 0) --open_brackets_;
  }
  return token;
}

bool Parser::At(absl::string_view text) {
  const Token& token = Peek();
  return (token.kind == TokenKind::kPunctuation || token.kind == TokenKind::kName) && token.text == text;
}

bool Parser::Accept(absl::string_view text) {
  if (!At(text)) return false;
  Take();
  return true;
}

bool Parser::Expect(absl::string_view text, absl::string_view purpose) {
  if (Accept(text)) return true;
  Expected(ErrorKind::kUnexpectedToken, absl::StrCat("`", text, "`", purpose.empty() ? "" : " ", purpose));
  return false;
}

Diagnostic* Parser::Expected(ErrorKind kind, absl::string_view what) {
  const Token& found = Peek();
  if (found.kind == TokenKind::kError) return nullptr;
  // Where the text ends, the caret stands behind its last token.
  const SourceRange end{&source_, last_.end, last_.end};
  Diagnostic& error = Error(kind, found.kind == TokenKind::kEnd ? end : found.range,
                            absl::StrCat("expected ", what, ", found ", Describe(found)));
  if (const std::string advice = Advice(kind); !advice.empty()) error.Help(advice);
  return &error;
}

Parser::Nesting::Nesting(Parser& parser) : parser_(parser), ok_(++parser.nesting_ <= ast::kMaxNesting) {
  if (!ok_) {
    parser_
        .Error(ErrorKind::kNestingLimit, parser_.tokens_[parser_.at_].range,
               absl::StrCat("this is nested more deeply than the nesting limit of ", ast::kMaxNesting))
        .Help("give a part of it a name of its own");
  }
}

void Parser::SkipStatement() {
  open_brackets_ = 0;
  int open_braces = 0;
  // Where the fault is the line end itself, the next line is not part of it.
  while (tokens_[at_].kind != TokenKind::kEnd) {
    const Token& token = tokens_[at_];
    const bool punctuation = token.kind == TokenKind::kPunctuation;
    if (open_braces == 0 &&
        ((punctuation && (token.text == ";" || token.text == "}")) || (token.starts_line && !continues_)))
      break;
    if (punctuation && token.text == "{") ++open_braces;
    if (punctuation && token.text == "}") --open_braces;
    last_ = token.range;
    ++at_;
    continues_ = false;
  }
}

absl::StatusOr<ast::File> Parse(std::shared_ptr<const SourceFile> source) {
  Diagnostics diagnostics;
  ast::File file = Parse(std::move(source), diagnostics);
  RETURN_IF_ERROR(diagnostics.ToStatus());
  return file;
}

ast::File Parse(std::shared_ptr<const SourceFile> source, Diagnostics& diagnostics) {
  ast::File file;
  file.definitions = Parser(*source, diagnostics).ParseDefinitions();
  file.source = std::move(source);
  return file;
}

}  // namespace gradus::frontend
