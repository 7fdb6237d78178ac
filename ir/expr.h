// Expressions that write statements: what the derivative columns of ir/ops.def are instantiated over.
//
// An Expr is a value of a graph, a scalar literal that is no statement yet, or the symbolic zero. Operators and named
// functions are those of ir/algebra.h; each appends one statement through the builder of its operands, which broadcast
// as the operations do. A literal takes the element type of the operand that it meets. What a reader would not write
// is not written: products and quotients with a literal 1 or -1, arithmetic on two literals (done in the element type)
// and comparisons of them, sums with the symbolic zero; a comparison with one literal puts it second.
#pragma once

#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "ir/builder.h"
#include "ir/graph.h"

namespace gradus::ir {

class Expr {
 public:
  Expr() = default;                                            // the symbolic zero
  Expr(double literal) : kind_(kLiteral), number_(literal) {}  // NOLINT: a literal in a formula
  // A value of the region that `builder` appends to. A floating-point scalar literal becomes one of the Expr, so that
  // its statement is not shared.
  static Expr Of(Builder& builder, Value* value);
  // A scalar of a type.
  static Expr Literal(Builder& builder, DType element, double number);

  bool IsZero() const { return kind_ == kZero; }
  bool IsLiteral() const { return kind_ == kLiteral; }
  bool IsLiteral(double number) const { return kind_ == kLiteral && number_ == number; }
  double number() const { return number_; }  // of a literal
  absl::Span<const int64_t> shape() const;
  Builder& builder() const;
  // The value; a literal is appended. Not for the symbolic zero, nor for a literal that has met no type.
  Value* value() const;

  // The statement `op` of these operands, which hold at least one value or typed literal.
  static Expr Apply(Op op, absl::Span<const Expr> operands, std::vector<AttributeValue> attributes = {});

  friend Expr operator+(Expr a, Expr b);
  friend Expr operator-(Expr a, Expr b);
  friend Expr operator*(Expr a, Expr b);
  friend Expr operator/(Expr a, Expr b);
  friend Expr operator-(Expr a);
  friend Expr operator<(Expr a, Expr b);
  friend Expr operator<=(Expr a, Expr b);
  friend Expr operator>(Expr a, Expr b);
  friend Expr operator>=(Expr a, Expr b);
  friend Expr operator==(Expr a, Expr b);
  friend Expr operator!=(Expr a, Expr b);
  friend Expr operator&(Expr a, Expr b) { return Apply(Op::kAnd, {a, b}); }
  friend Expr operator|(Expr a, Expr b) { return Apply(Op::kOr, {a, b}); }
  friend Expr operator!(Expr a) { return Apply(Op::kNot, {a}); }
  friend Expr Select(Expr c, Expr a, Expr b);
  friend Expr Abs(Expr a) { return Apply(Op::kAbs, {a}); }
  friend Expr Sign(Expr a) { return Apply(Op::kSign, {a}); }
  friend Expr Floor(Expr a) { return Apply(Op::kFloor, {a}); }
  friend Expr Ceil(Expr a) { return Apply(Op::kCeil, {a}); }
  friend Expr RoundEven(Expr a) { return Apply(Op::kRound, {a}); }
  friend Expr Sqrt(Expr a) { return Apply(Op::kSqrt, {a}); }
  friend Expr Exp(Expr a) { return Apply(Op::kExp, {a}); }
  friend Expr Log(Expr a) { return Apply(Op::kLog, {a}); }
  friend Expr Sin(Expr a) { return Apply(Op::kSin, {a}); }
  friend Expr Cos(Expr a) { return Apply(Op::kCos, {a}); }
  friend Expr Tanh(Expr a) { return Apply(Op::kTanh, {a}); }
  friend Expr Sigmoid(Expr a) { return Apply(Op::kSigmoid, {a}); }
  friend Expr Erf(Expr a) { return Apply(Op::kErf, {a}); }
  friend Expr IsNan(Expr a) { return Apply(Op::kIsNan, {a}); }
  friend Expr Pow(Expr a, Expr b) { return Apply(Op::kPow, {a, b}); }
  friend Expr FloorDiv(Expr a, Expr b) { return Apply(Op::kFloorDiv, {a, b}); }
  friend Expr Mod(Expr a, Expr b) { return Apply(Op::kMod, {a, b}); }
  friend Expr Minimum(Expr a, Expr b) { return Apply(Op::kMinimum, {a, b}); }
  friend Expr Maximum(Expr a, Expr b) { return Apply(Op::kMaximum, {a, b}); }
  friend Expr Fma(Expr a, Expr b, Expr c) { return Apply(Op::kFma, {a, b, c}); }

 private:
  enum Kind : uint8_t { kZero, kLiteral, kValue };

  static absl::optional<Expr> Fold(Op op, Expr a, Expr b);
  static Expr Compare(Op op, Op mirrored, Expr a, Expr b);

  Kind kind_ = kZero;
  absl::optional<DType> element_;  // of a typed literal
  double number_ = 0;              // of a literal
  Builder* builder_ = nullptr;
  Value* value_ = nullptr;
};

}  // namespace gradus::ir
