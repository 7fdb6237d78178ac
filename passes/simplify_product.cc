#include <cmath>

#include "passes/simplify_rules.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

// x * literal, or literal * x, or x / literal.
struct Scaled {
  Value* x = nullptr;
  double factor = 1;   // x * factor, or
  double divisor = 1;  // x / divisor
};

absl::optional<Scaled> AsScaled(const Value* value) {
  if (const Statement* mul = As(value, Op::kMul)) {
    for (int i = 0; i < 2; ++i) {
      if (const auto c = LiteralNumber(mul->operands[i])) return Scaled{mul->operands[1 - i], *c, 1};
    }
  }
  if (const Statement* div = As(value, Op::kDiv)) {
    if (const auto c = LiteralNumber(div->operands[1])) return Scaled{div->operands[0], 1, *c};
  }
  return absl::nullopt;
}

// The literal keeps its side.
Value* Times(Rewriter& r, int side, double factor, Value* x) {
  Value* literal = r.builder.Scalar(x->type.element, factor);
  return side == 0 ? r.builder.Emit(Op::kMul, {literal, x}) : r.builder.Emit(Op::kMul, {x, literal});
}

Value* Over(Rewriter& r, Value* x, double divisor) {
  return r.builder.Emit(Op::kDiv, {x, r.builder.Scalar(x->type.element, divisor)});
}

Value* SimplifyMul(Rewriter& r, const Statement& s) {
  const ir::Type& type = s.result()->type;
  for (int i = 0; i < 2; ++i) {
    Value* x = s.operands[1 - i];
    const auto uniform = UniformNumber(s.operands[i]);
    if (!uniform.has_value()) continue;
    if (*uniform == 1) return r.Shaped(x, type.shape);
    if (*uniform == 0 && !ir::IsFloat(type.element)) return r.Uniform(type, 0);
    if (*uniform == -1) return r.Shaped(r.builder.Emit(Op::kNeg, {x}), type.shape);
    const auto c = LiteralNumber(s.operands[i]);
    if (!c.has_value() || !ir::IsFloat(type.element)) continue;
    if (const Statement* neg = As(x, Op::kNeg)) return Times(r, i, -*c, neg->operands[0]);
    const auto inner = AsScaled(x);
    if (!inner.has_value() || inner->x->type.shape != type.shape) continue;
    if (inner->divisor == 1 && (IsPowerOfTwo(*c) || IsPowerOfTwo(inner->factor))) {
      return Times(r, i, *c * inner->factor, inner->x);
    }
    if (inner->divisor != 1 && IsPowerOfTwo(*c)) return Over(r, inner->x, inner->divisor / *c);
  }
  const Statement* a = As(s.operands[0], Op::kNeg);
  const Statement* b = As(s.operands[1], Op::kNeg);
  if (a != nullptr && b != nullptr) return r.builder.Emit(Op::kMul, {a->operands[0], b->operands[0]});
  return nullptr;
}

Value* SimplifyDiv(Rewriter& r, const Statement& s) {
  Value* x = s.operands[0];
  const auto uniform = UniformNumber(s.operands[1]);
  if (uniform.has_value() && *uniform == 1) return r.Shaped(x, s.result()->type.shape);
  const auto c = LiteralNumber(s.operands[1]);
  if (!c.has_value()) return nullptr;
  if (IsPowerOfTwo(*c)) return Times(r, 1, 1 / *c, x);
  if (const Statement* neg = As(x, Op::kNeg)) return Over(r, neg->operands[0], -*c);
  const auto inner = AsScaled(x);
  if (inner.has_value() && inner->divisor == 1 && IsPowerOfTwo(inner->factor)) {
    return Over(r, inner->x, *c / inner->factor);
  }
  return nullptr;
}

Value* SimplifyNegOfProduct(Rewriter& r, const Statement& s) {
  const Value* x = s.operands[0];
  if (!r.HasOneUse(x) || !ir::IsFloat(x->type.element)) return nullptr;
  const auto inner = AsScaled(x);
  if (!inner.has_value()) return nullptr;
  if (inner->divisor != 1) return Over(r, inner->x, -inner->divisor);
  const int side = LiteralNumber(x->definition->operands[0]).has_value() ? 0 : 1;
  return Times(r, side, -inner->factor, inner->x);
}

// Integer exponents multiply: x ** 2 = x * x, by repeated squaring.
Value* SimplifyPow(Rewriter& r, const Statement& s) {
  constexpr double kMaxExponent = 16;
  Value* x = s.operands[0];
  const auto exponent = UniformNumber(s.operands[1]);
  if (!exponent.has_value() || x->type.shape != s.result()->type.shape) return nullptr;
  if (std::nearbyint(*exponent) != *exponent || std::abs(*exponent) > kMaxExponent) return nullptr;
  int n = static_cast<int>(std::abs(*exponent));
  if (n == 0) return r.Uniform(s.result()->type, 1);
  Value* product = nullptr;
  for (Value* square = x; n > 0; n /= 2) {
    if (n % 2 == 1) product = product == nullptr ? square : r.builder.Emit(Op::kMul, {product, square});
    if (n > 1) square = r.builder.Emit(Op::kMul, {square, square});
  }
  if (*exponent > 0) return product;
  return r.builder.Emit(Op::kDiv, {r.builder.Scalar(x->type.element, 1), product});
}

}  // namespace

Value* SimplifyProduct(Rewriter& r, const Statement& s) {
  switch (s.op) {
    case Op::kMul:
      return SimplifyMul(r, s);
    case Op::kDiv:
      return SimplifyDiv(r, s);
    case Op::kNeg:
      return SimplifyNegOfProduct(r, s);
    case Op::kPow:
      return SimplifyPow(r, s);
    default:
      return nullptr;
  }
}

}  // namespace gradus::passes
