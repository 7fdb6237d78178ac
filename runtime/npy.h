// NumPy's array files: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1 to 3.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ir/tensor.h"

namespace gradus::runtime {

// Whether the bytes start as an .npy file does.
bool LooksLikeNpy(absl::string_view bytes);

// The array, in one of our types as runtime/raw_array.h widens it. Little and big endian, C and Fortran order; no
// structured, string or object arrays. Bytes after the array are an error.
absl::StatusOr<ir::Tensor> ParseNpy(absl::string_view name, absl::string_view bytes);

// The bytes of an .npy file of version 1 with this array.
std::string SerializeNpy(const ir::Tensor& tensor);

}  // namespace gradus::runtime
