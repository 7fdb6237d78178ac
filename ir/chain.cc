#include "ir/chain.h"

namespace gradus::ir {

#if defined(__x86_64__)
namespace {

#define GRADUS_WITH_FMA __attribute__((target("avx2,fma"), optimize("O3")))

GRADUS_WITH_FMA void ChainRowFma(const float* __restrict a, const float* __restrict b, float* __restrict c, int64_t k,
                                 int64_t n) {
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < n; ++j) c[j] = __builtin_fmaf(a[i], b[i * n + j], c[j]);
  }
}
GRADUS_WITH_FMA void ChainRowFma(const double* __restrict a, const double* __restrict b, double* __restrict c,
                                 int64_t k, int64_t n) {
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < n; ++j) c[j] = __builtin_fma(a[i], b[i * n + j], c[j]);
  }
}
GRADUS_WITH_FMA void LaneRowFma(const float* __restrict a, const float* __restrict b, float* __restrict lanes,
                                int64_t k) {
  for (int64_t i = 0; i < k; ++i) lanes[i % kLanes] = __builtin_fmaf(a[i], b[i], lanes[i % kLanes]);
}
GRADUS_WITH_FMA void LaneRowFma(const double* __restrict a, const double* __restrict b, double* __restrict lanes,
                                int64_t k) {
  for (int64_t i = 0; i < k; ++i) lanes[i % kLanes] = __builtin_fma(a[i], b[i], lanes[i % kLanes]);
}
#undef GRADUS_WITH_FMA

bool HasFma() { return __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2"); }

}  // namespace

template <>
ChainKernels<float> ChooseChainKernels<float>() {
  if (!HasFma()) return {};
  return {ChainRowFma, LaneRowFma};
}
template <>
ChainKernels<double> ChooseChainKernels<double>() {
  if (!HasFma()) return {};
  return {ChainRowFma, LaneRowFma};
}
#else
template <>
ChainKernels<float> ChooseChainKernels<float>() {
  return {};
}
template <>
ChainKernels<double> ChooseChainKernels<double>() {
  return {};
}
#endif

}  // namespace gradus::ir
