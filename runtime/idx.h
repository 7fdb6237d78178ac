// IDX files, in which MNIST is published: http://yann.lecun.com/exdb/mnist/.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ir/tensor.h"

namespace gradus::runtime {

// Whether the bytes start as an IDX file does: two zeros, a known type, a rank from 1 to 16.
bool LooksLikeIdx(absl::string_view bytes);

// The array; big endian as the format has it. Bytes after it are an error.
absl::StatusOr<ir::Tensor> ParseIdx(absl::string_view name, absl::string_view bytes);

}  // namespace gradus::runtime
