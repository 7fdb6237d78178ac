// From a source as the program writes it (`"a.npz:x"`) to a tensor of the type that the program declares.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ir/tensor.h"

namespace gradus::runtime {

// Reads what `path` names, relative to `directory` (empty, or ending in `/`): an .npy, .npz (`file.npz:array`), IDX or
// CSV (`file.csv:column`, `file.csv:a,b`) file, told apart by content; IDX and CSV also packed by gzip. The part behind
// the last colon is an array or columns only where no file has the whole name.
absl::StatusOr<ir::Tensor> ReadSource(const std::string& directory, const std::string& path);

// The same numbers as another type. Rounds to a floating-point type, and to an integer type only where nothing is
// rounded. Fails with the element at fault, called `name`, for NaN, for a number that the type does not hold, and for a
// bool that is not 0 or 1.
absl::StatusOr<ir::Tensor> ConvertElements(absl::string_view name, const ir::Tensor& tensor, ir::DType type);

// The same elements in another shape of as many; `name` for the sentence.
absl::StatusOr<ir::Tensor> Reshaped(absl::string_view name, ir::Tensor tensor, ir::Shape shape);

}  // namespace gradus::runtime
