// erf: 2 ulp in f32 and f64.
//
// Near 0, x + x q(x²); else 1 - exp(-t q(t)) with a minimax polynomial of -log(erfc t) / t, weighted by what remains of
// it in erf (the form of N. Juffa's erff). From the end of the interval on the result rounds to 1.
#pragma once

#include "ir/math_exponential.h"

namespace gradus::ir {
namespace math {

inline constexpr double kErfHead32[] = {0x1.06eba6p-3,  -0x1.8126e6p-2, 0x1.ce1a46p-4,
                                        -0x1.b686eep-6, 0x1.4716c4p-8,  -0x1.395c8cp-11};
inline constexpr double kErfHead64[] = {0x1.06eba8214db68p-3,   -0x1.812746b0379c2p-2,  0x1.ce2f21a041017p-4,
                                        -0x1.b82ce31206284p-6,  0x1.565bccfa9a285p-8,   -0x1.c02db072e9856p-11,
                                        0x1.f9a2bf733331bp-14,  -0x1.f4ca9490c6111p-17, 0x1.b9827ae0ef5c4p-20,
                                        -0x1.5c16e243c6d71p-23, 0x1.d784910dc056p-27,   -0x1.acdffa2d977cap-31};
inline constexpr double kErfcLog32[] = {0x1.20ef1cp+0, 0x1.45328ep-1,   0x1.b32572p-4, -0x1.855154p-6,
                                        0x1.dd6cbp-9,  -0x1.527c18p-12, 0x1.78dc7ep-17};
inline constexpr double kErfcLog64[] = {0x1.20dd7412a11fp+0,    0x1.45f316fa55117p-1,   0x1.a4f305da95388p-4,
                                        -0x1.3957eac6d1b52p-6,  -0x1.bcabd5a40e954p-13, 0x1.bbb4ed0515fc7p-10,
                                        -0x1.2d49393bcb4f1p-11, -0x1.05fc7c52fa73ap-20, 0x1.9080d5c7511d2p-14,
                                        -0x1.d616f5f85755ep-15, 0x1.557186acef806p-16,  -0x1.696756b9d30a4p-18,
                                        0x1.216a0fac7bba5p-20,  -0x1.5e19d1e9d25e2p-23, 0x1.377e5cc17c5a8p-26,
                                        -0x1.8181f8ad918ap-30,  0x1.28a5ba94ef73ep-34,  -0x1.ab87e1ba2db64p-40};

}  // namespace math

// P::Erf if there is one.
template <typename P>
F<P> Erf(F<P> x) {
  if constexpr (requires { P::Erf(x.raw); }) {
    return F<P>::Of(P::Erf(x.raw));
  } else {
    const F<P> a = Abs(x);
    const F<P> near = Fma(a, math::Horner(a * a, math::kErfHead32, math::kErfHead64), a);
    const F<P> t = Minimum(a, F<P>(P::kBits == 32 ? 4 : 6));
    const F<P> far = 1 - Exp(-(t * math::Horner(t, math::kErfcLog32, math::kErfcLog64)));
    return math::WithSignOf(Select(a < F<P>(P::kBits == 32 ? 0.925 : 1), near, far), x);
  }
}

}  // namespace gradus::ir
