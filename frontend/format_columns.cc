#include "frontend/format_columns.h"

#include <algorithm>
#include <map>

namespace gradus::frontend {
namespace {

// The anchor of `line` that stands in a column with `anchor`, or null.
Anchor* Partner(Line& line, const Anchor& anchor) {
  for (Anchor& other : line.anchors) {
    if (other.source_column == anchor.source_column && other.kind == anchor.kind && (other.widened || anchor.widened))
      return &other;
  }
  return nullptr;
}

size_t ColumnOf(const Line& line, const Anchor& anchor) {
  return static_cast<size_t>(line.indent) + Width(absl::string_view(line.code).substr(0, anchor.offset));
}

void Widen(Line& line, const Anchor& anchor, size_t blanks) {
  line.code.insert(anchor.offset, blanks, ' ');
  const size_t from = anchor.offset;
  for (Anchor& other : line.anchors) {
    if (other.offset >= from) other.offset += blanks;
  }
}

}  // namespace

size_t Width(absl::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

void AlignColumns(std::vector<Line>& lines) {
  // Columns from left to right: widening one moves what is right of it.
  std::map<int, std::vector<std::pair<size_t, size_t>>> anchors;  // by source column: line, index
  for (size_t i = 0; i < lines.size(); ++i) {
    for (size_t k = 0; k < lines[i].anchors.size(); ++k) anchors[lines[i].anchors[k].source_column].emplace_back(i, k);
  }
  for (const auto& [column, places] : anchors) {
    size_t done = 0;  // lines before this one have their place in this column
    for (const auto& [first, index] : places) {
      if (first < done) continue;
      std::vector<Anchor*> run = {&lines[first].anchors[index]};
      for (size_t i = first + 1; i < lines.size() && !lines[i].blank_before; ++i) {
        Anchor* next = Partner(lines[i], *run.back());
        if (!next) break;
        run.push_back(next);
      }
      done = first + run.size();
      if (run.size() < 2) continue;
      size_t target = 0;
      for (size_t i = 0; i < run.size(); ++i) target = std::max(target, ColumnOf(lines[first + i], *run[i]));
      for (size_t i = 0; i < run.size(); ++i)
        Widen(lines[first + i], *run[i], target - ColumnOf(lines[first + i], *run[i]));
    }
  }
}

void AlignTails(std::vector<Line>& lines) {
  constexpr size_t kLongest = 84;
  for (size_t i = 0; i < lines.size();) {
    size_t end = i;
    size_t column = 0;
    while (end < lines.size() && !lines[end].tail.empty() && (end == i || !lines[end].blank_before)) {
      const size_t width = lines[end].indent + Width(lines[end].code);
      if (width <= kLongest) column = std::max(column, width);
      ++end;
    }
    for (size_t k = i; k < end; ++k) {
      const size_t width = lines[k].indent + Width(lines[k].code);
      if (width < column) lines[k].tail.insert(0, column - width, ' ');
    }
    i = std::max(end, i + 1);
  }
}

}  // namespace gradus::frontend
