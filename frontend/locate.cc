#include "frontend/locate.h"

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "frontend/diagnostics.h"

namespace gradus::frontend {
namespace {

constexpr char kError[] = ": error: ";

const SourceFile* FileNamed(const Module& module, const std::string& path) {
  if (path.empty()) return module.program().source.get();
  for (const auto& unit : module.units) {
    if (unit->file.source->path() == path) return unit->file.source.get();
  }
  return nullptr;
}

// The empty range before a place, which a caret marks; no file where there is no such place.
SourceRange RangeAt(const SourceFile* file, int line, int column) {
  if (file == nullptr || line < 1 || line > file->line_count() || column < 1) return {};
  const absl::string_view text = file->Line(line);
  size_t offset = 0;
  for (int at = 1; at < column && offset < text.size(); ++at) {
    ++offset;
    while (offset < text.size() && (static_cast<unsigned char>(text[offset]) & 0xC0) == 0x80) ++offset;
  }
  const int32_t begin = file->LineStart(line) + static_cast<int32_t>(offset);
  return {file, begin, begin};
}

}  // namespace

absl::Status Locate(const Module& module, const absl::Status& status) {
  if (status.ok()) return status;
  Diagnostics diagnostics;
  const std::vector<std::string> lines = absl::StrSplit(std::string(status.message()), '\n');
  for (const std::string& line : lines) {
    const size_t end = line.find(kError);
    std::vector<std::string> place;
    if (end != std::string::npos) place = absl::StrSplit(line.substr(0, end), ':');
    int row = 0, column = 0;
    if (place.size() < 2 || !absl::SimpleAtoi(place[place.size() - 2], &row) ||
        !absl::SimpleAtoi(place.back(), &column)) {
      return status;
    }
    const size_t numbers = place[place.size() - 2].size() + place.back().size() + 1;
    std::string path = line.substr(0, end - numbers);
    if (!path.empty()) path.pop_back();  // its colon
    const SourceRange where = RangeAt(FileNamed(module, path), row, column);
    if (where.file == nullptr) return status;
    diagnostics.Take(where, line.substr(end + sizeof(kError) - 1));
  }
  return diagnostics.ToStatus();
}

}  // namespace gradus::frontend
