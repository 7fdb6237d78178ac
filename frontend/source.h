// Source texts and places in them.
//
// A place is a byte range of one file; lines and columns are computed when a message wants them. Lines and columns
// count from 1, and columns count Unicode code points, so that a caret stands under its character whatever precedes it
// on the line.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gradus::frontend {

// The length of the UTF-8 sequence at the beginning of `s`, 0 where there is none (The Unicode Standard, table 3-7).
size_t SequenceLength(absl::string_view s);

inline constexpr int64_t kMaxSourceBytes = int64_t{1} << 28;  // reported as the source size limit

struct Position {
  int line = 1;
  int column = 1;
  friend bool operator==(Position a, Position b) { return a.line == b.line && a.column == b.column; }
};

class SourceFile {
 public:
  // The text of a file as it is; `path` is what messages call it. Fails with a sentence that gives the byte offset and
  // line of the first byte that is not UTF-8, and for texts beyond kMaxSourceBytes. A byte order mark at the start is
  // dropped.
  static absl::StatusOr<std::shared_ptr<const SourceFile>> Create(std::string path, std::string text);
  // Reads it from disk.
  static absl::StatusOr<std::shared_ptr<const SourceFile>> Read(const std::string& path);

  const std::string& path() const { return path_; }
  absl::string_view text() const { return text_; }

  Position PositionOf(int32_t offset) const;
  // The text of a line, counted from 1, without its line ending.
  absl::string_view Line(int line) const;
  int32_t LineStart(int line) const { return line_starts_[line - 1]; }
  int line_count() const { return static_cast<int>(line_starts_.size()); }

 private:
  SourceFile(std::string path, std::string text);

  std::string path_;
  std::string text_;
  std::vector<int32_t> line_starts_;
};

// The bytes [begin, end) of a file. The file outlives every range: ast::File owns it. Without a file, the place is
// unknown.
struct SourceRange {
  const SourceFile* file = nullptr;
  int32_t begin = 0;
  int32_t end = 0;

  Position start() const { return file ? file->PositionOf(begin) : Position{}; }
  absl::string_view text() const { return file ? file->text().substr(begin, end - begin) : absl::string_view(); }
  // From the beginning of *this to the end of `last`, of the same file.
  SourceRange To(SourceRange last) const { return {file, begin, last.end}; }
};

// `mlp.gr:12:14`.
std::string ToString(SourceRange range);

}  // namespace gradus::frontend
