// All NaNs are one value: what hashes and files see.
#pragma once

#include <string>

#include "ir/tensor.h"

namespace gradus::runtime {

// The little-endian bytes of the elements in row-major order, every NaN as the quiet positive one.
std::string CanonicalBytes(const ir::Tensor& tensor);

// Whether a floating-point tensor has a NaN, and at which element the first one stands (-1: nowhere).
int64_t FirstNan(const ir::Tensor& tensor);

}  // namespace gradus::runtime
