// Tables of numbers as text: RFC 4180, with or without a line of column names.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ir/tensor.h"

namespace gradus::runtime {

// The named columns (`age`, or `age,height`; of a file without names, `0`, `1`, …), or all of them where `columns` is
// empty. One column gives rank 1, several (or all of a wider file) rows × columns. i64 where every number is written as
// an integer, else f64. Fields may be quoted; every row has as many as the first; a field that is not a finite number
// is an error that gives line and column. The first line holds names where one of its fields is not a number.
absl::StatusOr<ir::Tensor> ParseCsv(absl::string_view name, absl::string_view text, absl::string_view columns);

}  // namespace gradus::runtime
