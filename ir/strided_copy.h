// Copies between strided views of dense memory.
#pragma once

#include <cstddef>

#include "ir/type.h"

namespace gradus::ir {

// Element (i, j, …) of a view lies `offset + i strides[0] + j strides[1] + …` elements behind the start of its memory.
struct View {
  int64_t offset = 0;
  Shape strides;
};

// Copies `extents` elements of `element_bytes` (1, 4, 8, 16 or 32) each.
void StridedCopy(const Shape& extents, int64_t element_bytes, const std::byte* source, const View& from,
                 std::byte* target, const View& to);

}  // namespace gradus::ir
