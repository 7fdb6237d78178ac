// What the polynomials of math_*.h share. Their coefficients come from script/minimax.py; each file says what its
// functions promise, and tests/ir/math_test.cc holds them to it.
#pragma once

#include <cstddef>

#include "ir/algebra.h"

namespace gradus::ir::math {

// c[0] + c[1] x + c[2] x² + …, one fma a coefficient.
template <typename P, size_t kCount>
F<P> Horner(F<P> x, const double (&c)[kCount]) {
  F<P> sum = c[kCount - 1];
  for (size_t i = kCount - 1; i > 0; --i) sum = Fma(sum, x, F<P>(c[i - 1]));
  return sum;
}

// The polynomial for P's width.
template <typename P, size_t kCount32, size_t kCount64>
F<P> Horner(F<P> x, const double (&c32)[kCount32], const double (&c64)[kCount64]) {
  if constexpr (P::kBits == 32) {
    return Horner(x, c32);
  } else {
    return Horner(x, c64);
  }
}

// A constant in two or three parts, each rounded to P's width, whose sum is exact to as many times its digits.
struct Split {
  double part[3];
};
template <typename P>
constexpr Split ForWidth(Split parts32, Split parts64) {
  return P::kBits == 32 ? parts32 : parts64;
}
inline constexpr Split kLn2For32 = {{0x1.62e43p-1, -0x1.05c61p-29, -0x1.950d88p-54}};
inline constexpr Split kLn2For64 = {{0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56, 0x1.7b57a079a1934p-111}};
inline constexpr double kLog2E = 0x1.71547652b82fep+0;

template <typename P>
inline constexpr int kMantissaBits = P::kBits == 32 ? 23 : 52;
template <typename P>
inline constexpr int kExponentBias = P::kBits == 32 ? 127 : 1023;

// 1.5 · 2^mantissa bits: x + kMagic is kMagic + (x rounded to an integer), whose low bits are that integer in two's
// complement, for |x| < 2^(mantissa bits - 1).
template <typename P>
inline constexpr double kMagic = P::kBits == 32 ? 0x1.8p23 : 0x1.8p52;

// A small integer as a float, without a conversion instruction (AVX2 has none for 64 bits).
template <typename P>
F<P> SmallToFloat(I<P> n) {
  const F<P> magic = kMagic<P>;
  return FromBits(n + Bits(magic)) - magic;
}

// 2^n for the normal range.
template <typename P>
F<P> PowerOfTwo(I<P> n) {
  return FromBits((n + I<P>(kExponentBias<P>)) << kMantissaBits<P>);
}

template <typename P>
I<P> SignBit() {
  return I<P>(1) << (P::kBits - 1);
}
// y ≥ 0 with the sign of x.
template <typename P>
F<P> WithSignOf(F<P> y, F<P> x) {
  return FromBits(Bits(y) | (Bits(x) & SignBit<P>()));
}

}  // namespace gradus::ir::math
