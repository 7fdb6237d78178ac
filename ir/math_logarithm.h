// log and pow.
//
// - log: f32 1 ulp, f64 1 ulp; log(±0) = -inf, log(x < 0) = NaN, denormals exact
// - pow: f32 2 ulp, f64 2 ulp, denormal results included; the special cases of IEEE 754-2019 §9.2.1 (pow(x, ±0) =
// pow(1, y) = 1 even for NaN)
//
// Both split x = 2^e m with m in [√½, √2). pow carries log x to about 1.5 times the digits: log m = 2 s + 2 s³/3 + …, s
// = (m-1)/(m+1), the first two terms in two parts (Tang, Table-driven implementation of the logarithm function, 1990,
// without the table).
#pragma once

#include <limits>

#include "ir/math_exponential.h"

namespace gradus::ir {
namespace math {

inline constexpr double kLogTail32[] = {0x1.555554p-2, -0x1.000226p-2, 0x1.99a00ap-3, -0x1.547246p-3,
                                        0x1.22da06p-3, -0x1.0d852p-3,  0x1.055bf2p-3, -0x1.38b75ep-4};
inline constexpr double kLogRatio64[] = {0x1.5555555555592p-2, 0x1.999999997fdb8p-3, 0x1.24924941f11dp-3,
                                         0x1.c71c520962122p-4, 0x1.74663ee7b1f27p-4, 0x1.39a1bac3d0216p-4,
                                         0x1.2f05633e7731cp-4};
inline constexpr double kPowRatio32[] = {0x1.999ap-3, 0x1.24529ap-3, 0x1.df9cc8p-4};
inline constexpr double kPowRatio64[] = {0x1.9999999999b3p-3,  0x1.2492492457db4p-3, 0x1.c71c722d5e1fcp-4,
                                         0x1.745ce9e653e57p-4, 0x1.3b1eeb7d0f86ap-4, 0x1.0f7ff6e11414fp-4,
                                         0x1.0e422e5427333p-4};

inline constexpr Split kThirdFor32 = {{0x1.555556p-2, -0x1.555556p-27, 0}};
inline constexpr Split kThirdFor64 = {{0x1.5555555555555p-2, 0x1.5555555555555p-56, 0}};

// x > 0 finite as 2^exponent (1 + f), √½ ≤ 1 + f < √2. Exact.
template <typename P>
struct Normalised {
  F<P> exponent;
  F<P> f;
};
template <typename P>
Normalised<P> Normalise(F<P> x) {
  constexpr int kBits = kMantissaBits<P>;
  const B<P> denormal = x < F<P>(P::kBits == 32 ? 0x1p-126 : 0x1p-1022);
  const F<P> normal = Select(denormal, x * F<P>(P::kBits == 32 ? 0x1p23 : 0x1p52), x);
  const I<P> half_root = P::kBits == 32 ? 0x3f3504f3 : 0x3fe6a09e667f3bcd;
  const I<P> above = Bits(normal) - half_root;
  const I<P> exponent = (above >> kBits) - Select(denormal, I<P>(kBits), I<P>(0));
  const I<P> mantissa = (above & I<P>((int64_t{1} << kBits) - 1)) + half_root;
  return {SmallToFloat(exponent), FromBits(mantissa) - F<P>(1)};
}

// A value in two parts, high + low with |low| ≤ ulp(high) / 2.
template <typename P>
struct Pair {
  F<P> high;
  F<P> low;
};
// Exactly a + b (Knuth).
template <typename P>
Pair<P> TwoSum(F<P> a, F<P> b) {
  const F<P> sum = a + b;
  const F<P> b_part = sum - a;
  return {sum, (a - (sum - b_part)) + (b - b_part)};
}
// Exactly a + b for |a| ≥ |b| (Dekker).
template <typename P>
Pair<P> FastTwoSum(F<P> a, F<P> b) {
  const F<P> sum = a + b;
  return {sum, b - (sum - a)};
}
// Exactly a b.
template <typename P>
Pair<P> TwoProduct(F<P> a, F<P> b) {
  const F<P> product = a * b;
  return {product, Fma(a, b, -product)};
}

// log x in two parts, x > 0 finite.
template <typename P>
Pair<P> LogPair(F<P> x) {
  constexpr Split kThird = ForWidth<P>(kThirdFor32, kThirdFor64);
  constexpr Split kLn2 = ForWidth<P>(kLn2For32, kLn2For64);
  const auto [exponent, f] = Normalise(x);
  // s = f / (2 + f)
  const Pair<P> divisor = FastTwoSum(F<P>(2), f);
  const F<P> s = f / divisor.high;
  const F<P> s_low = (Fma(-s, divisor.high, f) - s * divisor.low) / divisor.high;
  // z = s²
  Pair<P> z = TwoProduct(s, s);
  z.low = Fma(s + s, s_low, z.low);
  // z (1/3 + z q(z))
  Pair<P> series = FastTwoSum(F<P>(kThird.part[0]), z.high * Horner(z.high, kPowRatio32, kPowRatio64));
  series.low = series.low + F<P>(kThird.part[1]);
  Pair<P> correction = TwoProduct(z.high, series.high);
  correction.low = correction.low + Fma(z.high, series.low, z.low * series.high);
  // times s
  Pair<P> cubic = TwoProduct(s, correction.high);
  cubic.low = cubic.low + Fma(s, correction.low, s_low * correction.high);
  // exponent ln 2 + 2 (s + cubic)
  Pair<P> scale = TwoProduct(exponent, F<P>(kLn2.part[0]));
  scale.low = Fma(exponent, F<P>(kLn2.part[1]), scale.low);
  const Pair<P> first = TwoSum(scale.high, s + s);
  const Pair<P> second = TwoSum(first.high, cubic.high + cubic.high);
  const F<P> rest = (first.low + second.low) + (scale.low + 2 * (s_low + cubic.low));
  return FastTwoSum(second.high, rest);
}

// e^(x.high + x.low), to the denormals; |x.high| ≤ 150 in f32, 1400 in f64.
template <typename P>
F<P> ExpPair(Pair<P> x) {
  constexpr Split kLn2 = ForWidth<P>(kLn2For32, kLn2For64);
  const F<P> magic = kMagic<P>;
  const F<P> shifted = Fma(x.high, F<P>(kLog2E), magic);
  const F<P> n = shifted - magic;
  const F<P> r = Fma(n, F<P>(-kLn2.part[0]), x.high) + Fma(n, F<P>(-kLn2.part[1]), x.low);
  const F<P> tail = Horner(r, kExpTail32, kExpTail64);
  const F<P> power = Fma(Fma(tail, r, F<P>(1)), r, F<P>(1));
  const I<P> exponent = Bits(shifted) - Bits(magic);
  const I<P> half = exponent >> 1;  // twice, so that a denormal result is rounded once and a large one overflows
  return power * PowerOfTwo(half) * PowerOfTwo(exponent - half);
}

}  // namespace math

// P::Log if there is one.
template <typename P>
F<P> Log(F<P> x) {
  if constexpr (requires { P::Log(x.raw); }) {
    return F<P>::Of(P::Log(x.raw));
  } else {
    constexpr math::Split kLn2 = math::ForWidth<P>(math::kLn2For32, math::kLn2For64);
    const auto [exponent, f] = math::Normalise(x);
    const F<P> square = f * f;
    F<P> correction;  // log(1 + f) - f
    if constexpr (P::kBits == 32) {
      const F<P> cubic = Fma(square * f, math::Horner(f, math::kLogTail32), exponent * F<P>(kLn2.part[1]));
      correction = Fma(F<P>(-0.5), square, cubic);
    } else {
      const F<P> s = f / (2 + f);
      const F<P> z = s * s;
      const F<P> half = 0.5 * square;
      const F<P> series = Fma(z + z, math::Horner(z, math::kLogRatio64), half);
      correction = Fma(s, series, exponent * F<P>(kLn2.part[1])) - half;
    }
    const F<P> finite = Fma(exponent, F<P>(kLn2.part[0]), f + correction);
    const F<P> infinity = std::numeric_limits<double>::infinity();
    const F<P> nan = std::numeric_limits<double>::quiet_NaN();
    const F<P> positive = Select(x < infinity, finite, x);  // infinity and NaN stay
    return Select(x > F<P>(0), positive, Select(x == F<P>(0), -infinity, Select(x < F<P>(0), nan, x)));
  }
}

// P::Pow if there is one.
template <typename P>
F<P> Pow(F<P> x, F<P> y) {
  if constexpr (requires { P::Pow(x.raw, y.raw); }) {
    return F<P>::Of(P::Pow(x.raw, y.raw));
  } else {
    const F<P> infinity = std::numeric_limits<double>::infinity();
    const F<P> a = Abs(x);
    // Beyond these bounds the result is 0, 1 or infinity whatever x, and within them no product overflows.
    const F<P> largest_y = P::kBits == 32 ? 0x1p40 : 0x1p66;
    const F<P> largest_log = P::kBits == 32 ? 150 : 1400;
    const F<P> exponent = Maximum(Minimum(y, largest_y), -largest_y);
    const math::Pair<P> log = math::LogPair(a);
    math::Pair<P> product = math::TwoProduct(exponent, log.high);
    product.low = Fma(exponent, log.low, product.low);
    const B<P> within = Abs(product.high) < largest_log;
    product.high = Select(within, product.high, Select(product.high < F<P>(0), -largest_log, largest_log));
    product.low = Select(within, product.low, F<P>(0));
    const F<P> finite = math::ExpPair(product);

    const B<P> degenerate = (a == F<P>(0)) | (a == infinity);
    const B<P> grows = (a == infinity) ^ (y < F<P>(0));
    const F<P> magnitude = Select(degenerate, Select(grows, infinity, F<P>(0)), finite);
    const B<P> integer = Floor(y) == y;
    const F<P> half = 0.5 * y;
    const B<P> odd = integer & (Floor(half) != half);
    const B<P> negative = Bits(x) < I<P>(0);
    const F<P> with_sign = Select(negative & odd, -magnitude, magnitude);
    const F<P> nan = std::numeric_limits<double>::quiet_NaN();
    const F<P> real = Select((x < F<P>(0)) & !integer & !degenerate, nan, with_sign);
    const F<P> total = Select(IsNan(x) | IsNan(y), x + y, real);
    return Select((y == F<P>(0)) | (x == F<P>(1)), F<P>(1), total);
  }
}

}  // namespace gradus::ir
