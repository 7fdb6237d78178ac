#include "runtime/canonical.h"

#include <bit>
#include <limits>
#include <type_traits>

namespace gradus::runtime {

static_assert(std::endian::native == std::endian::little, "bytes are written as they lie");

std::string CanonicalBytes(const ir::Tensor& tensor) {
  if (!ir::IsFloat(tensor.type().element) || FirstNan(tensor) < 0) {
    return std::string(reinterpret_cast<const char*>(tensor.bytes()), tensor.byte_size());
  }
  ir::Tensor copy = tensor;
  ir::Dispatch(copy.type().element, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_floating_point_v<T>) {
      for (T& v : copy.data<T>()) {
        if (v != v) v = std::numeric_limits<T>::quiet_NaN();
      }
    }
  });
  return std::string(reinterpret_cast<const char*>(copy.bytes()), copy.byte_size());
}

int64_t FirstNan(const ir::Tensor& tensor) {
  return ir::Dispatch(tensor.type().element, [&](auto tag) -> int64_t {
    using T = decltype(tag);
    if constexpr (std::is_floating_point_v<T>) {
      const auto data = tensor.data<T>();
      for (size_t i = 0; i < data.size(); ++i) {
        if (data[i] != data[i]) return static_cast<int64_t>(i);
      }
    }
    return -1;
  });
}

}  // namespace gradus::runtime
