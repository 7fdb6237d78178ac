// Matchers of absl::Status and absl::StatusOr, which Debian's Abseil lacks.
#pragma once

#include <gmock/gmock.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gradus::testing_support {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// The Status or StatusOr is OK.
MATCHER(IsOk, "is OK") {
  *result_listener << StatusOf(arg);
  return StatusOf(arg).ok();
}

// It failed, with a message that contains `part`.
MATCHER_P(FailsWith, part, std::string("fails with a message containing \"") + part + "\"") {
  *result_listener << StatusOf(arg);
  return !StatusOf(arg).ok() && StatusOf(arg).message().find(part) != absl::string_view::npos;
}

}  // namespace gradus::testing_support
