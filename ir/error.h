// What a user can cause and gets to read: every such message has a kind, a row of ir/errors.def, and ends in its name:
//
//   mlp.gr:12:14: error: cannot multiply f32[64,256] by f32[10,256]: inner sizes 256 and 10 differ [inner-sizes-differ]
//
// docs/errors.md lists the kinds, with cause, example and fix. Our own bugs are CHECKs (ir/check.h) and internal
// errors, which have none.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace gradus::ir {

enum class ErrorKind : uint16_t {
#define SECTION(...)
#define ERROR(name, ...) k##name,
#include "ir/errors.def"
};

struct ErrorInfo {
  ErrorKind kind;
  std::string name;  // `inner-sizes-differ`
  absl::string_view section;
  absl::string_view cause;
  absl::string_view fix;
};

const ErrorInfo& Info(ErrorKind kind);
absl::Span<const ErrorInfo> AllErrors();  // in the order of the table

// The message with the name of its kind behind it; one that ends in the name of a kind stays as it is.
std::string WithKind(ErrorKind kind, absl::string_view message);

// The sentence without it, for who quotes it in a reason.
absl::string_view WithoutKind(absl::string_view message);

// A failed status of the parts, joined, and their kind.
template <typename... Parts>
absl::Status ErrorStatus(absl::StatusCode code, ErrorKind kind, const Parts&... parts) {
  return absl::Status(code, WithKind(kind, absl::StrCat(parts...)));
}
template <typename... Parts>
absl::Status ErrorStatus(ErrorKind kind, const Parts&... parts) {
  return ErrorStatus(absl::StatusCode::kInvalidArgument, kind, parts...);
}

}  // namespace gradus::ir
