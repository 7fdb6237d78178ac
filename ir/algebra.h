// The algebra over which every row of ops.def and every polynomial of math.h is written once.
//
// Three wrappers stand for one element, or one vector of elements, of a machine that a policy P describes:
//
//   F<P>   a floating-point value of P::kBits bits
//   I<P>   an integer of P::kBits bits: the bits of an F<P>, or an element of an integer tensor
//   B<P>   a truth value (a lane mask where P is a vector)
//
// A formula uses only what is below: + - * / and unary -, comparisons (which give B), & | ^ ! on B, and named
// functions. There is no `?:` and no
// `&&`: Select(b, x, y) evaluates both sides, so one formula serves a scalar and a vector. A literal is converted once
// to P's element type (raw `0.5 * x` on a float would compute in double), by the implicit constructors. Nothing here
// forms an fma except Fma.
//
// A policy is a struct of static functions. One that needs a context (an instruction builder) keeps it in a
// thread-local that a scope object sets. What a policy provides, where T is P::Float, N is P::Integer, M is P::Mask
// (they may be one C++ type):
//
//   constexpr int kBits            32 or 64 for a policy with floats; 8, 32 or 64 for one with integers alone
//   constexpr bool kSigned         whether comparisons, Quotient and ShiftRight of N are signed; true beside floats
//   M MaskLiteral(bool)  M MaskAnd(M, M)  M MaskOr(M, M)  M MaskXor(M, M)  M MaskNot(M)
//   with floats, all IEEE 754 with ties to even and denormals:
//     T Literal(double)            rounded once
//     T Add(T, T)  T Subtract(T, T)  T Multiply(T, T)  T Divide(T, T)  T Negate(T)  T Abs(T) (sign bit alone)
//     T Fma(T, T, T)               a * b + c, rounded once
//     T Sqrt(T)  T Floor(T)  T Ceil(T)  T RoundEven(T)
//     M Less(T, T)  M LessEqual(T, T)  M Equal(T, T)      false where an operand is NaN
//     T Select(M, T, T)
//     N ToBits(T)  T FromBits(N)
//   with integers:
//     N IntegerLiteral(int64_t)    modulo 2^kBits
//     N IntegerAdd(N, N)  N IntegerSubtract(N, N)  N IntegerMultiply(N, N)    modulo 2^kBits
//     N Quotient(N, N)             truncates; never asked for b = 0 or MIN / -1
//     N IntegerAnd(N, N)  N IntegerOr(N, N)  N IntegerXor(N, N)
//     N ShiftLeft(N, int)  N ShiftRight(N, int) (keeps the sign if kSigned)  N ShiftRightLogical(N, int)
//     M IntegerLess(N, N)  M IntegerEqual(N, N)
//     N IntegerSelect(M, N, N)
//
// A policy may further provide any of the functions below that say `P::Name if there is one` (Maximum, Minimum, Sign,
// and in math.h Exp, Log, …): duals do, because the derivative of a value is not the derivative of the formula that
// computes it.
#pragma once

#include <cstdint>
#include <limits>

namespace gradus::ir {

template <typename P>
struct B {
  using Mask = typename P::Mask;
  Mask raw;

  static B Of(Mask raw) { return B{raw}; }
  static B Literal(bool value) { return Of(P::MaskLiteral(value)); }

  friend B operator&(B a, B b) { return Of(P::MaskAnd(a.raw, b.raw)); }
  friend B operator|(B a, B b) { return Of(P::MaskOr(a.raw, b.raw)); }
  friend B operator^(B a, B b) { return Of(P::MaskXor(a.raw, b.raw)); }
  friend B operator!(B a) { return Of(P::MaskNot(a.raw)); }
  // Equality of truth values; an order is not defined on them.
  friend B operator==(B a, B b) { return !(a ^ b); }
  friend B operator!=(B a, B b) { return a ^ b; }
  friend B Select(B c, B x, B y) { return (c & x) | (!c & y); }
};

template <typename P>
struct I {
  using Integer = typename P::Integer;
  Integer raw;

