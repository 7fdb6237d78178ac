#include "frontend/lexer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ir/type.h"

namespace gradus::frontend {
namespace {

constexpr absl::string_view kReserved[] = {"in",    "if",    "else",  "for",   "repeat", "scan",   "cond",
                                           "while", "carry", "until", "next",  "yield",  "return", "and",
                                           "or",    "not",   "true",  "false", "none",   "inf",    "nan"};

// Longest first.
constexpr absl::string_view kPunctuation[] = {"...", "**", "//", "==", "!=", "<=", ">=", "(", ")",
                                              "[",   "]",  "{",  "}",  ",",  ";",  ":",  "=", "<",
                                              ">",   "+",  "-",  "*",  "/",  "%",  "@",  "~", "."};

// What a reader of other languages may have meant.
absl::string_view HelpFor(absl::string_view rest) {
  if (rest[0] == '&') return "the logical and is written `and`";
  if (rest[0] == '!') return "the logical not is written `not`, and unequal `!=`";
  if (rest[0] == '^') return "a power is written `**`";
  if (rest[0] == '\'') return "strings are written in double quotes";
  if (rest[0] == '?') return "a choice by element is written `where(condition, a, b)`";
  return "";
}

bool StartsName(char c) { return absl::ascii_isalpha(c) || c == '_'; }
bool ContinuesName(char c) { return absl::ascii_isalnum(c) || c == '_'; }

class Lexer {
 public:
  Lexer(const SourceFile& source, Diagnostics& diagnostics)
      : source_(source), text_(source.text()), diagnostics_(diagnostics) {}

  TokenizedFile Run() {
    while (SkipBlanks()) Lex();
    Add(TokenKind::kEnd, static_cast<int32_t>(text_.size()));
    return std::move(result_);
  }

 private:
  char Peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  SourceRange Range(size_t begin, size_t end) const {
    return {&source_, static_cast<int32_t>(begin), static_cast<int32_t>(end)};
  }

  // To the next token; false at the end of the text.
  bool SkipBlanks() {
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\n') {
        starts_line_ = true;
      } else if (c == '#') {
        const size_t begin = at_;
        at_ = std::min(text_.find('\n', at_), text_.size());
        size_t end = at_;
        while (absl::ascii_isspace(text_[end - 1])) --end;
        result_.comments.push_back(Range(begin, end));
        --at_;
      } else if (c != ' ' && c != '\t' && c != '\r') {
        return true;
      }
    }
    return false;
  }

  // Adds the token from at_ to `end` and moves behind it.
  Token& Add(TokenKind kind, size_t end) {
    result_.tokens.push_back({kind, Range(at_, end), text_.substr(at_, end - at_), "", starts_line_});
    starts_line_ = false;
    at_ = end;
    return result_.tokens.back();
  }

  Diagnostic& Wrong(ErrorKind kind, size_t end, absl::string_view message) {
    Diagnostic& error = diagnostics_.Error(kind, Range(at_, end), message);
    Add(TokenKind::kError, end);
    return error;
  }

  void Lex() {
    const char c = Peek();
    if (StartsName(c)) return LexName();
    if (absl::ascii_isdigit(c)) return LexNumber();
    if (c == '"') return LexString();
    if (c == '|') return LexNote();
    for (absl::string_view p : kPunctuation) {
      if (!absl::StartsWith(text_.substr(at_), p)) continue;
      if (p == "." && absl::ascii_isdigit(Peek(1))) {
        size_t end = at_ + 1;
        while (end < text_.size() && ContinuesName(text_[end])) ++end;
        const std::string help = absl::StrCat("write 0", text_.substr(at_, end - at_));
        Wrong(ErrorKind::kNumberSpelling, end, "a number needs digits on both sides of its point").Help(help);
        return;
      }
      Add(TokenKind::kPunctuation, at_ + p.size());
      return;
    }
    LexStray();
  }

  size_t NameEnd(size_t end) const {
    while (end < text_.size() && ContinuesName(text_[end])) ++end;
    return end;
  }
  size_t DigitsEnd(size_t end) const {
    while (end < text_.size() && absl::ascii_isdigit(text_[end])) ++end;
    return end;
  }

  void LexName() {
    size_t end = NameEnd(at_);
    while (end + 1 < text_.size() && text_[end] == '.' && ContinuesName(text_[end + 1])) {
      const size_t part = end + 1;
      end = NameEnd(part);
      if (absl::ascii_isdigit(text_[part]) && DigitsEnd(part) != end) {
        Wrong(ErrorKind::kNameSpelling, end,
              absl::StrCat("`", text_.substr(at_, end - at_),
                           "` is no name: a part that starts with a digit has digits only"));
        return;
      }
    }
    if (end + 1 < text_.size() && text_[end] == '\'' && absl::ascii_isdigit(text_[end + 1])) {
      const size_t digits = DigitsEnd(end + 1);
      if (NameEnd(digits) != digits) {
        const size_t wrong = NameEnd(digits);
        Wrong(ErrorKind::kNameSpelling, wrong,
              absl::StrCat("`", text_.substr(at_, wrong - at_), "` is no name: only digits can follow the prime"));
        return;
      }
      end = digits;
    }
    const absl::string_view word = text_.substr(at_, end - at_);
    Add(word == "inf" || word == "nan" ? TokenKind::kFloat : TokenKind::kName, end);
  }

