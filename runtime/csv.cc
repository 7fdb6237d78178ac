#include "runtime/csv.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "frontend/suggest.h"
#include "ir/check.h"
#include "ir/error.h"
#include "runtime/memory.h"

namespace gradus::runtime {
namespace {

constexpr size_t kMaxShownField = 40;

struct Field {
  std::string text;
  int line = 0;
  int column = 0;  // in bytes, from 1
};

class RowReader {
 public:
  RowReader(absl::string_view name, absl::string_view text) : name_(name), text_(text) {
    absl::ConsumePrefix(&text_, "\xef\xbb\xbf");
  }

  bool AtEnd() const { return at_ == text_.size(); }
  absl::Status Error(int line, int column, absl::string_view what) const {
    return ir::ErrorStatus(ir::ErrorKind::kBrokenTable, name_, ":", line, ":", column, ": ", what);
  }

  // The fields of the next row; none for an empty line.
  absl::Status Next(std::vector<Field>& fields) {
    fields.clear();
    if (EndOfLine()) return absl::OkStatus();
    do {
      Field field{"", line_, static_cast<int>(at_ - line_start_) + 1};
      if (at_ < text_.size() && text_[at_] == '"') {
        RETURN_IF_ERROR(Quoted(field));
      } else {
        const size_t end = std::min(text_.find_first_of(",\r\n\"", at_), text_.size());
        field.text = std::string(absl::StripAsciiWhitespace(text_.substr(at_, end - at_)));
        at_ = end;
      }
      fields.push_back(std::move(field));
    } while (Accept(','));
    if (AtEnd() || EndOfLine()) return absl::OkStatus();
    return Error(line_, static_cast<int>(at_ - line_start_) + 1, "expected a comma or the end of the line");
  }

 private:
  bool Accept(char c) {
    if (AtEnd() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool EndOfLine() {
    const size_t before = at_;
    const bool carriage = Accept('\r');
    if (!Accept('\n') && !carriage) {
      at_ = before;
      return false;
    }
    NewLine();
    return true;
  }
  void NewLine() {
    ++line_;
    line_start_ = at_;
  }
  absl::Status Quoted(Field& field) {
    ++at_;
    for (;;) {
      if (AtEnd()) return Error(field.line, field.column, "the quotation that starts here does not end");
      const char c = text_[at_++];
      if (c == '"' && !Accept('"')) return absl::OkStatus();
      field.text.push_back(c);
      if (c == '\n') NewLine();
    }
  }

  std::string name_;
  absl::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
  size_t line_start_ = 0;
};

// `nan` and `inf` are numbers here, so that a line with one is not taken for names; they are refused afterwards.
absl::optional<double> ParseNumber(absl::string_view text) {
  double value = 0;
  if (!absl::SimpleAtod(text, &value)) return absl::nullopt;
  return value;
}

// Which columns are asked for.
absl::StatusOr<std::vector<size_t>> Select(absl::string_view name, absl::string_view wanted,
                                           const std::vector<std::string>& names) {
  std::vector<size_t> selected;
  if (wanted.empty()) {
    for (size_t i = 0; i < names.size(); ++i) selected.push_back(i);
    return selected;
  }
  for (const absl::string_view one : absl::StrSplit(wanted, ',')) {
    const absl::string_view stripped = absl::StripAsciiWhitespace(one);
    size_t i = 0;
    while (i < names.size() && names[i] != stripped) ++i;
    if (i == names.size()) {
      const std::string nearest = frontend::Nearest(stripped, names);
      return ir::ErrorStatus(absl::StatusCode::kNotFound, ir::ErrorKind::kMissingArray, name, ": has no column ",
                             stripped,
                             nearest.empty() ? "; it has " : absl::StrCat(": did you mean ", nearest, "? It has "),
                             absl::StrJoin(names, ", "));
    }
    selected.push_back(i);
  }
  return selected;
}

}  // namespace

absl::StatusOr<ir::Tensor> ParseCsv(absl::string_view name, absl::string_view text, absl::string_view columns) {
  RowReader reader(name, text);
  std::vector<Field> fields;
  std::vector<std::string> names;
  std::vector<size_t> selected;
  std::vector<double> numbers;
  std::vector<int64_t> integers;
  bool integer = true, first = true;
  while (!reader.AtEnd()) {
    RETURN_IF_ERROR(reader.Next(fields));
    if (fields.empty()) continue;
    if (first) {
      first = false;
      bool header = false;
      for (size_t i = 0; i < fields.size(); ++i) {
        header |= !ParseNumber(fields[i].text);
        names.push_back(absl::StrCat(i));
      }
      if (header) {
        for (size_t i = 0; i < fields.size(); ++i) names[i] = fields[i].text;
      }
      ASSIGN_OR_RETURN(selected, Select(name, columns, names));
      if (header) continue;
    }
    if (fields.size() != names.size()) {
      return reader.Error(
          fields[0].line, 1,
          absl::StrCat("expected ", names.size(), " fields as in the first line, found ", fields.size()));
    }
    for (const size_t i : selected) {
      const Field& field = fields[i];
      const absl::optional<double> value = ParseNumber(field.text);
      if (!value || !std::isfinite(*value)) {
        return reader.Error(field.line, field.column,
                            absl::StrCat("expected a finite number in the column ", names[i], ", found '",
                                         field.text.substr(0, kMaxShownField), "'"));
      }
      if (numbers.size() == numbers.capacity()) {
        RETURN_IF_ERROR(
            CheckMemory(ir::Size(static_cast<int64_t>(numbers.size())) * 48, absl::StrCat("the table ", name)));
      }
      numbers.push_back(*value);
      int64_t whole = 0;
      if (integer && !absl::SimpleAtoi(field.text, &whole)) integer = false;
      integers.push_back(whole);
    }
  }
  if (selected.empty() || numbers.empty())
    return ir::ErrorStatus(ir::ErrorKind::kBrokenTable, name, ":1:1: expected rows of numbers, found none");
  const int64_t width = static_cast<int64_t>(selected.size()), rows = static_cast<int64_t>(numbers.size()) / width;
  const ir::Shape shape = width == 1 ? ir::Shape{rows} : ir::Shape{rows, width};
  if (integer) return ir::Tensor::Of<int64_t>(shape, integers);
  return ir::Tensor::Of<double>(shape, numbers);
}

}  // namespace gradus::runtime
