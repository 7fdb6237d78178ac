// The recursive-descent parser behind frontend/parser.h; only the parse_*.cc files include this.
//
// A function that parses a thing returns nothing after it has reported an error; the error goes up to the list of
// statements, which skips to the next statement and goes on.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "frontend/ast.h"
#include "frontend/diagnostics.h"
#include "frontend/lexer.h"

namespace gradus::frontend {

class Parser {
 public:
  Parser(const SourceFile& source, Diagnostics& diagnostics);

  std::vector<ast::Definition> ParseDefinitions();

 private:
  using ExpressionPtr = ast::ExpressionPtr;

  // --- tokens (parser.cc)
  // The next token; kNewline where a line has ended that nothing continues: no bracket is open, and the last token was
  // no `,`, `=` or binary operator.
  const Token& Peek();
  const Token& PeekAfter(size_t ahead) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  // Takes the next token, which is not kNewline.
  Token Take();
  // Lets the line that follows continue this one.
  void Continue() { continues_ = true; }
  bool At(absl::string_view text);  // punctuation or a word
  bool Accept(absl::string_view text);
  bool Expect(absl::string_view text, absl::string_view purpose);
  SourceRange Since(SourceRange first) const { return first.To(last_); }

  // Reports at the next token: `expected WHAT, found …`; nothing where the lexer has spoken already.
  Diagnostic* Expected(ErrorKind kind, absl::string_view what);
  // For that report: how it is said here, where the text looks like another language (parse_advice.cc); or empty.
  std::string Advice(ErrorKind kind);
  Diagnostic& Error(ErrorKind kind, SourceRange where, absl::string_view message) {
    return diagnostics_.Error(kind, where, message);
  }
  // One level deeper while it lives; ok() is false, and reported, beyond the limit.
  class Nesting;

  // --- statements (parse_statement.cc)
  // Behind its `{`, to behind its `}`.
  template <typename ParseItem>
  void ParseItems(ParseItem parse_item);
  std::optional<ast::Block> ParseBlock(absl::string_view of);
  std::optional<ast::Statement> ParseStatement();
  std::optional<ast::Statement::Node> ParseStatementNode();
  std::optional<ast::Statement::Node> ParseDeclaration(ast::DeclarationKind kind);
  std::optional<ast::Statement::Node> ParseAssignment();
  std::optional<ast::Statement::Node> ParseFor();
  std::optional<ast::Statement::Node> ParseIf();
  std::optional<ast::TypeExpression> ParseType();
  std::optional<ast::Note> ParseNote();
  bool AtDims();
  bool ParseDims(std::vector<ast::Statement>& statements);
  // The end of a statement: `;`, a line end, or a `}` that stays.
  bool EndStatement(absl::string_view after);
  void SkipStatement();
  // A name that is being defined. In a model it has no point and no prime; reserved words never are names.
  std::optional<ast::Identifier> DefinedName(absl::string_view what);
  // A name that is mentioned.
  std::optional<ast::Identifier> MentionedName(absl::string_view what);

  // --- expressions (parse_expression.cc)
  ExpressionPtr ParseExpression() { return ParseBinary(0); }
  ExpressionPtr ParseBinary(int minimum_precedence);
  ExpressionPtr ParseUnary();
  ExpressionPtr ParsePostfix();
  ExpressionPtr ParsePrimary();
  ExpressionPtr ParseName();
  ExpressionPtr ParseParenthesized();
  ExpressionPtr ParseBracketed();
  ExpressionPtr ParseRepeat();
  ExpressionPtr ParseScan();
  bool ParseLists(ast::Scan& scan);
  bool ParseCaptures(std::vector<ast::Identifier>& captures);
  ExpressionPtr ParseCond();
  ExpressionPtr ParseWhile();
  ExpressionPtr ParseIndex(ExpressionPtr object);
  ExpressionPtr ParseRegion(ast::Call call, SourceRange first);
  std::optional<std::vector<ast::Argument>> ParseArguments();    // from `(` to behind `)`
  std::optional<std::vector<ast::Parameter>> ParseParameters();  // the same
  std::optional<std::vector<ast::Carry>> ParseCarries();
  std::optional<ast::IndexItem> ParseIndexItem();
  // `a, b`: one or more.
  std::optional<std::vector<ExpressionPtr>> ParseExpressions();
  // An expression before a `{` that is not its own.
  ExpressionPtr ParseHeadExpression();
  ExpressionPtr Make(SourceRange range, ast::Expression::Node node);

  // --- definitions (parse_definition.cc)
  std::optional<ast::Definition::Node> ParseDefinition();
  std::optional<ast::Function> ParseFunction(ast::Identifier name);
  bool ParseVjp(std::vector<ast::Parameter>& parameters, std::optional<ast::Block>& body);
  std::optional<ast::Definition::Node> ParseLayer();
  std::optional<ast::Definition::Node> ParseTrain();
  std::optional<ast::Definition::Node> ParseCheck();
  std::optional<ast::Definition::Node> ParseGraph();
  bool ParseTrainItem(std::vector<ast::TrainItem>& items);
  bool ParseEvery(ExpressionPtr& every);
  std::optional<std::vector<ast::Pattern>> ParsePatterns();

  const SourceFile& source_;
  Diagnostics& diagnostics_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  SourceRange last_;       // of the last token taken
  Token newline_;          // what Peek gives at the end of a line
  bool continues_ = true;  // the last token lets the next line continue this one
  int open_brackets_ = 0;  // `(` and `[` since the last `{`
  int nesting_ = 0;
  bool end_reported_ = false;  // that the file ends inside a block
  bool in_graph_ = false;      // of a printed graph: names may have points and primes
  bool before_block_ = false;  // in the head of `for`, `if`, …: a `{` is not that of a region
};

class Parser::Nesting {
 public:
  explicit Nesting(Parser& parser);
  ~Nesting() { --parser_.nesting_; }
  bool ok() const { return ok_; }

 private:
  Parser& parser_;
  bool ok_;
};

// A `{` was taken: its items up to its `}`, each parsed by `parse_item`, which returns false after an error.
template <typename ParseItem>
void Parser::ParseItems(ParseItem parse_item) {
  const SourceRange open = last_;
  const int brackets = std::exchange(open_brackets_, 0);
  const bool before_block = std::exchange(before_block_, false);
  while (true) {
    Continue();
    if (At(";")) {
      Take();
      continue;
    }
    if (At("}")) {
      Take();
      break;
    }
    if (Peek().kind == TokenKind::kEnd) {
      // Once, for the innermost of the open blocks.
      if (!std::exchange(end_reported_, true)) {
        if (Diagnostic* error = Expected(ErrorKind::kUnclosedBlock, "`}`")) error->Note("the block was opened", open);
      }
      break;
    }
    if (!parse_item()) SkipStatement();
  }
  open_brackets_ = brackets;
  before_block_ = before_block;
  continues_ = false;
}

// How a token is called in a message.
std::string Describe(const Token& token);

// Levels of nodes of what is being made: 1 + the greatest of its parts.
int DepthOf(const ast::Expression::Node& node);
int DepthOf(const ast::Statement::Node& node);

}  // namespace gradus::frontend