  void LexNumber() {
    if (Peek() == '0' && Peek(1) == 'x') {
      size_t hex = at_ + 2;
      while (hex < text_.size() && absl::ascii_isxdigit(text_[hex])) ++hex;
      if (hex > at_ + 2 && NameEnd(hex) == hex) {
        Add(TokenKind::kInteger, hex);
        return;
      }
    }
    size_t end = DigitsEnd(at_);
    bool integer = true;
    if (end < text_.size() && text_[end] == '.' && !absl::StartsWith(text_.substr(end), "...")) {
      const size_t fraction = DigitsEnd(end + 1);
      if (fraction == end + 1) {
        const std::string help = absl::StrCat("write ", text_.substr(at_, end + 1 - at_), "0");
        Wrong(ErrorKind::kNumberSpelling, end + 1, "a number needs digits on both sides of its point").Help(help);
        return;
      }
      end = fraction;
      integer = false;
    }
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      const size_t sign = end + 1 < text_.size() && (text_[end + 1] == '+' || text_[end + 1] == '-') ? 1 : 0;
      const size_t exponent = DigitsEnd(end + 1 + sign);
      if (exponent == end + 1 + sign) {
        Wrong(ErrorKind::kNumberSpelling, exponent,
              absl::StrCat("`", text_.substr(at_, exponent - at_), "` is no number: its exponent has no digits"));
        return;
      }
      end = exponent;
      integer = false;
    }
    if (NameEnd(end) != end) {
      const size_t wrong = NameEnd(end);
      Wrong(ErrorKind::kNumberSpelling, wrong,
            absl::StrCat("`", text_.substr(at_, wrong - at_), "` is neither a number nor a name"));
      return;
    }
    Add(integer ? TokenKind::kInteger : TokenKind::kFloat, end);
  }

  void LexString() {
    std::string value;
    size_t end = at_ + 1;
    for (; end < text_.size() && text_[end] != '"' && text_[end] != '\n'; ++end) {
      char c = text_[end];
      if (c == '\\') {
        const char escaped = end + 1 < text_.size() ? text_[end + 1] : '\n';
        if (escaped == 'n') {
          c = '\n';
        } else if (escaped == 't') {
          c = '\t';
        } else if (escaped == '"' || escaped == '\\') {
          c = escaped;
        } else {
          diagnostics_.Error(ErrorKind::kUnknownEscape, Range(end, end + 1), "an unknown escape in a string")
              .Help("the escapes are \\\\ \\\" \\n \\t");
          if (escaped == '\n') break;
        }
        ++end;
      }
      value.push_back(c);
    }
    if (end >= text_.size() || text_[end] != '"') {
      while (end > at_ + 1 && text_[end - 1] == '\r') --end;
      Wrong(ErrorKind::kUnterminatedString, std::min(end, text_.size()), "this string does not end on its line");
      return;
    }
    Add(TokenKind::kString, end + 1).value = std::move(value);
  }

  void LexNote() {
    const absl::string_view line = text_.substr(at_, std::min(text_.find('\n', at_), text_.size()) - at_);
    // A comment may follow; a path in quotes may have what looks like one.
    size_t from = 0;
    if (const size_t quote = line.find(" \""); quote < line.find(" #")) {
      for (from = quote + 2; from < line.size() && line[from] != '"'; ++from) from += line[from] == '\\' ? 1 : 0;
    }
    size_t end = at_ + std::min(line.find(" #", from), line.size());
    while (absl::ascii_isspace(text_[end - 1])) --end;
    Add(TokenKind::kNote, end);
  }

  void LexStray() {
    const auto byte = static_cast<unsigned char>(Peek());
    if (byte < 0x20 || byte == 0x7F) {
      Wrong(ErrorKind::kControlCharacter, at_ + 1,
            absl::StrFormat("the control character 0x%02x cannot stand in a program", byte));
      return;
    }
    size_t end = at_ + 1;
    while (end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0) == 0x80) ++end;
    if (Peek() == '&' && Peek(1) == '&') ++end;
    if (Peek() == '\'') {
      const size_t close = text_.find_first_of("'\n", at_ + 1);
      if (close != absl::string_view::npos && text_[close] == '\'') end = close + 1;
    }
    const absl::string_view help = HelpFor(text_.substr(at_));
    Diagnostic& error = Wrong(ErrorKind::kStrayCharacter, end,
                              absl::StrCat("`", text_.substr(at_, end - at_), "` has no meaning here"));
    if (byte >= 0x80) {
      error.Help("names are letters a-z and A-Z, digits and _; other letters may stand in comments and strings");
    } else if (!help.empty()) {
      error.Help(std::string(help));
    }
  }

  const SourceFile& source_;
  absl::string_view text_;
  Diagnostics& diagnostics_;
  TokenizedFile result_;
  size_t at_ = 0;
  bool starts_line_ = true;
};

}  // namespace

TokenizedFile Tokenize(const SourceFile& source, Diagnostics& diagnostics) { return Lexer(source, diagnostics).Run(); }

bool IsReserved(absl::string_view word) {
  return std::find(std::begin(kReserved), std::end(kReserved), word) != std::end(kReserved);
}

bool IsTypeName(absl::string_view word) {
  return word == "float" || word == "bf16" || ir::ParseDType(word).has_value();
}

}  // namespace gradus::frontend
