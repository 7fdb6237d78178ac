#include "ir/array.h"

#include <cstdlib>
#include <new>

#include "ir/convert.h"

namespace gradus::ir {

Element ElementFor(DType type, Arithmetic arithmetic) {
  switch (type) {
    case DType::kBool:
      return Element::kBool;
    case DType::kU8:
      return Element::kU8;
    case DType::kI32:
      return Element::kI32;
    case DType::kI64:
      return Element::kI64;
    case DType::kF32:
    case DType::kF64:
      break;
  }
  switch (arithmetic) {
    case Arithmetic::kNative:
      return type == DType::kF32 ? Element::kFloat : Element::kDouble;
    case Arithmetic::kDouble:
      return Element::kDouble;
    case Arithmetic::kDual:
      return Element::kDual;
    case Arithmetic::kDualOfDual:
      break;
  }
  return Element::kDualOfDual;
}

int64_t ByteWidth(Element element) {
  return Dispatch(element, [](auto e) { return static_cast<int64_t>(sizeof(e)); });
}

void Array::Free::operator()(std::byte* p) const { std::free(p); }

Array::Array(Type type, Arithmetic arithmetic) : Array(type, ElementFor(type.element, arithmetic)) {}

Array::Array(Type type, Element element) : type_(std::move(type)), element_(element) {
  const int64_t bytes = (Size(size()) * Size(ByteWidth(element_)) + Size(1)).RoundedUpTo(64).value();
  bytes_.reset(static_cast<std::byte*>(std::aligned_alloc(64, static_cast<size_t>(bytes))));
  CHECK(bytes_ != nullptr) << "out of memory for " << type_;
}

Array Array::From(const Tensor& tensor, Arithmetic arithmetic) {
  Array array(tensor.type(), arithmetic);
  gradus::ir::Dispatch(tensor.type().element, [&](auto from) {
    Dispatch(array.element(), [&](auto to) {
      const auto source = tensor.data<decltype(from)>();
      const auto target = array.data<decltype(to)>();
      for (size_t i = 0; i < source.size(); ++i) target[i] = ConvertElement<decltype(to)>(source[i]);
    });
  });
  return array;
}

Tensor Array::ToTensor() const {
  Tensor tensor(type_);
  gradus::ir::Dispatch(type_.element, [&](auto to) {
    Dispatch(element_, [&](auto from) {
      const auto source = data<decltype(from)>();
      const auto target = tensor.data<decltype(to)>();
      for (size_t i = 0; i < source.size(); ++i) target[i] = ConvertElement<decltype(to)>(source[i]);
    });
  });
  return tensor;
}

}  // namespace gradus::ir
