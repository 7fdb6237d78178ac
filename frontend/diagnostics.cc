#include "frontend/diagnostics.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace gradus::frontend {
namespace {

constexpr int kShownColumns = 160;  // of a longer line, the part around the fault is shown

std::string PlaceIn(const SourceFile* file, SourceRange where) {
  if (where.file != file) return ToString(where);
  const Position p = where.start();
  return absl::StrCat(p.line, ":", p.column);
}

// The code points of a line; control characters, tabs included, take one blank so that carets stay aligned.
std::vector<std::string> CodePoints(absl::string_view line) {
  std::vector<std::string> points;
  for (char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) == 0x80 && !points.empty()) {
      points.back().push_back(c);
    } else {
      points.push_back(byte < 0x20 || byte == 0x7F ? " " : std::string(1, c));
    }
  }
  return points;
}

// The source line with its number, and the carets under it: `^~~~` under the fault, the same under what else takes
// part.
std::string Excerpt(SourceRange where, const std::vector<SourceRange>& also) {
  const Position start = where.start();
  const std::vector<std::string> points = CodePoints(where.file->Line(start.line));
  std::string carets(points.size() + 1, ' ');
  auto mark = [&](SourceRange range) {
    if (range.file != where.file || range.start().line != start.line) return;
    const size_t begin = range.start().column - 1;
    const Position last = range.file->PositionOf(std::max(range.begin, range.end));
    const size_t end = last.line == start.line ? last.column - 1 : points.size();
    for (size_t i = begin; i < std::min(std::max(end, begin + 1), carets.size()); ++i)
      carets[i] = i == begin ? '^' : '~';
  };
  for (SourceRange range : also) mark(range);
  mark(where);
  carets.erase(carets.find_last_not_of(' ') + 1);

  size_t first = 0;
  const size_t fault = start.column - 1;
  if (points.size() > kShownColumns && fault > kShownColumns / 2) first = fault - kShownColumns / 2;
  const size_t last = std::min(points.size(), first + kShownColumns);
  std::string shown = first > 0 ? "…" : "";
  std::string under = first > 0 ? " " : "";
  for (size_t i = first; i < last; ++i) shown += points[i];
  if (last < points.size()) shown += "…";
  under.append(carets, std::min(first, carets.size()), kShownColumns + 1);
  return absl::StrFormat("%5d | %s\n      | %s\n", start.line, shown, under);
}

}  // namespace

Diagnostic& Diagnostic::At(SourceRange also) {
  also_.push_back(also);
  return *this;
}

Diagnostic& Diagnostic::Defined(std::string name, std::string type, SourceRange where) {
  definitions_.push_back({std::move(name), std::move(type), where});
  return *this;
}

Diagnostic& Diagnostic::Note(std::string text) {
  notes_.push_back(std::move(text));
  return *this;
}

Diagnostic& Diagnostic::Note(std::string text, SourceRange where) {
  return Note(absl::StrCat(text, " at ", ToString(where)));
}

Diagnostic& Diagnostic::Help(std::string text) {
  helps_.push_back(std::move(text));
  return *this;
}

std::string Diagnostic::Render() const {
  std::string out;
  if (where_.file) {
    out = absl::StrCat(ToString(where_), ": ", severity_, ": ", message_, "\n", Excerpt(where_, also_));
  } else {
    out = absl::StrCat(severity_, ": ", message_, "\n");
  }
  size_t name_width = 0;
  size_t type_width = 0;
  for (const Definition& d : definitions_) {
    name_width = std::max(name_width, d.name.size());
    type_width = std::max(type_width, d.type.size());
  }
  for (const Definition& d : definitions_) {
    if (d.where.file) {
      absl::StrAppendFormat(&out, "   %-*s : %-*s   defined at %s\n", name_width, d.name, type_width, d.type,
                            PlaceIn(where_.file, d.where));
    } else {
      absl::StrAppendFormat(&out, "   %-*s : %s\n", name_width, d.name, d.type);
    }
  }
  for (const std::string& note : notes_) absl::StrAppend(&out, "   note: ", note, "\n");
  for (const std::string& help : helps_) absl::StrAppend(&out, "   help: ", help, "\n");
  return out;
}

void Diagnostics::Append(const absl::Status& status) {
  std::string text(status.message());
  if (!absl::EndsWith(text, "\n")) text += "\n";
  appended_.push_back(std::move(text));
}

namespace {

std::string RenderAll(const std::deque<Diagnostic>& diagnostics, const std::vector<std::string>& appended) {
  std::vector<const Diagnostic*> sorted;
  for (const Diagnostic& d : diagnostics) sorted.push_back(&d);
  // Files keep the order in which they were first at fault.
  std::vector<const SourceFile*> files;
  for (const Diagnostic& d : diagnostics) {
    if (std::find(files.begin(), files.end(), d.where().file) == files.end()) files.push_back(d.where().file);
  }
  auto key = [&](const Diagnostic* d) {
    return std::make_pair(std::find(files.begin(), files.end(), d->where().file) - files.begin(), d->where().begin);
  };
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const Diagnostic* a, const Diagnostic* b) { return key(a) < key(b); });
  const auto same = [&](const Diagnostic* a, const Diagnostic* b) {
    return key(a) == key(b) && a->message() == b->message();
  };
  sorted.erase(std::unique(sorted.begin(), sorted.end(), same), sorted.end());

  std::string out;
  size_t reported = 0;
  for (; reported < std::min(sorted.size(), kMaxReportedErrors); ++reported) out += sorted[reported]->Render();
  for (const std::string& text : appended) out += text;
  if (sorted.size() > reported) absl::StrAppend(&out, "… and ", sorted.size() - reported, " more errors\n");
  return out;
}

}  // namespace

Diagnostic& Diagnostics::Warn(ErrorKind kind, SourceRange where, absl::string_view message) {
  Diagnostic& warning = warnings_.emplace_back(where, ir::WithKind(kind, message), "warning");
  if (adjust_) adjust_(warning);
  return warning;
}

std::string Diagnostics::Render() const { return RenderAll(errors_, appended_); }

std::string Diagnostics::RenderWarnings() const { return RenderAll(warnings_, {}); }

absl::Status Diagnostics::ToStatus() const { return ok() ? absl::OkStatus() : absl::InvalidArgumentError(Render()); }

}  // namespace gradus::frontend
