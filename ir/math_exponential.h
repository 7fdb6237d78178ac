// exp, sigmoid and tanh.
//
// - exp: f32 1.1 ulp, f64 1.1 ulp; +0 below kExpLow (where the result would be denormal), inf above the largest finite
// result
// - sigmoid: f32 2.5 ulp, f64 2.5 ulp for x ≥ kExpLow; +0 below
// - tanh: f32 1.5 ulp, f64 1.5 ulp
//
// exp reduces x = n ln 2 + r, |r| ≤ ln 2 / 2 (Cody and Waite, with ln 2 in two parts), evaluates e^r by a minimax
// polynomial and adds n to its exponent.
#pragma once

#include <limits>

#include "ir/math_polynomial.h"

namespace gradus::ir {
namespace math {

inline constexpr double kExpTail32[] = {0x1.fffffcp-2, 0x1.555492p-3, 0x1.5558f2p-5, 0x1.1239d4p-7, 0x1.6a245p-10};
inline constexpr double kExpTail64[] = {
    0x1.000000000000ap-1,  0x1.55555555554fap-3,  0x1.555555555088cp-5,  0x1.1111111127ba5p-7,  0x1.6c16c18426746p-10,
    0x1.a01a012a66fe8p-13, 0x1.a0199a16cd55fp-16, 0x1.71df253f67fe4p-19, 0x1.28ad68b4f3fefp-22, 0x1.ad7f7387c3ce3p-26};
inline constexpr double kTanhTail32[] = {-0x1.555534p-2, 0x1.110768p-3, -0x1.b84448p-5, 0x1.5256d8p-6, -0x1.76ac1ap-8};
inline constexpr double kTanhTail64[] = {-0x1.5555555555503p-2,  0x1.111111110b0c7p-3,  -0x1.ba1ba1b531088p-5,
                                         0x1.664f4781f7232p-6,   -0x1.226e16da00e8dp-7, 0x1.d6cf3ca405fb3p-9,
                                         -0x1.7d696a5dccf4dp-10, 0x1.336ae565c358dp-11, -0x1.df7a84db1087bp-13,
                                         0x1.43e16bf1e3c8fp-14,  -0x1.0e3d4db561f5bp-16};

// Below kExpLow exp gives +0; above kExpHigh infinity.
template <typename P>
inline constexpr double kExpLow = P::kBits == 32 ? -87.33 : -708.39;
template <typename P>
inline constexpr double kExpHigh = P::kBits == 32 ? 0x1.62e42ep+6 : 0x1.62e42fefa39efp+9;

}  // namespace math

// P::Exp if there is one.
template <typename P>
F<P> Exp(F<P> x) {
  if constexpr (requires { P::Exp(x.raw); }) {
    return F<P>::Of(P::Exp(x.raw));
  } else {
    constexpr math::Split kLn2 = math::ForWidth<P>(math::kLn2For32, math::kLn2For64);
    const F<P> magic = math::kMagic<P>;
    const F<P> shifted = Fma(x, F<P>(math::kLog2E), magic);
    const F<P> n = shifted - magic;
    const F<P> r = Fma(n, F<P>(-kLn2.part[1]), Fma(n, F<P>(-kLn2.part[0]), x));
    const F<P> tail = math::Horner(r, math::kExpTail32, math::kExpTail64);
    const F<P> power = Fma(Fma(tail, r, F<P>(1)), r, F<P>(1));  // e^r
    const F<P> scaled = FromBits(Bits(power) + (Bits(shifted) << math::kMantissaBits<P>));
    const F<P> infinity = std::numeric_limits<double>::infinity();
    const F<P> total =
        Select(x <= F<P>(math::kExpHigh<P>), scaled, x + infinity);  // NaN fails the comparison and stays
    return Select(x < F<P>(math::kExpLow<P>), F<P>(0), total);
  }
}

// P::Sigmoid if there is one.
template <typename P>
F<P> Sigmoid(F<P> x) {
  if constexpr (requires { P::Sigmoid(x.raw); }) {
    return F<P>::Of(P::Sigmoid(x.raw));
  } else {
    const F<P> e = Exp(-Abs(x));
    return Select(x < F<P>(0), e, F<P>(1)) / (1 + e);
  }
}

// P::Tanh if there is one.
template <typename P>
F<P> Tanh(F<P> x) {
  if constexpr (requires { P::Tanh(x.raw); }) {
    return F<P>::Of(P::Tanh(x.raw));
  } else {
    const F<P> a = Abs(x);
    const F<P> z = a * a;
    const F<P> near = Fma(a * z, math::Horner(z, math::kTanhTail32, math::kTanhTail64), a);
    const F<P> far = 1 - 2 / (Exp(a + a) + 1);
    return math::WithSignOf(Select(a < F<P>(0.625), near, far), x);
  }
}

}  // namespace gradus::ir
