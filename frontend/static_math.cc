#include "frontend/static_math.h"

#include <cmath>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/math.h"
#include "ir/printer.h"
#include "ir/scalar.h"

namespace gradus::frontend {
namespace {

using ir::Op;
using Real = ir::F<ir::Scalar<double>>;
using Integer = ir::I<ir::Scalar<int64_t>>;
using Truth = ir::B<ir::Scalar<double>>;

absl::StatusOr<Item> EvaluateReal(Op op, absl::Span<const Number> operands) {
  const auto at = [&](size_t i) { return Real(operands[i].AsDouble()); };
  switch (op) {
#define UNARY(name, mnemonic, types, y_column, ...) \
  case Op::k##name: {                               \
    const Real x = at(0);                           \
    return Item(Number::Float((y_column).raw));     \
  }
#define BINARY(name, mnemonic, infix, types, y_column, ...) \
  case Op::k##name: {                                       \
    const Real a = at(0), b = at(1);                        \
    return Item(Number::Float((y_column).raw));             \
  }
#define TERNARY(name, mnemonic, types, y_column, ...) \
  case Op::k##name: {                                 \
    const Real a = at(0), b = at(1), c = at(2);       \
    return Item(Number::Float((y_column).raw));       \
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
#include "ir/error.h"
#include "ir/ops.def"
    default:
      return ir::ErrorStatus(ir::ErrorKind::kNumberTypeNeeded, ir::Info(op).mnemonic, " is not for static numbers");
  }
}

absl::Status Overflow(Op op) {
  return ir::ErrorStatus(ir::ErrorKind::kStaticOverflow, ir::Info(op).mnemonic,
                         " of static integers overflows 64 bits");
}

// What Python refuses: 1 / 0, sqrt(-1), log(0). Numbers that are not finite are written, `inf` and `nan`.
absl::Status CheckFinite(Op op, absl::Span<const Number> operands, const Item& item) {
  const Number* result = item.As<Number>();
  if (result == nullptr || std::isfinite(result->AsDouble())) return absl::OkStatus();
  std::string text;
  for (const Number& n : operands) {
    if (!std::isfinite(n.AsDouble())) return absl::OkStatus();
    absl::StrAppend(&text, text.empty() ? "" : ", ", ToText(n));
  }
  if (op == Op::kDiv || op == Op::kMod || op == Op::kFloorDiv) {
    return ir::ErrorStatus(ir::ErrorKind::kDivisionByZero, "the static number ", ToText(operands[0]),
                           " is divided by zero");
  }
  return ir::ErrorStatus(ir::ErrorKind::kStaticOverflow, ir::Info(op).mnemonic, "(", text, ") of static numbers is ",
                         std::isnan(result->AsDouble()) ? "no number" : "infinite");
}

absl::StatusOr<Item> IntegerPower(int64_t base, int64_t exponent) {
  int64_t result = 1;
  for (int64_t i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(result, base, &result)) return Overflow(Op::kPow);
    if (result == 0 || (result == 1 && base == 1)) break;
    if (base == -1 && i > 1) return Item(Number::Integer(exponent % 2 == 0 ? 1 : -1));
  }
  return Item(Number::Integer(result));
}

// Nothing: the operation is one that computes in f64.
absl::optional<absl::StatusOr<Item>> EvaluateInteger(Op op, int64_t a, int64_t b) {
  using Result = absl::StatusOr<Item>;
  int64_t r = 0;
  const auto number = [](int64_t value) { return Result(Item(Number::Integer(value))); };
  const auto checked = [&](bool overflow) { return overflow ? Result(Overflow(op)) : number(r); };
  const bool divides = op == Op::kFloorDiv || op == Op::kMod;
  if (divides && b == 0)
    return Result(ir::ErrorStatus(ir::ErrorKind::kDivisionByZero, "a static integer is divided by zero"));
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
      if (b == -1) return checked(__builtin_sub_overflow(int64_t{0}, a, &r));
      return number(FloorDiv(Integer(a), Integer(b)).raw);
    case Op::kMod:
      return number(Mod(Integer(a), Integer(b)).raw);
    case Op::kPow:
      if (b < 0) return absl::nullopt;
      return IntegerPower(a, b);
    case Op::kAbs:
      return a < 0 ? checked(__builtin_sub_overflow(int64_t{0}, a, &r)) : number(a);
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

}  // namespace

absl::StatusOr<Item> EvaluateStatic(Op op, absl::Span<const Number> operands) {
  bool integers = true;
  for (const Number& n : operands) integers &= n.kind == Number::Kind::kInteger;
  if (integers && !operands.empty()) {
    if (auto result = EvaluateInteger(op, operands[0].integer, operands.size() > 1 ? operands[1].integer : 0)) {
      return *std::move(result);
    }
  }
  ASSIGN_OR_RETURN(Item result, EvaluateReal(op, operands));
  RETURN_IF_ERROR(CheckFinite(op, operands, result));
  return result;
}

std::string ToText(const Number& number) {
  if (number.kind != Number::Kind::kFloat || !number.text.empty()) return ToString(number);
  return ir::PrintLiteral(ir::Tensor::Scalar<double>(number.floating));
}

}  // namespace gradus::frontend
