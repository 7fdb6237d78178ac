#include "frontend/source.h"

#include <algorithm>
#include <fstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ir/check.h"
#include "ir/error.h"

namespace gradus::frontend {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

size_t SequenceLength(absl::string_view s) {
  auto byte = [&](size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  auto continues = [&](size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;  // no surrogates
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

SourceFile::SourceFile(std::string path, std::string text) : path_(std::move(path)), text_(std::move(text)) {
  line_starts_.push_back(0);
  for (size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] == '\n') line_starts_.push_back(static_cast<int32_t>(i + 1));
  }
}

absl::StatusOr<std::shared_ptr<const SourceFile>> SourceFile::Create(std::string path, std::string text) {
  if (static_cast<int64_t>(text.size()) > kMaxSourceBytes) {
    return ir::ErrorStatus(ir::ErrorKind::kSourceLimit, path, ": error: the file has ", text.size(),
                           " bytes, more than the source size limit of ", kMaxSourceBytes);
  }
  int line = 1;
  for (size_t i = 0; i < text.size();) {
    const size_t length = SequenceLength(absl::string_view(text).substr(i, 4));
    if (length == 0) {
      return ir::ErrorStatus(ir::ErrorKind::kNotUtf8,
                             absl::StrFormat("%s: error: the file is not UTF-8 text: byte 0x%02x at offset %d, line %d",
                                             path, static_cast<unsigned char>(text[i]), i, line));
    }
    if (text[i] == '\n') ++line;
    i += length;
  }
  if (text.compare(0, 3, "\xEF\xBB\xBF") == 0) text.erase(0, 3);
  return std::shared_ptr<const SourceFile>(new SourceFile(std::move(path), std::move(text)));
}

absl::StatusOr<std::shared_ptr<const SourceFile>> SourceFile::Read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return ir::ErrorStatus(absl::StatusCode::kNotFound, ir::ErrorKind::kCannotRead, path,
                           ": error: cannot open the file for reading");
  // A device may have no end.
  std::string text;
  std::vector<char> block(1 << 16);
  while (in && static_cast<int64_t>(text.size()) <= kMaxSourceBytes) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    text.append(block.data(), static_cast<size_t>(in.gcount()));
  }
  if (in.bad())
    return ir::ErrorStatus(absl::StatusCode::kUnavailable, ir::ErrorKind::kCannotRead, path,
                           ": error: cannot read the file: a folder is none");
  return Create(path, std::move(text));
}

Position SourceFile::PositionOf(int32_t offset) const {
  const auto next = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
  const int line = static_cast<int>(next - line_starts_.begin());
  Position position{line, 1};
  const int32_t end = std::min<int32_t>(offset, static_cast<int32_t>(text_.size()));
  for (int32_t i = line_starts_[line - 1]; i < end; ++i) {
    if (!IsContinuation(text_[i])) ++position.column;
  }
  return position;
}

absl::string_view SourceFile::Line(int line) const {
  CHECK(line >= 1 && line <= line_count()) << "line " << line << " of " << path_;
  const int32_t begin = line_starts_[line - 1];
  const int32_t end = line < line_count() ? line_starts_[line] - 1 : static_cast<int32_t>(text_.size());
  absl::string_view text = absl::string_view(text_).substr(begin, end - begin);
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  return text;
}

std::string ToString(SourceRange range) {
  if (!range.file) return "(unknown place)";
  const Position p = range.start();
  return absl::StrCat(range.file->path(), ":", p.line, ":", p.column);
}

}  // namespace gradus::frontend
