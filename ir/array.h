// What the interpreter computes on: a dense row-major tensor whose floats may be of another C++ type than its Type
// says.
//
// Under native arithmetic an f32 is a float and an f64 a double, and an Array is a Tensor. The other arithmetics are
// oracles: every float is a double, a Dual<double> or a Dual<Dual<double>>, whatever its width in the graph.
#pragma once

#include <cstddef>
#include <memory>

#include "absl/types/span.h"
#include "ir/check.h"
#include "ir/dual.h"
#include "ir/tensor.h"

namespace gradus::ir {

enum class Arithmetic : uint8_t { kNative, kDouble, kDual, kDualOfDual };

// The C++ type of the elements of an Array.
enum class Element : uint8_t { kBool, kU8, kI32, kI64, kFloat, kDouble, kDual, kDualOfDual };
Element ElementFor(DType type, Arithmetic arithmetic);
int64_t ByteWidth(Element element);

template <typename T>
struct ElementOf;
template <>
struct ElementOf<bool> {
  static constexpr Element value = Element::kBool;
};
template <>
struct ElementOf<uint8_t> {
  static constexpr Element value = Element::kU8;
};
template <>
struct ElementOf<int32_t> {
  static constexpr Element value = Element::kI32;
};
template <>
struct ElementOf<int64_t> {
  static constexpr Element value = Element::kI64;
};
template <>
struct ElementOf<float> {
  static constexpr Element value = Element::kFloat;
};
template <>
struct ElementOf<double> {
  static constexpr Element value = Element::kDouble;
};
template <>
struct ElementOf<Dual<double>> {
  static constexpr Element value = Element::kDual;
};
template <>
struct ElementOf<Dual<Dual<double>>> {
  static constexpr Element value = Element::kDualOfDual;
};

class Array {
 public:
  Array() : Array(Type{}, Arithmetic::kNative) {}
  // Elements are not initialised.
  Array(Type type, Arithmetic arithmetic);

  // An array of another type with elements of the same C++ type, not initialised.
  Array WithType(Type type) const { return Array(std::move(type), element_); }

  // Every element converted: exact from f32 and integers.
  static Array From(const Tensor& tensor, Arithmetic arithmetic);
  // The values (without derivatives), rounded to the element type of type().
  Tensor ToTensor() const;

  const Type& type() const { return type_; }
  Element element() const { return element_; }
  int64_t size() const { return type_.elements().value(); }
  int64_t element_bytes() const { return ByteWidth(element_); }
  int64_t byte_size() const { return size() * element_bytes(); }
  std::byte* bytes() { return bytes_.get(); }
  const std::byte* bytes() const { return bytes_.get(); }

  template <typename T>
  absl::Span<T> data() {
    CHECK(ElementOf<T>::value == element_) << "asked " << type_ << " for another element type";
    return absl::MakeSpan(reinterpret_cast<T*>(bytes_.get()), static_cast<size_t>(size()));
  }
  template <typename T>
  absl::Span<const T> data() const {
    return const_cast<Array*>(this)->data<T>();
  }

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  Array(Type type, Element element);
  Type type_;
  Element element_;
  std::unique_ptr<std::byte[], Free> bytes_;
};

// Calls f with a value-initialised object of the C++ type of `element`.
template <typename F>
decltype(auto) Dispatch(Element element, F&& f) {
  switch (element) {
    case Element::kBool:
      return f(bool{});
    case Element::kU8:
      return f(uint8_t{});
    case Element::kI32:
      return f(int32_t{});
    case Element::kI64:
      return f(int64_t{});
    case Element::kFloat:
      return f(float{});
    case Element::kDouble:
      return f(double{});
    case Element::kDual:
      return f(Dual<double>{});
    case Element::kDualOfDual:
      break;
  }
  return f(Dual<Dual<double>>{});
}

}  // namespace gradus::ir
