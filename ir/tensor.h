// A dense row-major tensor on the host: what literals, data files, parameters and the interpreter hold.
#pragma once

#include <cstddef>
#include <memory>

#include "absl/types/span.h"
#include "ir/check.h"
#include "ir/type.h"

namespace gradus::ir {

template <typename T>
struct DTypeOf;
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::kBool;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::kU8;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::kI32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::kI64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kF32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::kF64;
};

class Tensor {
 public:
  Tensor() : Tensor(Type{}) {}
  // Zeros of a type whose bytes the verifier has checked; aligned to 64 bytes.
  explicit Tensor(Type type);
  Tensor(const Tensor& other);
  Tensor(Tensor&& other) = default;
  Tensor& operator=(Tensor other) {
    type_ = std::move(other.type_);
    bytes_ = std::move(other.bytes_);
    return *this;
  }

  // A tensor of T's element type with these elements in row-major order.
  template <typename T>
  static Tensor Of(Shape shape, absl::Span<const T> elements) {
    Tensor t(Type{DTypeOf<T>::value, std::move(shape)});
    CHECK(t.size() == static_cast<int64_t>(elements.size())) << t.type() << " from " << elements.size() << " elements";
    std::copy(elements.begin(), elements.end(), t.data<T>().begin());
    return t;
  }
  template <typename T>
  static Tensor Scalar(T value) {
    return Of<T>({}, absl::MakeConstSpan(&value, 1));
  }

  const Type& type() const { return type_; }
  int64_t size() const { return type_.elements().value(); }
  int64_t byte_size() const { return type_.bytes().value(); }
  std::byte* bytes() { return bytes_.get(); }
  const std::byte* bytes() const { return bytes_.get(); }

  template <typename T>
  absl::Span<T> data() {
    CHECK(DTypeOf<T>::value == type_.element) << "asked " << type_ << " for another element type";
    return absl::MakeSpan(reinterpret_cast<T*>(bytes_.get()), static_cast<size_t>(size()));
  }
  template <typename T>
  absl::Span<const T> data() const {
    return const_cast<Tensor*>(this)->data<T>();
  }

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  Type type_;
  std::unique_ptr<std::byte[], Free> bytes_;
};

// Same type and same bits, all NaNs being one value.
bool SameBits(const Tensor& a, const Tensor& b);

// Calls f with a value-initialised object of the C++ type of `type` (bool, uint8_t, int32_t, int64_t, float, double).
template <typename F>
decltype(auto) Dispatch(DType type, F&& f) {
  switch (type) {
    case DType::kBool:
      return f(bool{});
    case DType::kU8:
      return f(uint8_t{});
    case DType::kI32:
      return f(int32_t{});
    case DType::kI64:
      return f(int64_t{});
    case DType::kF32:
      return f(float{});
    case DType::kF64:
      break;
  }
  return f(double{});
}

}  // namespace gradus::ir