  I() = default;
  I(int64_t value) : raw(P::IntegerLiteral(value)) {}  // NOLINT: a literal in a formula
  static I Of(Integer raw) {
    I result;
    result.raw = raw;
    return result;
  }

  friend I operator+(I a, I b) { return Of(P::IntegerAdd(a.raw, b.raw)); }
  friend I operator-(I a, I b) { return Of(P::IntegerSubtract(a.raw, b.raw)); }
  friend I operator*(I a, I b) { return Of(P::IntegerMultiply(a.raw, b.raw)); }
  friend I operator-(I a) { return I(0) - a; }
  friend I operator&(I a, I b) { return Of(P::IntegerAnd(a.raw, b.raw)); }
  friend I operator|(I a, I b) { return Of(P::IntegerOr(a.raw, b.raw)); }
  friend I operator^(I a, I b) { return Of(P::IntegerXor(a.raw, b.raw)); }
  friend I operator<<(I a, int bits) { return Of(P::ShiftLeft(a.raw, bits)); }
  friend I operator>>(I a, int bits) { return Of(P::ShiftRight(a.raw, bits)); }
  friend I ShiftRightLogical(I a, int bits) { return Of(P::ShiftRightLogical(a.raw, bits)); }

  friend B<P> operator<(I a, I b) { return B<P>::Of(P::IntegerLess(a.raw, b.raw)); }
  friend B<P> operator>(I a, I b) { return b < a; }
  friend B<P> operator<=(I a, I b) { return !(b < a); }
  friend B<P> operator>=(I a, I b) { return !(a < b); }
  friend B<P> operator==(I a, I b) { return B<P>::Of(P::IntegerEqual(a.raw, b.raw)); }
  friend B<P> operator!=(I a, I b) { return !(a == b); }
  friend I Select(B<P> c, I x, I y) { return Of(P::IntegerSelect(c.raw, x.raw, y.raw)); }

  // |MIN| = MIN.
  friend I Abs(I a) { return Select(a < I(0), -a, a); }
  friend I Sign(I a) { return Select(a > I(0), I(1), Select(a < I(0), I(-1), I(0))); }
  friend I Maximum(I a, I b) { return Select(b > a, b, a); }
  friend I Minimum(I a, I b) { return Select(b < a, b, a); }
  friend I Floor(I a) { return a; }
  friend I Ceil(I a) { return a; }
  friend I RoundEven(I a) { return a; }
  friend B<P> IsNan(I) { return B<P>::Literal(false); }

  // Rounded towards minus infinity as in Python; x // 0 = 0 and MIN // -1 = MIN.
  friend I FloorDiv(I a, I b) {
    const B<P> zero = b == I(0);
    const B<P> flip = IsMinusOne(b);
    const I divisor = Select(zero | flip, I(1), b);
    const I quotient = Of(P::Quotient(a.raw, divisor.raw));
    const I remainder = a - quotient * divisor;
    const I floored = Select((remainder != I(0)) & ((remainder < I(0)) ^ (divisor < I(0))), quotient - I(1), quotient);
    return Select(zero, I(0), Select(flip, -a, floored));
  }
  // The sign of the divisor as in Python, a - FloorDiv(a, b) * b; x % 0 = 0.
  friend I Mod(I a, I b) { return Select(b == I(0), I(0), a - FloorDiv(a, b) * b); }

 private:
  static B<P> IsMinusOne(I b) { return P::kSigned ? b == I(-1) : B<P>::Literal(false); }
};

template <typename P>
struct F {
  using Float = typename P::Float;
  Float raw;

  F() = default;
  F(double value) : raw(P::Literal(value)) {}  // NOLINT: a literal in a formula
  static F Of(Float raw) {
    F result;
    result.raw = raw;
    return result;
  }

  friend F operator+(F a, F b) { return Of(P::Add(a.raw, b.raw)); }
  friend F operator-(F a, F b) { return Of(P::Subtract(a.raw, b.raw)); }
  friend F operator*(F a, F b) { return Of(P::Multiply(a.raw, b.raw)); }
  friend F operator/(F a, F b) { return Of(P::Divide(a.raw, b.raw)); }
  friend F operator-(F a) { return Of(P::Negate(a.raw)); }
  friend F Fma(F a, F b, F c) { return Of(P::Fma(a.raw, b.raw, c.raw)); }

