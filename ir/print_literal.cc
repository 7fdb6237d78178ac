// Numbers as the text of a graph has them: floats shortest that read back the same.
#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "ir/array.h"
#include "ir/printer.h"

namespace gradus::ir {
namespace {

template <typename T>
std::string PrintNumber(T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_integral_v<T>) {
    return absl::StrCat(static_cast<int64_t>(value));
  } else {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    if (value == 0 && std::signbit(value)) return "-0.0";  // the integer -0 has no sign
    char buffer[64];
    const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
    return std::string(buffer, end);
  }
}

template <typename T>
std::string PrintElements(absl::Span<const T> elements, absl::Span<const int64_t> shape) {
  if (shape.empty()) return PrintNumber(elements[0]);
  const size_t stride = elements.size() / static_cast<size_t>(shape[0]);
  std::string out = "[";
  for (int64_t i = 0; i < shape[0]; ++i) {
    absl::StrAppend(&out, i == 0 ? "" : ", ",
                    PrintElements(elements.subspan(static_cast<size_t>(i) * stride, stride), shape.subspan(1)));
  }
  return out + "]";
}

}  // namespace

std::string PrintLiteral(const Tensor& literal) {
  return Dispatch(literal.type().element, [&](auto tag) {
    return PrintElements<decltype(tag)>(literal.data<decltype(tag)>(), literal.type().shape);
  });
}

}  // namespace gradus::ir
