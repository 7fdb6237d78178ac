// Columns of formatted lines: what the writer set in columns stays in columns.
//
// A token is in a column with one of the next or the previous line when both began at the same place of the source,
// both are of one kind, and blanks were put before at least one of them to get it there. Such tokens begin at the same
// place of the result, as far left as the longest text before them allows. Notes and comments at the ends of
// neighbouring lines always are a column.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace gradus::frontend {

// A token that one blank separates from the one before it.
struct Anchor {
  size_t offset = 0;      // in the code of its line
  int source_column = 0;  // in code points
  bool widened = false;   // the source has more blanks before it
  std::string kind;       // `=`, `:`, or what else may stand in one column
};

struct Line {
  int indent = 0;
  std::string code;
  std::string tail;  // a note, a comment, or both, with the blanks before it
  bool blank_before = false;
  std::vector<Anchor> anchors;
};

// The width of a text in code points.
size_t Width(absl::string_view text);

// Widens the blanks before anchors.
void AlignColumns(std::vector<Line>& lines);
// Widens the blanks before tails; a very long line does not push the others.
void AlignTails(std::vector<Line>& lines);

}  // namespace gradus::frontend
