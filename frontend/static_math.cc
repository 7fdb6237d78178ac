#include "frontend/static_math.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ir/math.h"
#include "ir/printer.h"
#include "ir/scalar.h"

namespace gradus::frontend {
namespace {

using ir::Op;
using Real = ir::F<ir::Scalar<double>>;
using Integer = ir::I<ir::Scalar<int64_t>>;
using Truth = ir::B<ir::Scalar<double>>;

absl::StatusOr<Item> EvaluateReal(Op op, absl::Span<const StaticNumber> operands) {
  const auto at = [&](size_t i) { return Real(operands[i].real); };
  switch (op) {
#define UNARY(name, mnemonic, types, y_column, ...)    \
  case Op::k##name: {                                  \
    const Real x = at(0);                              \
    return Item(StaticNumber::OfReal((y_column).raw)); \
  }
#define BINARY(name, mnemonic, infix, types, y_column, ...) \
  case Op::k##name: {                                       \
    const Real a = at(0), b = at(1);                        \
    return Item(StaticNumber::OfReal((y_column).raw));      \
  }
#define TERNARY(name, mnemonic, types, y_column, ...)  \
  case Op::k##name: {                                  \
    const Real a = at(0), b = at(1), c = at(2);        \
    return Item(StaticNumber::OfReal((y_column).raw)); \
  }
#define COMPARE(name, mnemonic, infix, types, y_column, doc) \
  case Op::k##name: {                                        \
    const Real a = at(0), b = at(1);                         \
    return Item(bool{(y_column).raw});                       \
  }
#define PREDICATE(name, mnemonic, types, y_column, doc) \
  case Op::k##name: {                                   \
    const Real x = at(0);                               \
    return Item(bool{(y_column).raw});                  \
  }
#include "ir/ops.def"
    default:
      return absl::InvalidArgumentError(absl::StrCat(ir::Info(op).mnemonic, " is not for static numbers"));
  }
}

absl::Status Overflow(Op op) {
  return absl::InvalidArgumentError(absl::StrCat(ir::Info(op).mnemonic, " of static integers overflows 64 bits"));
}

absl::StatusOr<Item> IntegerPower(int64_t base, int64_t exponent) {
  int64_t result = 1;
  for (int64_t i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(result, base, &result)) return Overflow(Op::kPow);
    if (result == 0 || (result == 1 && base == 1)) break;
    if (base == -1 && i > 1) return Item(StaticNumber::Of(exponent % 2 == 0 ? 1 : -1));
  }
  return Item(StaticNumber::Of(result));
}

// Nothing: the operation is one that computes in f64.
absl::optional<absl::StatusOr<Item>> EvaluateInteger(Op op, int64_t a, int64_t b) {
  using Result = absl::StatusOr<Item>;
  int64_t r = 0;
  const auto number = [](int64_t value) { return Result(Item(StaticNumber::Of(value))); };
  const auto checked = [&](bool overflow) { return overflow ? Result(Overflow(op)) : number(r); };
  const bool divides = op == Op::kFloorDiv || op == Op::kMod;
  if (divides && b == 0) return Result(absl::InvalidArgumentError("a static integer is divided by zero"));
  switch (op) {
    case Op::kAdd:
      return checked(__builtin_add_overflow(a, b, &r));
    case Op::kSub:
      return checked(__builtin_sub_overflow(a, b, &r));
    case Op::kMul:
      return checked(__builtin_mul_overflow(a, b, &r));
    case Op::kNeg:
      return checked(__builtin_sub_overflow(int64_t{0}, a, &r));
    case Op::kFloorDiv:
      return number(FloorDiv(Integer(a), Integer(b)).raw);
    case Op::kMod:
      return number(Mod(Integer(a), Integer(b)).raw);
    case Op::kPow:
      if (b < 0) return absl::nullopt;
      return IntegerPower(a, b);
    case Op::kAbs:
      return number(Abs(Integer(a)).raw);
    case Op::kSign:
      return number(Sign(Integer(a)).raw);
    case Op::kMinimum:
      return number(std::min(a, b));
    case Op::kMaximum:
      return number(std::max(a, b));
    case Op::kFloor:
    case Op::kCeil:
    case Op::kRound:
      return number(a);
    case Op::kEqual:
      return Result(Item(a == b));
    case Op::kNotEqual:
      return Result(Item(a != b));
    case Op::kLess:
      return Result(Item(a < b));
    case Op::kLessEqual:
      return Result(Item(a <= b));
    case Op::kGreater:
      return Result(Item(a > b));
    case Op::kGreaterEqual:
      return Result(Item(a >= b));
    default:
      return absl::nullopt;
  }
}

template <typename T>
bool ParseAt(const std::string& text, T* value) {
  if (absl::EndsWith(text, "inf")) {
    *value = text[0] == '-' ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::infinity();
    return true;
  }
  if (absl::EndsWith(text, "nan")) {
    *value = std::numeric_limits<T>::quiet_NaN();
    return true;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

absl::StatusOr<Item> EvaluateStatic(Op op, absl::Span<const StaticNumber> operands) {
  bool integers = true;
  for (const StaticNumber& n : operands) integers &= n.is_integer;
  if (integers && !operands.empty()) {
    if (auto result = EvaluateInteger(op, operands[0].integer, operands.size() > 1 ? operands[1].integer : 0)) {
      return *std::move(result);
    }
  }
  return EvaluateReal(op, operands);
}

absl::StatusOr<StaticNumber> ParseNumber(const std::string& text, bool is_integer) {
  StaticNumber number;
  number.text = text;
  number.is_integer = is_integer;
  if (is_integer) {
    if (!ParseAt(text, &number.integer)) {
      return absl::InvalidArgumentError(absl::StrCat(text, " is beyond the integers of 64 bits"));
    }
    number.real = static_cast<double>(number.integer);
  } else if (!ParseAt(text, &number.real)) {
    return absl::InvalidArgumentError(absl::StrCat(text, " is beyond the range of f64"));
  }
  return number;
}

absl::StatusOr<ir::Tensor> ToScalar(const StaticNumber& number, ir::DType type) {
  return ir::Dispatch(type, [&](auto tag) -> absl::StatusOr<ir::Tensor> {
    using T = decltype(tag);
    if constexpr (std::is_floating_point_v<T>) {
      T value = number.is_integer ? static_cast<T>(number.integer) : static_cast<T>(number.real);
      if (!number.text.empty() && !ParseAt(number.text, &value)) value = std::numeric_limits<T>::infinity();
      if (std::isinf(value) && !std::isinf(number.real)) {
        return absl::InvalidArgumentError(absl::StrCat(ToText(number), " is beyond the range of ", ir::Name(type)));
      }
      return ir::Tensor::Scalar<T>(value);
    } else if constexpr (std::is_same_v<T, bool>) {
      return absl::InvalidArgumentError(absl::StrCat(ToText(number), " is no bool; true and false are"));
    } else {
      if (!number.is_integer || number.integer < static_cast<int64_t>(std::numeric_limits<T>::min()) ||
          number.integer > static_cast<int64_t>(std::numeric_limits<T>::max())) {
        return absl::InvalidArgumentError(absl::StrCat(ToText(number), " is no ", ir::Name(type)));
      }
      return ir::Tensor::Scalar<T>(static_cast<T>(number.integer));
    }
  });
}

std::string ToText(const StaticNumber& number) {
  if (!number.text.empty()) return number.text;
  if (number.is_integer) return absl::StrCat(number.integer);
  return ir::PrintLiteral(ir::Tensor::Scalar<double>(number.real));
}

}  // namespace gradus::frontend
