#include "ir/error.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace gradus::ir {
namespace {

// `InnerSizesDiffer` to `inner-sizes-differ`, `NotUtf8` to `not-utf8`.
std::string KebabCase(absl::string_view name) {
  std::string kebab;
  for (char c : name) {
    if (absl::ascii_isupper(c) && !kebab.empty()) kebab.push_back('-');
    kebab.push_back(absl::ascii_tolower(c));
  }
  return kebab;
}

std::vector<ErrorInfo> MakeTable() {
  std::vector<ErrorInfo> table;
  absl::string_view section;
#define SECTION(title) section = title;
#define ERROR(name, cause, fix) table.push_back({ErrorKind::k##name, KebabCase(#name), section, cause, fix});
#include "ir/errors.def"
  return table;
}

const std::vector<ErrorInfo>& Table();

// What quotes the message of another layer has its kind already.
bool EndsInKind(absl::string_view message) {
  const size_t open = message.rfind(" [");
  if (open == absl::string_view::npos || !absl::EndsWith(message, "]")) return false;
  const absl::string_view name = message.substr(open + 2, message.size() - open - 3);
  return std::any_of(Table().begin(), Table().end(), [&](const ErrorInfo& info) { return info.name == name; });
}

const std::vector<ErrorInfo>& Table() {
  static const std::vector<ErrorInfo>& table = *new std::vector<ErrorInfo>(MakeTable());
  return table;
}

}  // namespace

const ErrorInfo& Info(ErrorKind kind) { return Table()[static_cast<size_t>(kind)]; }

absl::Span<const ErrorInfo> AllErrors() { return Table(); }

absl::string_view WithoutKind(absl::string_view message) {
  return EndsInKind(message) ? message.substr(0, message.rfind(" [")) : message;
}

std::string WithKind(ErrorKind kind, absl::string_view message) {
  if (EndsInKind(message)) return std::string(message);
  return absl::StrCat(message, " [", Info(kind).name, "]");
}

}  // namespace gradus::ir
