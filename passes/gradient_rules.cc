#include "passes/gradient_rules.h"

#include "absl/strings/string_view.h"
#include "ir/check.h"

namespace gradus::passes {
namespace {

using ir::Expr;
using ir::Op;
using ir::Statement;

// A derivative column that says nothing but kNone.
constexpr bool IsNone(absl::string_view column) { return column == "kNone"; }

bool HasDerivative(Op op, int operand) {
  switch (op) {
#define UNARY(name, mnemonic, types, y, dx, ...) \
  case Op::k##name:                              \
    return !IsNone(#dx);
#define BINARY(name, mnemonic, infix, types, y, da, db, ...) \
  case Op::k##name:                                          \
    return operand == 0 ? !IsNone(#da) : !IsNone(#db);
#define TERNARY(name, mnemonic, types, y, da, db, dc, ...) \
  case Op::k##name:                                        \
    return operand == 0 ? !IsNone(#da) : operand == 1 ? !IsNone(#db) : !IsNone(#dc);
#include "ir/ops.def"
    default:
      return op != Op::kStopGradient;
  }
}

const Expr kNone;
const Expr kNever;

// A derivative column is read with operands and result as they are, or, where the row has a singular set, with 1 in
// their place on that set, and the derivative is 0 there. Literals stay: nothing depends on them. The predicate is
// written anew at each place, so that it prints where it is read; cse joins the copies.
template <typename Singular>
Expr Guard(Expr value, Singular singular) {
  if (value.IsLiteral()) return value;
  const Expr where = singular();
  return where.IsZero() ? value : Select(where, Expr(1.0), value);
}

template <typename Singular>
Expr ZeroWhere(Singular singular, Expr derivative) {
  const Expr where = singular();
  return where.IsZero() ? derivative : Select(where, Expr(), derivative);
}

Expr ElementwiseGradient(const Statement& s, int operand, [[maybe_unused]] Expr g) {
  ir::Builder& builder = g.builder();
  switch (s.op) {
#define UNARY(name, mnemonic, types, value, dx, singular, ...)                                                \
  case Op::k##name: {                                                                                         \
    const Expr raw = Expr::Of(builder, s.operands[0]);                                                        \
    const auto is_singular = [raw] {                                                                          \
      [[maybe_unused]] const Expr x = raw;                                                                    \
      return Expr(singular);                                                                                  \
    };                                                                                                        \
    const auto derivative = [&](Expr x, Expr y) {                                                             \
      static_cast<void>(x), static_cast<void>(y);                                                             \
      return Expr(dx);                                                                                        \
    };                                                                                                        \
    return ZeroWhere(is_singular,                                                                             \
                     derivative(Guard(raw, is_singular), Guard(Expr::Of(builder, s.result()), is_singular))); \
  }
#define BINARY(name, mnemonic, infix, types, value, da, db, singular, ...)                         \
  case Op::k##name: {                                                                              \
    const Expr raw_a = Expr::Of(builder, s.operands[0]), raw_b = Expr::Of(builder, s.operands[1]); \
    const auto is_singular = [raw_a, raw_b] {                                                      \
      [[maybe_unused]] const Expr a = raw_a, b = raw_b;                                            \
      return Expr(singular);                                                                       \
    };                                                                                             \
    const auto derivative = [&](Expr a, Expr b, Expr y) {                                          \
      static_cast<void>(a), static_cast<void>(b), static_cast<void>(y);                            \
      if (operand == 0) return Expr(da);                                                           \
      return Expr(db);                                                                             \
    };                                                                                             \
    return ZeroWhere(is_singular, derivative(Guard(raw_a, is_singular), Guard(raw_b, is_singular), \
                                             Guard(Expr::Of(builder, s.result()), is_singular)));  \
  }
#define TERNARY(name, mnemonic, types, value, da, db, dc, ...)        \
  case Op::k##name: {                                                 \
    [[maybe_unused]] const Expr a = Expr::Of(builder, s.operands[0]); \
    [[maybe_unused]] const Expr b = Expr::Of(builder, s.operands[1]); \
    [[maybe_unused]] const Expr c = Expr::Of(builder, s.operands[2]); \
    if (operand == 0) return Expr(da);                                \
    if (operand == 1) return Expr(db);                                \
    return Expr(dc);                                                  \
  }
#include "ir/ops.def"
    case Op::kSelect: {
      // y = where(c, a, b).   dL/da = where(c, g, 0),  dL/db = where(c, 0, g)
      const Expr c = Expr::Of(builder, s.operands[0]);
      return operand == 1 ? Select(c, g, Expr()) : Select(c, Expr(), g);
    }
    case Op::kConvert: {
      // y = type(x).   dL/dx = type of x(g)
      const ir::DType element = s.operands[0]->type.element;
      if (element == s.result()->type.element) return g;
      if (g.IsLiteral()) return Expr::Literal(builder, element, g.number());
      return Expr::Apply(Op::kConvert, {g}, {element});
    }
    default:
      break;
  }
  CHECK(false) << ir::Info(s.op).mnemonic << " carries no gradient";
  return Expr();
}

}  // namespace

bool CarriesGradient(const Statement& y, int operand) {
  if (y.op == Op::kCustomVjp) {
    return operand >= 1 && operand <= y.Int("arguments") && ir::IsFloat(y.operands[operand]->type.element);
  }
  if (ir::Info(y.op).family == ir::OpFamily::kSpecial) return false;
  return ir::IsFloat(y.result()->type.element) && ir::IsFloat(y.operands[operand]->type.element) &&
         HasDerivative(y.op, operand);
}

Expr Gradient(const Statement& y, int operand, Expr g) {
  switch (y.op) {
#define STRUCTURAL(name, ...) \
  case Op::k##name:           \
    return Gradient##name(y, operand, g);
#include "ir/ops.def"
    default:
      return ElementwiseGradient(y, operand, g);
  }
}

}  // namespace gradus::passes
