#include "frontend/format.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "frontend/format_columns.h"
#include "frontend/lexer.h"
#include "frontend/parser_state.h"
#include "ir/check.h"

namespace gradus::frontend {
namespace {

// A token or a comment.
struct Piece {
  TokenKind kind = TokenKind::kEnd;
  SourceRange range;
  absl::string_view text;
  bool comment = false;
  bool breaks = false;  // begins a line
  bool blank = false;   // an empty line stands before it

  bool Is(absl::string_view punctuation) const { return kind == TokenKind::kPunctuation && text == punctuation; }
  bool IsName() const { return kind == TokenKind::kName; }
  bool IsNumber() const { return kind == TokenKind::kInteger || kind == TokenKind::kFloat; }
};

bool IsOneOf(absl::string_view word, std::initializer_list<absl::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool IsOperator(const Piece& p) {
  if (p.IsName()) return p.text == "and" || p.text == "or";
  return p.kind == TokenKind::kPunctuation &&
         IsOneOf(p.text, {"+", "-", "*", "/", "//", "%", "**", "@", "==", "!=", "<", "<=", ">", ">=", "~"});
}

constexpr char kTypeBracket = 't';  // the `[` of float[B,784] among the open brackets

// Where the patterns of the recipes stand (`fc2.*`), in text order.
std::vector<SourceRange> PatternsOf(const std::vector<ast::Definition>& definitions) {
  std::vector<SourceRange> ranges;
  const auto add = [&](const std::vector<ast::Pattern>& patterns) {
    for (const ast::Pattern& pattern : patterns) ranges.push_back(pattern.range);
  };
  for (const ast::Definition& definition : definitions) {
    const ast::Train* train = definition.As<ast::Train>();
    if (train == nullptr) continue;
    for (const ast::TrainItem& item : train->items) {
      if (const ast::Minimize* minimize = item.As<ast::Minimize>()) add(minimize->wrt);
      if (const ast::Optimizer* optimizer = item.As<ast::Optimizer>()) add(optimizer->parameters);
    }
  }
  return ranges;
}

// Tokens and comments in text order, without the `;` that say nothing, with the line breaks that the result has. A
// pattern is one piece, like a name: its points and stars are no operators.
std::vector<Piece> Pieces(const SourceFile& source, const std::vector<SourceRange>& patterns) {
  Diagnostics none;
  const TokenizedFile file = Tokenize(source, none);
  std::vector<Piece> pieces;
  size_t comment = 0, pattern = 0;
  int32_t last_end = 0;
  auto add = [&](Piece piece) {
    const absl::string_view between = source.text().substr(last_end, piece.range.begin - last_end);
    const auto lines = std::count(between.begin(), between.end(), '\n');
    piece.breaks = lines > 0 || pieces.empty();
    piece.blank = lines > 1 && !pieces.empty();
    last_end = piece.range.end;
    pieces.push_back(piece);
  };
  for (const Token& token : file.tokens) {
    for (; comment < file.comments.size() && file.comments[comment].begin < token.range.begin; ++comment) {
      const SourceRange range = file.comments[comment];
      add({TokenKind::kEnd, range, range.text(), true});
    }
    while (pattern < patterns.size() && patterns[pattern].end <= token.range.begin) ++pattern;
    if (pattern < patterns.size() && patterns[pattern].begin <= token.range.begin) {
      const SourceRange& range = patterns[pattern];
      if (range.begin == token.range.begin) add({TokenKind::kName, range, range.text()});
    } else if (token.kind != TokenKind::kEnd) {
      add({token.kind, token.range, token.text});
    }
  }

  // A block over several lines has its first and its last line for itself.
  std::vector<size_t> open;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].Is("{")) open.push_back(i);
    if (!pieces[i].Is("}") || open.empty()) continue;
    const size_t begin = open.back();
    open.pop_back();
    const bool broken =
        std::any_of(pieces.begin() + begin + 1, pieces.begin() + i + 1, [](const Piece& p) { return p.breaks; });
    if (!broken) continue;
    // A comment behind the `{` stays there.
    if (!pieces[begin + 1].comment) pieces[begin + 1].breaks = true;
    pieces[i].breaks = true;
  }

