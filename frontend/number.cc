// Static numbers: reading them from text and rounding them to a type, once.
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "frontend/expression_builder.h"
#include "ir/error.h"

namespace gradus::frontend {
namespace {

// The nearest T to a decimal number (std::from_chars rounds correctly). Beyond its range: infinity, or zero.
template <typename T>
T ReadFloat(absl::string_view text) {
  const bool negative = absl::ConsumePrefix(&text, "-");
  T value = 0;
  if (text == "inf") {
    value = std::numeric_limits<T>::infinity();
  } else if (text == "nan") {
    value = std::numeric_limits<T>::quiet_NaN();
  } else if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc::result_out_of_range) {
    // from_chars leaves the value alone; the C library says infinity or the nearest small number.
    const std::string copy(text);
    if constexpr (std::is_same_v<T, float>) {
      value = std::strtof(copy.c_str(), nullptr);
    } else {
      value = std::strtod(copy.c_str(), nullptr);
    }
  }
  return negative ? -value : value;
}

std::string FloatText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  char* const end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return std::string(buffer, end);
}

template <typename T>
absl::StatusOr<ir::Tensor> RoundToInteger(const Number& number, ir::DType type) {
  if (number.kind == Number::Kind::kFloat && !number.text.empty() &&
      number.text.find_first_not_of("-0123456789") == std::string::npos) {
    return ir::ErrorStatus(ir::ErrorKind::kNumberRange, number.text, " is out of range for ", ir::Name(type));
  }
  if (number.kind == Number::Kind::kFloat) {
    return ir::ErrorStatus(ir::ErrorKind::kNotAWholeNumber, ToString(number), " is not a whole number, as ",
                           ir::Name(type), " needs");
  }
  if (number.integer < static_cast<int64_t>(std::numeric_limits<T>::min()) ||
      number.integer > static_cast<int64_t>(std::numeric_limits<T>::max())) {
    return ir::ErrorStatus(ir::ErrorKind::kNumberRange, number.integer, " is out of range for ", ir::Name(type));
  }
  return ir::Tensor::Scalar<T>(static_cast<T>(number.integer));
}

}  // namespace

Number Number::Negated() const {
  Number n = *this;
  n.floating = -floating;
  if (kind == Kind::kInteger) n.integer = static_cast<int64_t>(uint64_t{0} - static_cast<uint64_t>(integer));
  if (!text.empty()) n.text = text[0] == '-' ? text.substr(1) : absl::StrCat("-", text);
  // The one integer whose magnitude is none.
  if (n.text == "-9223372036854775808") return Integer(std::numeric_limits<int64_t>::min());
  return n;
}

absl::StatusOr<Number> ReadNumber(const ast::Number& literal) {
  absl::string_view text = literal.text;
  if (!literal.is_integer) {
    Number number = Number::Float(ReadFloat<double>(text));
    number.text = literal.text;
    if (std::isinf(number.floating) && text != "inf") {
      return ir::ErrorStatus(ir::ErrorKind::kNumberRange, text, " is out of range for f64");
    }
    return number;
  }
  const int base = absl::ConsumePrefix(&text, "0x") ? 16 : 10;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  // A hexadecimal number is 64 bits, whatever they mean.
  const uint64_t limit =
      base == 16 ? std::numeric_limits<uint64_t>::max() : static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (base == 10 && (error == std::errc::result_out_of_range || value > limit)) {
    // A floating-point type may hold it.
    Number number = Number::Float(ReadFloat<double>(text));
    number.text = literal.text;
    return number;
  }
  if (error != std::errc() || end != text.data() + text.size()) {
    return ir::ErrorStatus(ir::ErrorKind::kNumberRange, literal.text, " is out of range for i64");
  }
  return Number::Integer(static_cast<int64_t>(value));
}

std::string ToString(const Number& number) {
  switch (number.kind) {
    case Number::Kind::kBool:
      return number.boolean ? "true" : "false";
    case Number::Kind::kInteger:
      return absl::StrCat(number.integer);
    case Number::Kind::kFloat:
      break;
  }
  return number.text.empty() ? FloatText(number.floating) : number.text;
}

absl::StatusOr<ir::Tensor> RoundTo(const Number& number, ir::DType type) {
  if ((type == ir::DType::kBool) != (number.kind == Number::Kind::kBool)) {
    return ir::ErrorStatus(ir::ErrorKind::kNumberForBool, ToString(number), " is no ", ir::Name(type),
                           type == ir::DType::kBool ? "; write true or false" : "");
  }
  switch (type) {
    case ir::DType::kBool:
      return ir::Tensor::Scalar<bool>(number.boolean);
    case ir::DType::kU8:
      return RoundToInteger<uint8_t>(number, type);
    case ir::DType::kI32:
      return RoundToInteger<int32_t>(number, type);
    case ir::DType::kI64:
      return RoundToInteger<int64_t>(number, type);
    case ir::DType::kF32: {
      if (number.kind == Number::Kind::kInteger) return ir::Tensor::Scalar<float>(static_cast<float>(number.integer));
      const float value = number.text.empty() ? static_cast<float>(number.floating) : ReadFloat<float>(number.text);
      if (std::isinf(value) && !std::isinf(number.floating)) {
        return ir::ErrorStatus(ir::ErrorKind::kNumberRange, ToString(number), " is out of range for f32");
      }
      return ir::Tensor::Scalar<float>(value);
    }
    case ir::DType::kF64:
      break;
  }
  return ir::Tensor::Scalar<double>(number.AsDouble());
}

}  // namespace gradus::frontend