  friend B<P> operator<(F a, F b) { return B<P>::Of(P::Less(a.raw, b.raw)); }
  friend B<P> operator>(F a, F b) { return b < a; }
  friend B<P> operator<=(F a, F b) { return B<P>::Of(P::LessEqual(a.raw, b.raw)); }
  friend B<P> operator>=(F a, F b) { return b <= a; }
  friend B<P> operator==(F a, F b) { return B<P>::Of(P::Equal(a.raw, b.raw)); }
  friend B<P> operator!=(F a, F b) { return !(a == b); }
  friend F Select(B<P> c, F x, F y) { return Of(P::Select(c.raw, x.raw, y.raw)); }
  friend B<P> IsNan(F a) { return !(a == a); }

  friend F Sqrt(F a) { return Of(P::Sqrt(a.raw)); }
  friend F Abs(F a) { return Of(P::Abs(a.raw)); }
  friend F Floor(F a) { return Of(P::Floor(a.raw)); }
  friend F Ceil(F a) { return Of(P::Ceil(a.raw)); }
  friend F RoundEven(F a) { return Of(P::RoundEven(a.raw)); }  // halves to even

  friend I<P> Bits(F a) { return I<P>::Of(P::ToBits(a.raw)); }

  // Rounded towards minus infinity with the exact quotient in mind: one less than floor(a / b) where a / b was rounded
  // up to an integer. a // 0 is a / 0; -1 // inf = -1, as in Python.
  friend F FloorDiv(F a, F b) {
    const F quotient = Floor(a / b);
    const B<P> past = Opposite(Fma(-quotient, b, a), b);
    const F floored = Select(past, quotient - F(1), quotient);
    return Select(IsInfinite(b) & !IsInfinite(a), Select(Opposite(a, b), F(-1), a / b), floored);
  }
  // The remainder with the sign of the divisor, as in Python: exact while |a / b| < 2^48 in f32 and 2^106 in f64. a % 0
  // is NaN.
  friend F Mod(F a, F b) {
    const F once = Fma(-Truncate(a / b), b, a);  // exact; within one rounding error of the quotient, times b
    const F twice = Fma(-Truncate(once / b), b, once);
    const F remainder = Select(Opposite(twice, b), twice + b, twice);
    return Select(IsInfinite(b) & !IsInfinite(a), Select(Opposite(a, b), b, a), remainder);
  }

  // P::Sign if there is one. -1, 0 (of x's sign), 1; NaN stays.
  friend F Sign(F a) {
    if constexpr (requires { P::Sign(a.raw); }) {
      return Of(P::Sign(a.raw));
    } else {
      return Select(a > F(0), F(1), Select(a < F(0), F(-1), a));
    }
  }
  // P::Maximum if there is one. NaN if an operand is NaN; at a tie the first operand, the derivative going to the
  // second.
  friend F Maximum(F a, F b) {
    if constexpr (requires { P::Maximum(a.raw, b.raw); }) {
      return Of(P::Maximum(a.raw, b.raw));
    } else {
      return Select((b > a) | IsNan(b), b, a);
    }
  }
  // P::Minimum if there is one. As Maximum.
  friend F Minimum(F a, F b) {
    if constexpr (requires { P::Minimum(a.raw, b.raw); }) {
      return Of(P::Minimum(a.raw, b.raw));
    } else {
      return Select((b < a) | IsNan(b), b, a);
    }
  }

 private:
  static F Truncate(F a) { return Select(a < F(0), Ceil(a), Floor(a)); }
  static B<P> Opposite(F a, F b) { return ((a < F(0)) & (b > F(0))) | ((a > F(0)) & (b < F(0))); }
  static B<P> IsInfinite(F a) { return Abs(a) == F(std::numeric_limits<double>::infinity()); }
};

template <typename P>
F<P> FromBits(I<P> bits) {
  return F<P>::Of(P::FromBits(bits.raw));
}

}  // namespace gradus::ir
