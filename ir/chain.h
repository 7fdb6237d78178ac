// Chains of fused multiply-adds on the elements of arrays: the inner loops of contractions and convolutions in the
// interpreter. f32 and f64 use the hardware's fma where there is one, four to a hundred times faster than the library's
// and equal to the last bit.
#pragma once

#include "ir/array.h"
#include "ir/convert.h"
#include "ir/order.h"

namespace gradus::ir {

template <typename T>
using WrappedNumber = std::conditional_t<kIsReal<T>, F<Scalar<T>>, I<Scalar<T>>>;

template <typename T>
T MultiplyAdd(const T& a, const T& b, const T& c) {
  using V = WrappedNumber<T>;
  if constexpr (kIsReal<T>) {
    return Fma(V::Of(a), V::Of(b), V::Of(c)).raw;
  } else {
    return (V::Of(a) * V::Of(b) + V::Of(c)).raw;
  }
}

// c[j] = fma(a[i], b[i, j], c[j]) for i in [0, k) ascending, j in [0, n).
template <typename T>
void ChainRow(const T* a, const T* b, T* c, int64_t k, int64_t n) {
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < n; ++j) c[j] = MultiplyAdd(a[i], b[i * n + j], c[j]);
  }
}

// lanes[i mod 16] = fma(a[i], b[i], lanes[i mod 16]).
template <typename T>
void LaneRow(const T* a, const T* b, T* lanes, int64_t k) {
  for (int64_t i = 0; i < k; ++i) lanes[i % kLanes] = MultiplyAdd(a[i], b[i], lanes[i % kLanes]);
}

template <typename T>
struct ChainKernels {
  void (*chain)(const T*, const T*, T*, int64_t, int64_t) = ChainRow<T>;
  void (*lanes)(const T*, const T*, T*, int64_t) = LaneRow<T>;
};

template <typename T>
ChainKernels<T> ChooseChainKernels() {
  return {};
}
template <>
ChainKernels<float> ChooseChainKernels<float>();
template <>
ChainKernels<double> ChooseChainKernels<double>();

}  // namespace gradus::ir
