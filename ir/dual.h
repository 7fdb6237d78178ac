// Dual numbers: a value and its derivative along one direction. Dual<double> gives exact first derivatives of whatever
// the interpreter runs, Dual<Dual<double>> second ones: the oracle against which the gradient rules are proven.
//
// The derivatives of the transcendental functions are written here independently of the derivative columns of ops.def.
// Subgradients are those of the table: |x| and sign have 0 at 0; maximum and minimum give the derivative of the second
// operand at a tie and beside a NaN. Where a row of the table is singular (sqrt, log, pow, rsqrt at x ≤ 0), the
// interpreter sets the derivative to 0.
#pragma once

#include "ir/math.h"
#include "ir/scalar.h"

namespace gradus::ir {

template <typename T>
struct Dual {
  T value{};
  T derivative{};

  Dual() = default;
  Dual(double value) : value(value) {}  // NOLINT: a constant
  Dual(T value, T derivative) : value(value), derivative(derivative) {}
};
template <>
struct Dual<double> {
  double value = 0;
  double derivative = 0;

  Dual() = default;
  Dual(double value, double derivative = 0) : value(value), derivative(derivative) {}  // NOLINT: a constant
};

// The operations, in a namespace of their own so that argument-dependent lookup finds those of the parts.
namespace dual {

template <typename T>
using Part = F<Scalar<T>>;
template <typename T>
F<Scalar<T>> Value(const Dual<T>& a) {
  return F<Scalar<T>>::Of(a.value);
}
template <typename T>
F<Scalar<T>> Derivative(const Dual<T>& a) {
  return F<Scalar<T>>::Of(a.derivative);
}
template <typename T>
Dual<T> Make(F<Scalar<T>> value, F<Scalar<T>> derivative) {
  return Dual<T>(value.raw, derivative.raw);
}

template <typename T>
Dual<T> Add(const Dual<T>& a, const Dual<T>& b) {
  return Make(Value(a) + Value(b), Derivative(a) + Derivative(b));
}
template <typename T>
Dual<T> Subtract(const Dual<T>& a, const Dual<T>& b) {
  return Make(Value(a) - Value(b), Derivative(a) - Derivative(b));
}
template <typename T>
Dual<T> Multiply(const Dual<T>& a, const Dual<T>& b) {
  return Make(Value(a) * Value(b), Derivative(a) * Value(b) + Value(a) * Derivative(b));
}
template <typename T>
Dual<T> Divide(const Dual<T>& a, const Dual<T>& b) {
  const Part<T> quotient = Value(a) / Value(b);
  return Make(quotient, (Derivative(a) - quotient * Derivative(b)) / Value(b));
}
template <typename T>
Dual<T> Negate(const Dual<T>& a) {
  return Make(-Value(a), -Derivative(a));
}
template <typename T>
Dual<T> Fma(const Dual<T>& a, const Dual<T>& b, const Dual<T>& c) {
  return Make(Fma(Value(a), Value(b), Value(c)), Derivative(a) * Value(b) + Value(a) * Derivative(b) + Derivative(c));
}
template <typename T>
Dual<T> Sqrt(const Dual<T>& a) {
  const Part<T> root = Sqrt(Value(a));
  return Make(root, Derivative(a) / (root + root));
}
template <typename T>
Dual<T> Abs(const Dual<T>& a) {
  const Part<T> x = Value(a);
  return Make(Abs(x), Select(x > Part<T>(0), Derivative(a), Select(x < Part<T>(0), -Derivative(a), Part<T>(0))));
}
template <typename T>
Dual<T> Sign(const Dual<T>& a) {
  return Make(Sign(Value(a)), Part<T>(0));
}
template <typename T>
Dual<T> Floor(const Dual<T>& a) {
  return Make(Floor(Value(a)), Part<T>(0));
}
template <typename T>
Dual<T> Ceil(const Dual<T>& a) {
  return Make(Ceil(Value(a)), Part<T>(0));
}
template <typename T>
Dual<T> RoundEven(const Dual<T>& a) {
  return Make(RoundEven(Value(a)), Part<T>(0));
}
template <typename T>
Dual<T> Maximum(const Dual<T>& a, const Dual<T>& b) {
  const Part<T> x = Value(a), y = Value(b);
  return Make(Maximum(x, y), Select(x > y, Derivative(a), Derivative(b)));
}
template <typename T>
Dual<T> Minimum(const Dual<T>& a, const Dual<T>& b) {
  const Part<T> x = Value(a), y = Value(b);
  return Make(Minimum(x, y), Select(x < y, Derivative(a), Derivative(b)));
}
template <typename T>
bool Less(const Dual<T>& a, const Dual<T>& b) {
  return (Value(a) < Value(b)).raw;
}
template <typename T>
bool LessEqual(const Dual<T>& a, const Dual<T>& b) {
  return (Value(a) <= Value(b)).raw;
}
template <typename T>
bool Equal(const Dual<T>& a, const Dual<T>& b) {
  return (Value(a) == Value(b)).raw;
}

template <typename T>
Dual<T> Exp(const Dual<T>& a) {
  const Part<T> e = Exp(Value(a));
  return Make(e, e * Derivative(a));
}
template <typename T>
Dual<T> Log(const Dual<T>& a) {
  return Make(Log(Value(a)), Derivative(a) / Value(a));
}
template <typename T>
Dual<T> Sin(const Dual<T>& a) {
  return Make(Sin(Value(a)), Cos(Value(a)) * Derivative(a));
}
template <typename T>
Dual<T> Cos(const Dual<T>& a) {
  return Make(Cos(Value(a)), -(Sin(Value(a)) * Derivative(a)));
}
// tanh′ = sech² = 4 e^(-2|x|) / (1 + e^(-2|x|))²
template <typename T>
Dual<T> Tanh(const Dual<T>& a) {
  const Part<T> e = Exp(-2 * Abs(Value(a)));
  return Make(Tanh(Value(a)), 4 * e / ((1 + e) * (1 + e)) * Derivative(a));
}
// σ′ = e^(-|x|) / (1 + e^(-|x|))²
template <typename T>
Dual<T> Sigmoid(const Dual<T>& a) {
  const Part<T> e = Exp(-Abs(Value(a)));
  return Make(Sigmoid(Value(a)), e / ((1 + e) * (1 + e)) * Derivative(a));
}
// erf′ = 2 / √π e^(-x²), π = 4 arctan 1 by its digits
template <typename T>
Dual<T> Erf(const Dual<T>& a) {
  const Part<T> x = Value(a);
  return Make(Erf(x), 2 / Sqrt(Part<T>(3.14159265358979323846)) * Exp(-(x * x)) * Derivative(a));
}
// d(aᵇ) = aᵇ (b da / a + log a db)
template <typename T>
Dual<T> Pow(const Dual<T>& a, const Dual<T>& b) {
  const Part<T> power = Pow(Value(a), Value(b));
  return Make(power, power * (Value(b) / Value(a) * Derivative(a) + Log(Value(a)) * Derivative(b)));
}

}  // namespace dual

// The policy of algebra.h over Dual<T>, computing with that of T. It has no bit casts: only the polynomials need them.
template <typename T>
struct Scalar<Dual<T>> : ScalarMask {
  using Float = Dual<T>;
  using Integer = int64_t;
  static constexpr int kBits = 64;
  static constexpr bool kSigned = true;

