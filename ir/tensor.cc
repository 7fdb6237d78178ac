#include "ir/tensor.h"

#include <cstring>
#include <new>

namespace gradus::ir {
namespace {

constexpr std::align_val_t kAlignment{64};

template <typename T>
bool SameElement(T a, T b) {
  if (a != a || b != b) return a != a && b != b;
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

}  // namespace

void Tensor::Free::operator()(std::byte* p) const { ::operator delete[](p, kAlignment); }

Tensor::Tensor(Type type) : type_(std::move(type)) {
  const size_t bytes = static_cast<size_t>(byte_size());
  bytes_.reset(static_cast<std::byte*>(::operator new[](bytes == 0 ? 1 : bytes, kAlignment)));
  std::memset(bytes_.get(), 0, bytes);
}

Tensor::Tensor(const Tensor& other) : Tensor(other.type_) {
  std::memcpy(bytes_.get(), other.bytes_.get(), static_cast<size_t>(byte_size()));
}

bool SameBits(const Tensor& a, const Tensor& b) {
  if (a.type() != b.type()) return false;
  return Dispatch(a.type().element, [&](auto tag) {
    using T = decltype(tag);
    const auto x = a.data<T>(), y = b.data<T>();
    for (size_t i = 0; i < x.size(); ++i) {
      if (!SameElement(x[i], y[i])) return false;
    }
    return true;
  });
}

}  // namespace gradus::ir
