#include "tools/terminal_text.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace gradus::tools {
namespace {

constexpr char kBold[] = "\033[1m", kCode[] = "\033[36m", kPlain[] = "\033[0m";

// Columns that a word takes: code points, colours aside.
int Columns(absl::string_view text) {
  int columns = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\033') {
      i = std::min(text.find('m', i), text.size());
    } else if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
      ++columns;
    }
  }
  return columns;
}

// `[text](address)` becomes its text, `![…](…)` nothing, `\|` a bar; code is coloured.
std::string Inline(absl::string_view text, const TerminalStyle& style) {
  std::string out;
  bool code = false, bold = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool picture = absl::StartsWith(text.substr(i), "![");
    const size_t close = text.find("](", i);
    const size_t end = close == absl::string_view::npos ? close : text.find(')', close);
    if (text[i] == '`') {
      code = !code;
      absl::StrAppend(&out, !style.color ? "`" : code ? kCode : kPlain);
    } else if (!code && (picture || text[i] == '[') && end != absl::string_view::npos) {
      if (!picture) absl::StrAppend(&out, Inline(text.substr(i + 1, close - i - 1), style));
      i = end;
    } else if (!code && absl::StartsWith(text.substr(i), "**")) {
      bold = !bold;
      absl::StrAppend(&out, !style.color ? "" : bold ? kBold : kPlain);
      ++i;
    } else if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '|' || text[i + 1] == '*')) {
      out.push_back(text[++i]);
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// Words filled into lines; code in backticks is broken like text.
void Wrap(absl::string_view text, absl::string_view first, absl::string_view indent, const TerminalStyle& style,
          std::string& out) {
  std::string line(first);
  int columns = Columns(first);
  bool empty = true;
  for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    const int width = Columns(word);
    if (!empty && columns + 1 + width > style.width) {
      absl::StrAppend(&out, line, "\n");
      line = std::string(indent);
      columns = Columns(indent);
      empty = true;
    }
    absl::StrAppend(&line, empty ? "" : " ", word);
    columns += width + (empty ? 0 : 1);
    empty = false;
  }
  if (!empty) absl::StrAppend(&out, line, "\n");
}

}  // namespace

TerminalStyle StyleOfOutput() {
  TerminalStyle style;
  if (isatty(STDOUT_FILENO) == 0) return style;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    style.width = std::clamp<int>(size.ws_col, 40, 120);
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal == nullptr || absl::string_view(terminal) == "dumb";
  style.color = !dumb && (no_color == nullptr || *no_color == '\0');
  return style;
}

std::string ForTerminal(absl::string_view markdown, const TerminalStyle& style) {
  std::string out, paragraph;
  bool code = false;
  const auto flush = [&] {
    Wrap(Inline(paragraph, style), "", "", style, out);
    paragraph.clear();
  };
  for (absl::string_view line : absl::StrSplit(markdown, '\n')) {
    if (absl::StartsWith(line, "```")) {
      flush();
      code = !code;
    } else if (code) {
      absl::StrAppend(&out, std::string(line.empty() ? 0 : kCodeIndent, ' '), line, "\n");
    } else if (line.empty()) {
      flush();
      // One empty line between blocks, none at the start.
      if (!out.empty() && !absl::EndsWith(out, "\n\n")) out.push_back('\n');
    } else if (line[0] == '#') {
      flush();
      const absl::string_view title = line.substr(std::min(line.find_first_not_of("# "), line.size()));
      absl::StrAppend(&out, style.color ? kBold : "", title, style.color ? kPlain : "", "\n");
    } else if (absl::StartsWith(line, "- ")) {
      flush();
      Wrap(Inline(line.substr(2), style), "- ", "  ", style, out);
    } else if (absl::StartsWith(line, "|")) {
      flush();
      absl::StrAppend(&out, Inline(line, style), "\n");
    } else {
      absl::StrAppend(&paragraph, paragraph.empty() ? "" : " ", line);
    }
  }
  flush();
  while (absl::EndsWith(out, "\n\n")) out.pop_back();
  return out;
}

}  // namespace gradus::tools