  static Dual<T> Literal(double value) { return Dual<T>(value); }
  static Dual<T> Select(bool c, const Dual<T>& x, const Dual<T>& y) { return c ? x : y; }
  static Dual<T> Add(const Dual<T>& a, const Dual<T>& b) { return dual::Add(a, b); }
  static Dual<T> Subtract(const Dual<T>& a, const Dual<T>& b) { return dual::Subtract(a, b); }
  static Dual<T> Multiply(const Dual<T>& a, const Dual<T>& b) { return dual::Multiply(a, b); }
  static Dual<T> Divide(const Dual<T>& a, const Dual<T>& b) { return dual::Divide(a, b); }
  static Dual<T> Maximum(const Dual<T>& a, const Dual<T>& b) { return dual::Maximum(a, b); }
  static Dual<T> Minimum(const Dual<T>& a, const Dual<T>& b) { return dual::Minimum(a, b); }
  static Dual<T> Pow(const Dual<T>& a, const Dual<T>& b) { return dual::Pow(a, b); }
  static bool Less(const Dual<T>& a, const Dual<T>& b) { return dual::Less(a, b); }
  static bool LessEqual(const Dual<T>& a, const Dual<T>& b) { return dual::LessEqual(a, b); }
  static bool Equal(const Dual<T>& a, const Dual<T>& b) { return dual::Equal(a, b); }
  static Dual<T> Negate(const Dual<T>& a) { return dual::Negate(a); }
  static Dual<T> Sqrt(const Dual<T>& a) { return dual::Sqrt(a); }
  static Dual<T> Abs(const Dual<T>& a) { return dual::Abs(a); }
  static Dual<T> Sign(const Dual<T>& a) { return dual::Sign(a); }
  static Dual<T> Floor(const Dual<T>& a) { return dual::Floor(a); }
  static Dual<T> Ceil(const Dual<T>& a) { return dual::Ceil(a); }
  static Dual<T> RoundEven(const Dual<T>& a) { return dual::RoundEven(a); }
  static Dual<T> Exp(const Dual<T>& a) { return dual::Exp(a); }
  static Dual<T> Log(const Dual<T>& a) { return dual::Log(a); }
  static Dual<T> Sin(const Dual<T>& a) { return dual::Sin(a); }
  static Dual<T> Cos(const Dual<T>& a) { return dual::Cos(a); }
  static Dual<T> Tanh(const Dual<T>& a) { return dual::Tanh(a); }
  static Dual<T> Sigmoid(const Dual<T>& a) { return dual::Sigmoid(a); }
  static Dual<T> Erf(const Dual<T>& a) { return dual::Erf(a); }
  static Dual<T> Fma(const Dual<T>& a, const Dual<T>& b, const Dual<T>& c) { return dual::Fma(a, b, c); }
};

}  // namespace gradus::ir