  std::vector<Piece> kept;
  bool breaks = false;
  bool blank = false;
  for (size_t i = 0; i < pieces.size(); ++i) {
    Piece& piece = pieces[i];
    piece.breaks |= std::exchange(breaks, false);
    piece.blank |= std::exchange(blank, false);
    const Piece* next = i + 1 < pieces.size() ? &pieces[i + 1] : nullptr;
    const bool begins = kept.empty() || kept.back().Is("{") || kept.back().Is(";") || piece.breaks;
    const bool ends = !next || next->breaks || next->comment || next->Is("}") || next->Is(";");
    if (piece.Is(";") && (begins || ends)) {
      breaks = piece.breaks;
      blank = piece.blank;
      continue;
    }
    kept.push_back(piece);
  }
  return kept;
}

class Formatter {
 public:
  explicit Formatter(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {}

  std::string Run() {
    for (at_ = 0; at_ < pieces_.size(); ++at_) Add();
    AlignColumns(lines_);
    AlignTails(lines_);
    std::string out;
    for (const Line& line : lines_) {
      if (line.blank_before) out += "\n";
      absl::StrAppend(&out, std::string(line.indent, ' '), line.code, line.tail, "\n");
    }
    return out;
  }

 private:
  const Piece* Previous(size_t back = 1) const {
    return at_ >= back && !pieces_[at_ - back].comment ? &pieces_[at_ - back] : nullptr;
  }
  bool InBrackets() const { return !open_.empty() && open_.back() != '{'; }

  // Whether the line before goes on: a bracket is open, or it ended in an operator, `,` or `=`.
  bool Continues() const { return InBrackets() || continues_; }

  void Add() {
    const Piece& piece = pieces_[at_];
    if (piece.breaks) {
      BeginLine(piece);
    } else if (!piece.comment && piece.kind != TokenKind::kNote && Spaced(pieces_[at_ - 1], piece)) {
      lines_.back().code += " ";
      AddAnchor(pieces_[at_ - 1], piece);
    }
    Line& line = lines_.back();
    if (piece.comment || piece.kind == TokenKind::kNote) {
      absl::StrAppend(line.code.empty() ? &line.code : &line.tail, line.code.empty() ? "" : "  ", piece.text);
      continues_ = continues_ && piece.comment;
      return;
    }
    line.code += std::string(piece.text);
    if (!Continues()) statement_ = statement_begins_ ? at_ : statement_;
    statement_begins_ = piece.Is("{") || piece.Is("}") || piece.Is(";");
    if (open_.empty() && at_ == statement_) definition_ = piece.text;
    const bool of_type = piece.Is("[") && Previous() && Previous()->IsName() && IsTypeName(Previous()->text);
    if (piece.Is("(") || piece.Is("[") || piece.Is("{")) open_.push_back(of_type ? kTypeBracket : piece.text[0]);
    if ((piece.Is(")") || piece.Is("]") || piece.Is("}")) && !open_.empty()) open_.pop_back();
    continues_ = piece.Is(",") || piece.Is("=") || IsOperator(piece);
  }

  // The next token may stand in a column with one of a neighbouring line.
  void AddAnchor(const Piece& last, const Piece& piece) {
    Line& line = lines_.back();
    const absl::string_view between =
        piece.range.file->text().substr(last.range.end, piece.range.begin - last.range.end);
    const bool punctuation = piece.kind == TokenKind::kPunctuation;
    line.anchors.push_back({line.code.size(), piece.range.start().column,
                            between.size() > 1 && between.find_first_not_of(' ') == absl::string_view::npos,
                            punctuation      ? std::string(piece.text)
                            : piece.IsName() ? "name"
                                             : "literal"});
  }

  void BeginLine(const Piece& piece) {
    const bool first_of_block = lines_.empty() || (at_ > 0 && pieces_[at_ - 1].Is("{"));
    Line& line = lines_.emplace_back();
    line.blank_before = piece.blank && !first_of_block && !piece.Is("}");
    if (lines_.size() > 1 && at_ > 0 && pieces_[at_ - 1].comment && lines_[lines_.size() - 2].code.back() == '{')
      line.blank_before = false;
    const bool continues = Continues();
    statement_begins_ = statement_begins_ || !continues;
    const int depth = static_cast<int>(std::count(open_.begin(), open_.end(), '{')) - (piece.Is("}") ? 1 : 0);
    line.indent = 2 * std::max(depth, 0) + (continues ? 4 : 0);
    const bool section = piece.IsName() && piece.text == "section" && at_ + 1 < pieces_.size() &&
                         pieces_[at_ + 1].IsName() && !continues;
    if (section && definition_ == "graph") line.indent = 0;
  }

  // Whether a word says what follows, so that `(` and `-` after it belong to an operand.
  bool IsKeyword(size_t i) const {
    const Piece& p = pieces_[i];
    if (!p.IsName()) return false;
    if (IsReserved(p.text)) return !IsOneOf(p.text, {"repeat", "cond", "true", "false", "none"});
    if (definition_ != "train" && definition_ != "check") return false;
    if (IsOneOf(p.text, {"tol", "every"})) return i != statement_;
    return i == statement_ &&
           IsOneOf(p.text, {"minimize", "optimizer", "batch", "epochs", "steps", "seed", "accumulate", "clip", "ema"});
  }

  // Whether the `-` at `i` is a sign.
  bool IsSign(size_t i) const {
    if (!pieces_[i].Is("-")) return false;
    if (i == 0 || pieces_[i - 1].comment) return true;
    const Piece& p = pieces_[i - 1];
    if (p.kind == TokenKind::kPunctuation) return !p.Is(")") && !p.Is("]") && !p.Is("}");
    return IsKeyword(i - 1);
  }

  bool Spaced(const Piece& last, const Piece& next) const {
    if (next.Is(".")) {
      // Kept apart from a name or number, of which it would become a part.
      const bool joins = at_ + 1 < pieces_.size() && pieces_[at_ + 1].IsName();
      return (last.range.end != next.range.begin || joins) && (last.IsName() || last.IsNumber());
    }
    if (last.Is(".")) return false;
    if (last.Is("(") || last.Is("[") || next.Is(")") || next.Is("]") || next.Is(",") || next.Is(";")) return false;
    if (last.Is("{") && next.Is("}")) return false;
    // float[B,4*n]
    if (!open_.empty() && open_.back() == kTypeBracket && last.kind == TokenKind::kPunctuation) return false;
    if (!open_.empty() && open_.back() == kTypeBracket && next.kind == TokenKind::kPunctuation) return false;
    if (last.Is(",") || last.Is(";") || last.Is("{") || last.Is("}") || next.Is("{") || next.Is("}")) return true;
    if (next.Is(":") || last.Is(":")) return open_.empty() || open_.back() != '[';
    if (next.Is("=") || last.Is("=")) {
      const size_t name = next.Is("=") ? at_ - 1 : at_ - 2;
      const bool axis = name < at_ && pieces_[name].text == "axis" && name != statement_;  // of a scan
      return !axis && !(InBrackets() && open_.back() == '(');
    }
    if (last.Is("-") && IsSign(at_ - 1)) return false;
    if (next.Is("(") || next.Is("[")) {
      if (IsOperator(last) || IsKeyword(at_ - 1)) return true;
      return !(last.IsName() || last.IsNumber() || last.kind == TokenKind::kString || last.Is(")") || last.Is("]") ||
               last.Is("..."));
    }
    return true;
  }

  std::vector<Piece> pieces_;
  std::vector<Line> lines_;
  size_t at_ = 0;
  std::string open_;              // brackets
  bool continues_ = false;        // the last token lets the next line continue this one
  bool statement_begins_ = true;  // the next token begins a statement
  size_t statement_ = 0;          // the first token of this statement
  absl::string_view definition_;  // the word that began this definition
};

}  // namespace

absl::StatusOr<std::string> Format(const SourceFile& source) {
  Diagnostics diagnostics;
  const std::vector<ast::Definition> definitions = Parser(source, diagnostics).ParseDefinitions();
  RETURN_IF_ERROR(diagnostics.ToStatus());
  return Formatter(Pieces(source, PatternsOf(definitions))).Run();
}

std::string FormatExpression(SourceRange expression) {
  const auto source = SourceFile::Create("", std::string(expression.text()));
  CHECK(source.ok()) << source.status();
  std::vector<Piece> pieces = Pieces(**source, {});
  std::erase_if(pieces, [](const Piece& piece) { return piece.comment; });
  for (size_t i = 1; i < pieces.size(); ++i) pieces[i].breaks = false;
  std::string text = Formatter(std::move(pieces)).Run();
  text.pop_back();
  return text;
}

}  // namespace gradus::frontend
