#include "ir/expr.h"

#include "ir/check.h"

namespace gradus::ir {

Expr Expr::Of(Builder& builder, Value* value) {
  const Statement* definition = value->definition;
  if (definition != nullptr && definition->op == Op::kConstant && value->type.rank() == 0 &&
      IsFloat(value->type.element)) {
    const double number = value->type.element == DType::kF32
                              ? static_cast<double>(definition->literal->data<float>()[0])
                              : definition->literal->data<double>()[0];
    return Literal(builder, value->type.element, number);
  }
  Expr expr;
  expr.kind_ = kValue;
  expr.builder_ = &builder;
  expr.value_ = value;
  return expr;
}

Expr Expr::Literal(Builder& builder, DType element, double number) {
  Expr expr(element == DType::kF32 ? static_cast<double>(static_cast<float>(number)) : number);
  expr.element_ = element;
  expr.builder_ = &builder;
  return expr;
}

absl::Span<const int64_t> Expr::shape() const {
  return kind_ == kValue ? absl::Span<const int64_t>(value_->type.shape) : absl::Span<const int64_t>();
}

Builder& Expr::builder() const {
  CHECK(builder_ != nullptr) << "of a literal that has met no value";
  return *builder_;
}

Value* Expr::value() const {
  CHECK(kind_ != kZero) << "the symbolic zero has no value";
  if (kind_ == kValue) return value_;
  CHECK(element_.has_value()) << "the literal " << number_ << " has met no type";
  return builder().Scalar(*element_, number_);
}

Expr Expr::Apply(Op op, absl::Span<const Expr> operands, std::vector<AttributeValue> attributes) {
  absl::optional<DType> element;
  Builder* builder = nullptr;
  // The last operand decides: the first of `where` is its condition.
  for (const Expr& operand : operands) {
    CHECK(!operand.IsZero()) << Info(op).mnemonic << " of the symbolic zero";
    if (operand.builder_ == nullptr) continue;
    builder = operand.builder_;
    if (op == Op::kSelect && &operand == &operands[0]) continue;
    element = operand.kind_ == kValue ? operand.value_->type.element : *operand.element_;
  }
  CHECK(builder != nullptr) << Info(op).mnemonic << " of untyped literals alone";
  std::vector<Value*> values;
  for (const Expr& operand : operands) {
    const bool untyped = operand.IsLiteral() && !operand.element_.has_value();
    CHECK(!untyped || element.has_value()) << Info(op).mnemonic << " of untyped literals alone";
    // A number of a formula that f32 does not have is rounded by a conversion, which folding does later: until then the
    // formula is exact, as its proof needs.
    const bool inexact = untyped && *element == DType::kF32 &&
                         static_cast<double>(static_cast<float>(operand.number_)) != operand.number_;
    if (inexact) {
      values.push_back(builder->Emit(Op::kConvert, {builder->Scalar(DType::kF64, operand.number_)}, {DType::kF32}));
    } else {
      values.push_back(untyped ? builder->Scalar(*element, operand.number_) : operand.value());
    }
  }
  return Of(*builder, builder->Emit(op, std::move(values), std::move(attributes)));
}

// The result of an operation on two literals, in their common type, or untyped.
absl::optional<Expr> Expr::Fold(Op op, Expr a, Expr b) {
  if (!a.IsLiteral() || !b.IsLiteral()) return absl::nullopt;
  double number = 0;
  // One operation in double, rounded to f32, is that operation in f32 (2 * 24 + 2 <= 53 bits).
  switch (op) {
    case Op::kAdd:
      number = a.number_ + b.number_;
      break;
    case Op::kSub:
      number = a.number_ - b.number_;
      break;
    case Op::kMul:
      number = a.number_ * b.number_;
      break;
    case Op::kDiv:
      number = a.number_ / b.number_;
      break;
    default:
      return absl::nullopt;
  }
  const Expr& typed = a.element_.has_value() ? a : b;
  return typed.element_.has_value() ? Literal(typed.builder(), *typed.element_, number) : Expr(number);
}

Expr operator+(Expr a, Expr b) {
  if (a.IsZero()) return b;
  if (b.IsZero()) return a;
  if (const auto folded = Expr::Fold(Op::kAdd, a, b)) return *folded;
  return Expr::Apply(Op::kAdd, {a, b});
}

Expr operator-(Expr a, Expr b) {
  if (b.IsZero()) return a;
  if (a.IsZero()) return -b;
  if (const auto folded = Expr::Fold(Op::kSub, a, b)) return *folded;
  return Expr::Apply(Op::kSub, {a, b});
}

Expr operator*(Expr a, Expr b) {
  if (a.IsZero() || b.IsZero()) return Expr();
  if (const auto folded = Expr::Fold(Op::kMul, a, b)) return *folded;
  if (a.IsLiteral(1)) return b;
  if (b.IsLiteral(1)) return a;
  if (a.IsLiteral(-1)) return -b;
  if (b.IsLiteral(-1)) return -a;
  return Expr::Apply(Op::kMul, {a, b});
}

Expr operator/(Expr a, Expr b) {
  if (a.IsZero()) return a;
  if (const auto folded = Expr::Fold(Op::kDiv, a, b)) return *folded;
  if (b.IsLiteral(1)) return a;
  if (b.IsLiteral(-1)) return -a;
  return Expr::Apply(Op::kDiv, {a, b});
}

Expr operator-(Expr a) {
  if (a.IsZero()) return a;
  if (a.IsLiteral()) {
    a.number_ = -a.number_;
    return a;
  }
  return Expr::Apply(Op::kNeg, {a});
}

Expr Expr::Compare(Op op, Op mirrored, Expr a, Expr b) {
  if (a.IsLiteral() && b.IsLiteral()) {
    const double x = a.number_, y = b.number_;
    const bool holds = op == Op::kLess           ? x < y
                       : op == Op::kLessEqual    ? x <= y
                       : op == Op::kGreater      ? x > y
                       : op == Op::kGreaterEqual ? x >= y
                       : op == Op::kEqual        ? x == y
                                                 : x != y;
    Expr truth(holds ? 1 : 0);
    truth.element_ = DType::kBool;
    truth.builder_ = a.builder_ != nullptr ? a.builder_ : b.builder_;
    return truth;
  }
  if (a.IsLiteral() && !b.IsLiteral()) return Apply(mirrored, {b, a});
  return Apply(op, {a, b});
}

Expr operator<(Expr a, Expr b) { return Expr::Compare(Op::kLess, Op::kGreater, a, b); }
Expr operator<=(Expr a, Expr b) { return Expr::Compare(Op::kLessEqual, Op::kGreaterEqual, a, b); }
Expr operator>(Expr a, Expr b) { return Expr::Compare(Op::kGreater, Op::kLess, a, b); }
Expr operator>=(Expr a, Expr b) { return Expr::Compare(Op::kGreaterEqual, Op::kLessEqual, a, b); }
Expr operator==(Expr a, Expr b) { return Expr::Compare(Op::kEqual, Op::kEqual, a, b); }
Expr operator!=(Expr a, Expr b) { return Expr::Compare(Op::kNotEqual, Op::kNotEqual, a, b); }

Expr Select(Expr c, Expr a, Expr b) {
  if (c.IsLiteral()) return c.number_ != 0 ? a : b;
  if (a.IsZero() && b.IsZero()) return a;
  if (a.IsZero()) a = Expr(0.0);
  if (b.IsZero()) b = Expr(0.0);
  return Expr::Apply(Op::kSelect, {c, a, b});
}

}  // namespace gradus::ir
