#include "ir/strided_copy.h"

#include <cstring>

#include "ir/check.h"

namespace gradus::ir {
namespace {

template <size_t kBytes>
struct Block {
  std::byte bytes[kBytes];
};

template <typename T>
void CopyAxes(const int64_t* extents, const int64_t* from_strides, const int64_t* to_strides, size_t rank,
              const T* from, T* to) {
  if (rank == 0) {
    *to = *from;
  } else if (rank == 1 && from_strides[0] == 1 && to_strides[0] == 1) {
    std::memcpy(to, from, static_cast<size_t>(extents[0]) * sizeof(T));
  } else if (rank == 1) {
    for (int64_t i = 0; i < extents[0]; ++i) to[i * to_strides[0]] = from[i * from_strides[0]];
  } else {
    for (int64_t i = 0; i < extents[0]; ++i) {
      CopyAxes(extents + 1, from_strides + 1, to_strides + 1, rank - 1, from + i * from_strides[0],
               to + i * to_strides[0]);
    }
  }
}

template <size_t kBytes>
void CopyBlocks(const Shape& extents, const std::byte* source, const View& from, std::byte* target, const View& to) {
  using T = Block<kBytes>;
  CopyAxes(extents.data(), from.strides.data(), to.strides.data(), extents.size(),
           reinterpret_cast<const T*>(source) + from.offset, reinterpret_cast<T*>(target) + to.offset);
}

}  // namespace

void StridedCopy(const Shape& extents, int64_t element_bytes, const std::byte* source, const View& from,
                 std::byte* target, const View& to) {
  switch (element_bytes) {
    case 1:
      return CopyBlocks<1>(extents, source, from, target, to);
    case 4:
      return CopyBlocks<4>(extents, source, from, target, to);
    case 8:
      return CopyBlocks<8>(extents, source, from, target, to);
    case 16:
      return CopyBlocks<16>(extents, source, from, target, to);
    default:
      CHECK(element_bytes == 32) << element_bytes;
      return CopyBlocks<32>(extents, source, from, target, to);
  }
}

}  // namespace gradus::ir
