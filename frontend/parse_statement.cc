// Statements, types and notes.
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "frontend/parser_state.h"

namespace gradus::frontend {
namespace {

// What types of other languages are called here.
absl::string_view OurNameOf(absl::string_view type) {
  constexpr std::pair<absl::string_view, absl::string_view> kNames[] = {
      {"float32", "f32"}, {"single", "f32"},    {"float64", "f64"},  {"double", "f64"},
      {"int", "i32"},     {"int32", "i32"},     {"int64", "i64"},    {"long", "i64"},
      {"uint8", "u8"},    {"bfloat16", "bf16"}, {"boolean", "bool"},
  };
  for (const auto& [theirs, ours] : kNames) {
    if (type == theirs) return ours;
  }
  return "";
}

bool BeginsDefinition(absl::string_view word) {
  return word == "model" || word == "train" || word == "check" || word == "fn" || word == "layer" || word == "graph";
}

// OFFSET+BYTES, OFFSET+BYTES* or OFFSET+BYTES/TURN
std::optional<ast::Note::Place> ParsePlace(absl::string_view word) {
  ast::Note::Place place;
  place.stacked = absl::ConsumeSuffix(&word, "*");
  const std::vector<absl::string_view> turn = absl::StrSplit(word, '/');
  const std::vector<absl::string_view> parts = absl::StrSplit(turn[0], '+');
  const bool valid = turn.size() <= (place.stacked ? 1 : 2) && parts.size() == 2 &&
                     absl::SimpleAtoi(parts[0], &place.offset) && absl::SimpleAtoi(parts[1], &place.bytes) &&
                     place.offset >= 0 && place.bytes >= 0;
  if (!valid) return std::nullopt;
  if (turn.size() == 2 && (!absl::SimpleAtoi(turn[1], &place.turn) || place.turn < 0)) return std::nullopt;
  return place;
}

}  // namespace

std::optional<ast::Identifier> Parser::DefinedName(absl::string_view what) {
  const Token& next = Peek();
  if (next.kind != TokenKind::kName) {
    Diagnostic* error = Expected(ErrorKind::kExpectedName, what);
    if (error && next.kind == TokenKind::kFloat && (next.text == "inf" || next.text == "nan")) {
      error->Note(absl::StrCat("`", next.text, "` is a number"));
    }
    return std::nullopt;
  }
  const absl::string_view name = next.text;
  if (IsReserved(name)) {
    Error(ErrorKind::kReservedName, next.range, absl::StrCat("`", name, "` cannot be a name: it is a reserved word"));
    return std::nullopt;
  }
  if (IsTypeName(name)) {
    Error(ErrorKind::kReservedName, next.range, absl::StrCat("`", name, "` cannot be a name: it is a type"));
    return std::nullopt;
  }
  if (!in_graph_ && name.find_first_of(".'") != absl::string_view::npos) {
    Error(ErrorKind::kNameWithPoint, next.range,
          absl::StrCat("a model cannot define `", name, "`: names with a point or a prime are given by the compiler"))
        .Help(absl::StartsWith(name, "self.") ? "what a layer owns is called by its name alone"
                                              : "use a name of letters, digits and _");
    return std::nullopt;
  }
  if (absl::EndsWith(name, ".T") || absl::EndsWith(name, ".shape")) {
    Error(ErrorKind::kReservedName, next.range,
          absl::StrCat("`", name, "` cannot be defined: `.T` and `.shape` at the end of a name are what a value has"));
    return std::nullopt;
  }
  const Token token = Take();
  return ast::Identifier{std::string(token.text), token.range};
}

std::optional<ast::Identifier> Parser::MentionedName(absl::string_view what) {
  const Token& next = Peek();
  if (next.kind != TokenKind::kName || IsReserved(next.text)) {
    Expected(ErrorKind::kExpectedName, what);
    return std::nullopt;
  }
  const Token token = Take();
  return ast::Identifier{std::string(token.text), token.range};
}

std::optional<ast::Block> Parser::ParseBlock(absl::string_view of) {
  const Nesting nesting(*this);
  if (!nesting.ok() || !Expect("{", absl::StrCat("to begin ", of))) return std::nullopt;
  ast::Block block;
  ParseItems([&] {
    if (AtDims()) return ParseDims(block);
    std::optional<ast::Statement> statement = ParseStatement();
    if (!statement) return false;
    block.push_back(*std::move(statement));
    return true;
  });
  return block;
}

bool Parser::AtDims() {
  const Token& second = PeekAfter(1);
  const bool binds =
      second.kind == TokenKind::kPunctuation && (second.text == "=" || second.text == ":" || second.text == ",");
  return At("dim") && !binds && !second.starts_line;
}

bool Parser::ParseDims(std::vector<ast::Statement>& statements) {
  SourceRange first = Take().range;
  do {
    std::optional<ast::Identifier> name = DefinedName("the name of a dim");
    if (!name || !Expect("=", "and the size of the dim")) return false;
    ExpressionPtr value = ParseExpression();
    if (!value) return false;
    ast::Statement statement{Since(first), ast::Dim{*std::move(name), std::move(value)}};
    statement.depth = DepthOf(statement.node);
    statements.push_back(std::move(statement));
    if (At(",")) first = PeekAfter(1).range;
  } while (Accept(","));
  if (Peek().kind == TokenKind::kNote && !(statements.back().note = ParseNote())) return false;
  return EndStatement("the size of a dim");
}

std::optional<ast::Statement> Parser::ParseStatement() {
  const SourceRange first = Peek().range;
  std::optional<ast::Statement::Node> node = ParseStatementNode();
  if (!node) return std::nullopt;
  ast::Statement statement{Since(first), *std::move(node)};
  statement.depth = DepthOf(statement.node);
  if (Peek().kind == TokenKind::kNote) {
    statement.note = ParseNote();
    if (!statement.note) return std::nullopt;
  }
  // A `}` ends a statement: after a loop or a choice the next one may stand on the same line.
  const bool ends_in_block = statement.As<ast::For>() != nullptr || statement.As<ast::If>() != nullptr;
  if (ends_in_block && !statement.note && Peek().kind == TokenKind::kName) return statement;
  if (!EndStatement("a statement")) return std::nullopt;
  return statement;
}

bool Parser::EndStatement(absl::string_view after) {
  if (Accept(";") || At("}") || Peek().kind == TokenKind::kNewline || Peek().kind == TokenKind::kEnd) return true;
  Expected(ErrorKind::kExpectedEndOfLine, absl::StrCat("the end of the line after ", after));
  return false;
}

std::optional<ast::Statement::Node> Parser::ParseStatementNode() {
  using Node = ast::Statement::Node;
  const Token& next = Peek();
  const absl::string_view word = next.kind == TokenKind::kName ? next.text : "";
  if (word == "for") return ParseFor();
  if (word == "if") return ParseIf();
  if (word == "next") {
    Take();
    std::optional<ast::Identifier> name = MentionedName("the name of a state");
    if (!name || !Expect("=", "and the next value of the state")) return std::nullopt;
    ExpressionPtr value = ParseExpression();
    if (!value) return std::nullopt;
    return Node(ast::Next{*std::move(name), std::move(value)});
  }
  if (word == "yield" || word == "return") {
    Take();
    std::optional<std::vector<ExpressionPtr>> values = ParseExpressions();
    if (!values) return std::nullopt;
    if (word == "yield") return Node(ast::Yield{*std::move(values)});
    return Node(ast::Return{*std::move(values)});
  }
  // Declaring words are keywords only before a name; before anything else that cannot follow a name that is bound, the
  // name is missing.
  const Token& second = PeekAfter(1);
  const bool binds =
      second.kind == TokenKind::kPunctuation && (second.text == "=" || second.text == ":" || second.text == ",");
  if (!binds && !second.starts_line) {
    if (BeginsDefinition(word) && second.kind == TokenKind::kName) {
      Error(ErrorKind::kNestedDefinition, next.range,
            absl::StrCat("a definition (`", word, " ", second.text, "`) cannot stand inside a block"))
          .Help("perhaps the block before it lacks its `}`");
      return std::nullopt;
    }
    if (word == "input") return ParseDeclaration(ast::DeclarationKind::kInput);
    if (word == "param") return ParseDeclaration(ast::DeclarationKind::kParam);
    if (word == "state") return ParseDeclaration(ast::DeclarationKind::kState);
    if (word == "output") {
      Take();
      ast::Output output;
      do {
        ast::Identifier& name = output.names.emplace_back();
        if (PeekAfter(1).kind == TokenKind::kPunctuation && PeekAfter(1).text == "=" && !PeekAfter(1).starts_line) {
          std::optional<ast::Identifier> given = DefinedName("the name of an output");
          if (!given) return std::nullopt;
          name = *std::move(given);
          Take();
        }
        ExpressionPtr value = ParseExpression();
        if (!value) return std::nullopt;
        output.values.push_back(std::move(value));
      } while (Accept(","));
      return Node(std::move(output));
    }
    if (word == "section") {
      Take();
      if (At("none")) return Node(ast::Section{{"none", Take().range}});
      std::optional<ast::Identifier> name = MentionedName("the name of a section");
      if (!name) return std::nullopt;
      return Node(ast::Section{*std::move(name)});
    }
  }
  if (in_graph_ && word == "barrier" &&
      (PeekAfter(1).starts_line || PeekAfter(1).text == ";" || PeekAfter(1).text == "}" ||
       PeekAfter(1).kind == TokenKind::kNote)) {
    Take();
    return Node(ast::Barrier{});
  }
  return ParseAssignment();
}

std::optional<ast::Statement::Node> Parser::ParseDeclaration(ast::DeclarationKind kind) {
  const std::string word(Take().text);
  std::optional<ast::Identifier> name = DefinedName(absl::StrCat("the name of ", word == "input" ? "an " : "a ", word));
  if (!name || !Expect(":", absl::StrCat("and a type: ", word, " ", name->text, " : float[…]"))) return std::nullopt;
  std::optional<ast::TypeExpression> type = ParseType();
  if (!type) return std::nullopt;
  ast::Declaration declaration{kind, *std::move(name), *std::move(type), nullptr};
  if (Accept("=") && !(declaration.initial = ParseExpression())) return std::nullopt;
  return ast::Statement::Node(std::move(declaration));
}

std::optional<ast::Statement::Node> Parser::ParseAssignment() {
  ast::Assignment assignment;
  do {
    std::optional<ast::Identifier> name = DefinedName("a statement");
    if (!name) return std::nullopt;
    ast::Target target{*std::move(name), std::nullopt};
    if (Accept(":")) {
      target.type = ParseType();
      if (!target.type) return std::nullopt;
    }
    assignment.targets.push_back(std::move(target));
  } while (Accept(","));
  if (!Accept("=")) {
    if (Diagnostic* error = Expected(ErrorKind::kExpectedAssignment, "`=`")) {
      if (Peek().kind == TokenKind::kPunctuation && (Peek().text == "(" || Peek().text == "[" || Peek().text == ".")) {
        error->Help("a statement binds a name to its value: name = expression");
      }
      if (Peek().kind == TokenKind::kPunctuation && PeekAfter(1).text == "=" && Peek().text.size() == 1) {
        const std::string& name = assignment.targets.back().name.text;
        error->Help(absl::StrCat("bind the name again: ", name, " = ", name, " ", Peek().text, " …"));
      }
    }
    return std::nullopt;
  }
  const SourceRange first = Peek().range;
  std::optional<std::vector<ExpressionPtr>> values = ParseExpressions();
  if (!values) return std::nullopt;
  assignment.value =
      values->size() == 1 ? std::move(values->front()) : Make(Since(first), ast::Tuple{*std::move(values)});
  if (!assignment.value) return std::nullopt;
  return ast::Statement::Node(std::move(assignment));
}

std::optional<ast::Statement::Node> Parser::ParseFor() {
  Take();
  ast::For loop;
  do {
    std::optional<ast::Identifier> variable = DefinedName("a name for the items of the list");
    if (!variable) return std::nullopt;
    loop.variables.push_back(*std::move(variable));
  } while (Accept(","));
  if (!Expect("in", "and a list") || !(loop.list = ParseHeadExpression())) return std::nullopt;
  std::optional<ast::Block> body = ParseBlock("the repeated statements");
  if (!body) return std::nullopt;
  loop.body = *std::move(body);
  return ast::Statement::Node(std::move(loop));
}

std::optional<ast::Statement::Node> Parser::ParseIf() {
  const Nesting nesting(*this);
  if (!nesting.ok()) return std::nullopt;
  Take();
  ast::If choice;
  if (!(choice.condition = ParseHeadExpression())) return std::nullopt;
  std::optional<ast::Block> then_block = ParseBlock("the chosen statements");
  if (!then_block) return std::nullopt;
  choice.then_block = *std::move(then_block);
  // `else` begins no statement, so it may stand on a line of its own.
  const bool continued = std::exchange(continues_, true);
  if (!At("else")) {
    continues_ = continued;
    return ast::Statement::Node(std::move(choice));
  }
  Take();
  if (At("if")) {
    const SourceRange first = Peek().range;
    std::optional<ast::Statement::Node> other = ParseIf();
    if (!other) return std::nullopt;
    ast::Statement statement{Since(first), *std::move(other)};
    statement.depth = DepthOf(statement.node);
    choice.else_block.push_back(std::move(statement));
  } else {
    std::optional<ast::Block> else_block = ParseBlock("the other statements");
    if (!else_block) return std::nullopt;
    choice.else_block = *std::move(else_block);
  }
  return ast::Statement::Node(std::move(choice));
}

std::optional<ast::TypeExpression> Parser::ParseType() {
  ast::TypeExpression type;
  const SourceRange first = Peek().range;
  std::optional<ast::Identifier> element = MentionedName("a type");
  if (!element) return std::nullopt;
  if (element->text == "like") {
    if (!Expect("(", "and a value")) return std::nullopt;
    type.like = ParseExpression();
    if (!type.like || !Expect(")", "after the value")) return std::nullopt;
  } else if (!IsTypeName(element->text)) {
    const absl::string_view meant = OurNameOf(element->text);
    Error(ErrorKind::kUnknownType, element->range, absl::StrCat("`", element->text, "` is not a type"))
        .Help(meant.empty()
                  ? "the types are bool, u8, i32, i64, bf16, f32, f64 and float, with sizes as in float[64,10]"
                  : absl::StrCat("write ", meant));
    return std::nullopt;
  } else if (At("[")) {
    Take();
    std::optional<std::vector<ExpressionPtr>> dims = ParseExpressions();
    if (!dims || !Expect("]", "after the sizes of the type")) return std::nullopt;
    type.dims = *std::move(dims);
  }
  type.element = *std::move(element);
  type.range = Since(first);
  return type;
}

// | [of NAME] [file:]LINE:COLUMN [alias NAME …] [arena OFFSET+BYTES …]
std::optional<ast::Note> Parser::ParseNote() {
  const Token token = Take();
  ast::Note note;
  note.range = token.range;
  absl::string_view text = token.text.substr(1);
  std::vector<std::string> words;
  // A path in quotes, as in `"a #1.gr":3:5`, is taken out; the words have its colon.
  std::string quoted;
  size_t quoted_word = token.text.size();
  if (const size_t quote = text.find(" \""); quote != absl::string_view::npos) {
    words = absl::StrSplit(text.substr(0, quote), absl::ByAnyChar(" \t"), absl::SkipEmpty());
    quoted_word = words.size();
    size_t end = quote + 2;
    for (; end < text.size() && text[end] != '"'; ++end) {
      if (text[end] == '\\' && end + 1 < text.size()) ++end;
      quoted.push_back(text[end]);
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const std::vector<std::string> rest = absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  words.insert(words.end(), rest.begin(), rest.end());
  auto is_place = [&](const std::string& word) {
    const std::vector<std::string> parts = absl::StrSplit(word, ':');
    int line = 0;
    int column = 0;
    if (parts.size() < 2 || !absl::SimpleAtoi(parts[parts.size() - 2], &line) ||
        !absl::SimpleAtoi(parts.back(), &column) || line < 1 || column < 1) {
      return false;
    }
    note.line = line;
    note.column = column;
    note.file = absl::StrJoin(parts.begin(), parts.end() - 2, ":");
    return true;
  };
  size_t i = 0;
  if (i + 1 < words.size() && words[i] == "of") {
    note.of = words[i + 1];
    i += 2;
  }
  // The path of a file may have blanks in it.
  for (size_t place = i; place < words.size(); ++place) {
    if (!is_place(words[place])) continue;
    note.file =
        absl::StrCat(absl::StrJoin(words.begin() + i, words.begin() + place, " "), place > i ? " " : "", note.file);
    if (place == quoted_word) note.file = quoted;
    i = place + 1;
    break;
  }
  if (i < words.size() && words[i] == "alias") {
    // A value may be called `arena`: the word that begins places has one behind it.
    const auto begins_places = [&](size_t at) {
      return words[at] == "arena" && at + 1 < words.size() &&
             (words[at + 1] == "none" || absl::StrContains(words[at + 1], "+"));
    };
    for (++i; i < words.size() && !begins_places(i); ++i) note.aliases.push_back(words[i]);
  }
  if (i + 1 < words.size() && words[i] == "arena") {
    for (++i; i < words.size(); ++i) {
      if (std::optional<ast::Note::Place> place = ParsePlace(words[i]); place.has_value()) {
        note.arena.push_back(*place);
      } else if (words[i] == "none") {
        note.arena.push_back(std::nullopt);
      } else {
        break;
      }
    }
  }
  if (i < words.size() || words.empty()) {
    Error(ErrorKind::kNoteSyntax, token.range,
          words.empty() ? "an empty note" : absl::StrCat("`", words[i], "` does not belong in a note"))
        .Help(
            "a note reads | [of NAME] [file:]LINE:COLUMN [alias NAME …] [arena OFFSET+BYTES …]; the logical or is "
            "written `or`");
    return std::nullopt;
  }
  return note;
}

}  // namespace gradus::frontend
