// sin and cos: 1.5 ulp for every finite x. Infinity gives NaN.
//
// x = n π/2 + r, the remainder r in two parts, then the minimax polynomials of sin and cos on [-π/4, π/4], of which the
// quadrant n mod 4 selects one and its sign. Below 2^18 (f32) and 2^47 (f64) r is Cody and Waite's: n times π/2 in
// three parts is subtracted, and what the second subtraction loses is added back. Above, math_large_phase.h has it.
#pragma once

#include "ir/math_large_phase.h"
#include "ir/math_polynomial.h"

namespace gradus::ir {
namespace math {

inline constexpr double kSinTail32[] = {-0x1.555546p-3, 0x1.11076p-7, -0x1.994eb4p-13};
inline constexpr double kSinTail64[] = {-0x1.5555555555549p-3, 0x1.111111110f881p-7,   -0x1.a01a019c126c8p-13,
                                        0x1.71de357875624p-19, -0x1.ae5e66d59306ap-26, 0x1.5d932f76ffc99p-33};
inline constexpr double kCosTail32[] = {0x1.55554ap-5, -0x1.6c0c8cp-10, 0x1.9a025ap-16};
inline constexpr double kCosTail64[] = {0x1.555555555554cp-5,   -0x1.6c16c16c15184p-10, 0x1.a01a019cb26fap-16,
                                        -0x1.27e4f80a76dfep-22, 0x1.1ee9ec481433cp-29,  -0x1.8faecf64cd3ap-37};

inline constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;

// The phase of 0 ≤ a ≤ 2^kLargePhaseExponent.
template <typename P>
Phase<P> SmallPhase(F<P> a) {
  constexpr Split kHalfPi = ForWidth<P>(kHalfPiFor32, kHalfPiFor64);
  const F<P> magic = kMagic<P>;
  const F<P> shifted = Fma(a, F<P>(kTwoOverPi), magic);
  const F<P> n = shifted - magic;
  const F<P> first = Fma(n, F<P>(-kHalfPi.part[0]), a);  // exact
  const F<P> product = n * F<P>(kHalfPi.part[1]);
  const F<P> product_low = Fma(n, F<P>(kHalfPi.part[1]), -product);
  const F<P> second = first - product;
  const F<P> lost = ((first - second) - product) - product_low;
  const F<P> third = Fma(n, F<P>(-kHalfPi.part[2]), lost);
  const F<P> sum = second + third;
  return {sum, third - (sum - second), Bits(shifted)};
}

// sin(|x| + quarter π/2); the caller owns the sign that x gives.
template <typename P>
F<P> SinOfMagnitude(F<P> x, int quarter) {
  const F<P> a = Abs(x);
  const B<P> small = a < F<P>(ExactPowerOfTwo(kLargePhaseExponent<P>));
  const Phase<P> if_small = SmallPhase(a);
  const Phase<P> if_large = LargePhase(a);
  const F<P> r = Select(small, if_small.r, if_large.r);
  const F<P> r_low = Select(small, if_small.r_low, if_large.r_low);
  const I<P> quadrant = Select(small, if_small.quadrant, if_large.quadrant) + I<P>(quarter);

  const F<P> z = r * r;
  const F<P> sine = r + Fma(r * z, Horner(z, kSinTail32, kSinTail64), r_low);
  const F<P> cosine = Fma(z, Fma(z, Horner(z, kCosTail32, kCosTail64), F<P>(-0.5)), F<P>(1)) - r * r_low;
  const F<P> magnitude = Select((quadrant & I<P>(1)) == I<P>(0), sine, cosine);
  return FromBits(Bits(magnitude) ^ ((quadrant & I<P>(2)) << (P::kBits - 2)));
}

}  // namespace math

// P::Sin if there is one.
template <typename P>
F<P> Sin(F<P> x) {
  if constexpr (requires { P::Sin(x.raw); }) {
    return F<P>::Of(P::Sin(x.raw));
  } else {
    return FromBits(Bits(math::SinOfMagnitude(x, 0)) ^ (Bits(x) & math::SignBit<P>()));
  }
}

// P::Cos if there is one.
template <typename P>
F<P> Cos(F<P> x) {
  if constexpr (requires { P::Cos(x.raw); }) {
    return F<P>::Of(P::Cos(x.raw));
  } else {
    return math::SinOfMagnitude(x, 1);
  }
}

}  // namespace gradus::ir
