// The remainder of a large angle modulo π/2, exact enough for any finite argument, as straight-line code.
//
// Payne and Hanek: of x · 2/π only the fraction and the last two digits of the integer part matter, so only a window of
// the digits of 2/π does, and where it lies depends on the exponent of x. Groups of those digits move into place one
// power of two after the other (the angle shrinking as they do) by Select; five groups are the window: its end
// is 2^-71 (f32) and 2^-158 (f64) of a quarter turn. Each product with the angle is a pair, rounded and remainder, of
// which multiples of 4 are dropped exactly, and the parts are added on two grids, exactly, and a small rest.
// tests/ir/math_test.cc has the arguments that come nearest to multiples of π/2: 2^-30 in f32, 2^-61 in f64
// (script/two_over_pi.py finds them and computes the digits).
#pragma once

#include <iterator>

#include "ir/math_polynomial.h"

namespace gradus::ir::math {

// From here on |x| is large.
template <typename P>
inline constexpr int kLargePhaseExponent = P::kBits == 32 ? 18 : 47;
template <typename P>
inline constexpr int kDigits = kMantissaBits<P> + 1;

// Group k holds the digits of 2/π of weights below 2^(7 - k digits), as many as a mantissa has, times 2^(k digits). The
// digits of the groups before it contribute a multiple of 4 to any product with x ≥ 2^(k digits + kLargePhaseExponent).
inline constexpr double kTwoOverPi32[] = {0x1.45f3p-1,   0x1.b727p+1,   0x1.1054a6p+6, 0x1.f09d5ep+6, 0x1.47d4d2p+6,
                                          0x1.77036cp+6, 0x1.8a5664p+6, 0x1.e21c8p+5,  0x1.07f944p+6};
inline constexpr double kTwoOverPi64[] = {
    0x1.45f306dc9c88p-1,  0x1.529fc2757d1ep+1,  0x1.534ddc0db6295p+6, 0x1.3278872083fcap+6, 0x1.63abdebbc5618p+4,
    0x1.b92371d2126e9p+6, 0x1.c00c925dd413ap+5, 0x1.921cfe1deb1c8p+3, 0x1.894d39f74411ap+5, 0x1.f52ebb4484e98p+5,
    0x1.c7026b45f7e41p+6, 0x1.cc8eb1cc1a99cp+4, 0x1.f49c845f8bbdcp+4, 0x1.c941d8ffc4bffp+6, 0x1.de05980fef2f1p+6,
    0x1.8b5a0a6d1f6dp+3,  0x1.b3f6793e584dap+5, 0x1.a7a31fb34f2ffp+6, 0x1.45aea4f758fd6p+5, 0x1.cbe2f67a0e73ep+6,
    0x1.e294a4ba9afedp+6, 0x1.fb11f8d5d0856p+5, 0x1.98237e3db5dp-1};
inline constexpr int kWindow = 5;

inline constexpr Split kHalfPiFor32 = {{0x1.921fb6p+0, -0x1.777a5cp-25, -0x1.ee59dap-50}};
inline constexpr Split kHalfPiFor64 = {{0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110}};

// A phase modulo 2π: quadrant π/2 + r + r_low with |r| ≤ π/4 (a rounding more), the quadrant modulo 4.
template <typename P>
struct Phase {
  F<P> r;
  F<P> r_low;
  I<P> quadrant;
};

constexpr double ExactPowerOfTwo(int n) {
  double power = 1;
  for (; n > 0; --n) power *= 2;
  for (; n < 0; ++n) power /= 2;
  return power;
}

// Brings the group of 2/π that belongs to a first, by steps of kStep groups, and divides a by what they stand for.
template <int kStep, typename P, size_t kCount>
void MoveWindow(F<P>& a, F<P> (&group)[kCount]) {
  constexpr int kShift = kStep * kDigits<P>;
  constexpr double kFrom = ExactPowerOfTwo(kLargePhaseExponent<P> + kShift);
  constexpr double kScale = ExactPowerOfTwo(-kShift);
  const B<P> beyond = a >= F<P>(kFrom);
  a = Select(beyond, a * F<P>(kScale), a);
  for (int i = 0; i < kWindow + kStep - 1 && i + kStep < static_cast<int>(kCount); ++i) {
    group[i] = Select(beyond, group[i + kStep], group[i]);
  }
  if constexpr (kStep > 1) MoveWindow<kStep / 2, P>(a, group);
}

// x less the nearest multiple of 4, exactly.
template <typename P>
F<P> ModuloFour(F<P> x) {
  return Fma(RoundEven(x * F<P>(0.25)), F<P>(-4), x);
}

// Adds x to a sum that keeps the digits above its last one; returns what it leaves of x, exactly.
template <typename P>
F<P> AddOnGrid(F<P>& sum, F<P> x) {
  const F<P> before = sum;
  sum = before + x;
  return x - (sum - before);
}

// The phase of a ≥ 2^kLargePhaseExponent; NaN for infinity and NaN.
template <typename P>
Phase<P> LargePhase(F<P> a) {
  constexpr Split kHalfPi = ForWidth<P>(kHalfPiFor32, kHalfPiFor64);
  constexpr size_t kCount = P::kBits == 32 ? std::size(kTwoOverPi32) : std::size(kTwoOverPi64);
  F<P> group[kCount];
  for (size_t i = 0; i < kCount; ++i) group[i] = F<P>(P::kBits == 32 ? kTwoOverPi32[i] : kTwoOverPi64[i]);
  MoveWindow<P::kBits == 32 ? 4 : 16, P>(a, group);

  // a · group[i] = product[i] + low[i]: below 2^(2 digits + 1), 2^(digits + 1), 2, 2^(1 - digits), 2^(1 - 2 digits); a
  // remainder is as small as the next product.
  constexpr double kGroup = ExactPowerOfTwo(-kDigits<P>);
  F<P> product[kWindow], low[kWindow - 1];
  for (int i = 0; i < kWindow; ++i) {
    if (i > 0) a = a * F<P>(kGroup);
    product[i] = a * group[i];
    if (i < kWindow - 1) low[i] = Fma(a, group[i], -product[i]);
  }

  // Grids of 2^(5 - mantissa bits) and 2^(9 - 2 mantissa bits): the largest parts stay exact on each. The first product
  // lies on the first grid, and what the two after it leave lies on the second.
  constexpr double kFirst = 48;
  constexpr double kSecond = 1.5 * ExactPowerOfTwo(9 - kMantissaBits<P>);
  F<P> first = F<P>(kFirst) + ModuloFour(product[0]);
  const F<P> left_0 = AddOnGrid(first, ModuloFour(low[0]));
  const F<P> left_1 = AddOnGrid(first, ModuloFour(product[1]));
  const F<P> left_2 = AddOnGrid(first, low[1]);
  const F<P> left_3 = AddOnGrid(first, product[2]);
  F<P> second = F<P>(kSecond) + (left_0 + left_1);
  F<P> rest = AddOnGrid(second, left_2);
  rest = rest + AddOnGrid(second, left_3);
  rest = rest + AddOnGrid(second, low[2]);
  rest = rest + AddOnGrid(second, product[3]);
  rest = rest + (low[3] + product[4]);

  const F<P> turns = first - F<P>(kFirst);  // in quarters
  const F<P> shifted = turns + F<P>(kMagic<P>);
  const F<P> fraction = turns - (shifted - F<P>(kMagic<P>));
  const F<P> finer = second - F<P>(kSecond);
  const F<P> high = fraction + finer;
  const F<P> remainder = (finer - (high - fraction)) + rest;
  const F<P> r = high * F<P>(kHalfPi.part[0]);
  const F<P> r_low =
      Fma(high, F<P>(kHalfPi.part[0]), -r) + Fma(high, F<P>(kHalfPi.part[1]), remainder * F<P>(kHalfPi.part[0]));
  return {r, r_low, Bits(shifted)};
}

}  // namespace gradus::ir::math
