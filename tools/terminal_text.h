// The Markdown of the reference on a terminal.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace gradus::tools {

inline constexpr int kCodeIndent = 4;  // in front of lines of code

struct TerminalStyle {
  int width = 100;     // in columns; lines of code are never broken
  bool color = false;  // headings bold, code in colour; without, code in text keeps its backticks
};

// Of standard output: colour and the real width on a terminal (no colour where NO_COLOR is set or TERM is dumb), 100
// columns elsewhere.
TerminalStyle StyleOfOutput();

// Headings, paragraphs, lists, code blocks, links and tables; pictures are left out.
std::string ForTerminal(absl::string_view markdown, const TerminalStyle& style);

}  // namespace gradus::tools
