// The contraction, in the order of ir/order.h.
//
// Operands are brought into dense [batch, M, K] and [batch, K, N] (lanes16: [batch, N, K]), the result out of
// [batch, M, N]. f32 and f64 use the hardware's fma where there is one, four to a hundred times faster than the
// library's and equal to the last bit.
#include <algorithm>

#include "ir/contraction.h"
#include "ir/convert.h"
#include "ir/evaluate.h"
#include "ir/order.h"
#include "ir/strided_copy.h"

namespace gradus::ir {
namespace {

template <typename T>
using Wrapped = std::conditional_t<kIsReal<T>, F<Scalar<T>>, I<Scalar<T>>>;

template <typename T>
T MultiplyAdd(const T& a, const T& b, const T& c) {
  using V = Wrapped<T>;
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
struct Kernels {
  void (*chain)(const T*, const T*, T*, int64_t, int64_t) = ChainRow<T>;
  void (*lanes)(const T*, const T*, T*, int64_t) = LaneRow<T>;
};

template <typename T>
Kernels<T> ChooseKernels() {
  return {};
}

#if defined(__x86_64__)
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

template <>
Kernels<float> ChooseKernels<float>() {
  if (!__builtin_cpu_supports("fma") || !__builtin_cpu_supports("avx2")) return {};
  return {ChainRowFma, LaneRowFma};
}
template <>
Kernels<double> ChooseKernels<double>() {
  if (!__builtin_cpu_supports("fma") || !__builtin_cpu_supports("avx2")) return {};
  return {ChainRowFma, LaneRowFma};
}
#undef GRADUS_WITH_FMA
#endif

// One row of the result, [n], zero on entry, as s chains added left to right.
template <typename T>
void SlicedRow(const Kernels<T>& kernels, const T* a, const T* b, T* c, const ContractionOrder& order, int64_t k,
               int64_t n) {
  kernels.chain(a, b, c, std::min(order.slice_length, k), n);
  std::vector<T> slice(order.slice_length < k ? n : 0);
  for (int64_t begin = order.slice_length; begin < k; begin += order.slice_length) {
    std::fill(slice.begin(), slice.end(), T(0));
    kernels.chain(a + begin, b + begin * n, slice.data(), std::min(order.slice_length, k - begin), n);
    for (int64_t j = 0; j < n; ++j) c[j] = (Wrapped<T>::Of(c[j]) + Wrapped<T>::Of(slice[j])).raw;
  }
}

template <typename T>
T LaneSum(const Kernels<T>& kernels, const T* a, const T* b, int64_t k) {
  using V = Wrapped<T>;
  T lanes[kLanes];
  std::fill(lanes, lanes + kLanes, T(0));
  kernels.lanes(a, b, lanes, k);
  for (int64_t width = kLanes / 2; width > 0; width /= 2) {
    for (int64_t lane = 0; lane < width; ++lane) lanes[lane] = (V::Of(lanes[lane]) + V::Of(lanes[lane + width])).raw;
  }
  return lanes[0];
}

// Axes of one kind, appended to a view of an operand or of the result.
void Append(const Contraction& contraction, AxisKind kind, int ContractionAxis::* position, const Statement& dot,
            const Shape& strides, Shape& extents, View& view) {
  for (const ContractionAxis& axis : contraction.axes) {
    if (axis.kind != kind) continue;
    extents.push_back(contraction.Extent(axis, dot.operands[0]->type, dot.operands[1]->type));
    view.strides.push_back(strides[axis.*position]);
  }
}

// The operand with its axes in the order of `kinds`, dense.
Array Arranged(const Array& x, const Contraction& contraction, const Statement& dot, int ContractionAxis::* position,
               std::initializer_list<AxisKind> kinds) {
  Shape extents;
  View view;
  const Shape strides = RowMajorStrides(x.type().shape);
  for (const AxisKind kind : kinds) Append(contraction, kind, position, dot, strides, extents, view);
  Array result = x.WithType(Type{x.type().element, extents});
  StridedCopy(extents, x.element_bytes(), x.bytes(), view, result.bytes(), {0, RowMajorStrides(extents)});
  return result;
}

}  // namespace

absl::Status EvaluateDot(const Evaluation& e) {
  using enum AxisKind;
  const Contraction contraction = AxesOf(e.statement);
  const ContractionSize size = SizeOf(e.statement);
  const ContractionOrder order = OrderOfContraction(e.statement);
  const Array a =
      Arranged(*e.operands[0], contraction, e.statement, &ContractionAxis::in_a, {kBatch, kFreeA, kContracted});
  const Array b =
      order.lanes
          ? Arranged(*e.operands[1], contraction, e.statement, &ContractionAxis::in_b, {kBatch, kFreeB, kContracted})
          : Arranged(*e.operands[1], contraction, e.statement, &ContractionAxis::in_b, {kBatch, kContracted, kFreeB});
  Shape extents;
  View view;
  const Shape strides = RowMajorStrides(e.result.type().shape);
  for (const AxisKind kind : {kBatch, kFreeA, kFreeB}) {
    Append(contraction, kind, &ContractionAxis::in_result, e.statement, strides, extents, view);
  }
  Array c = e.result.WithType(Type{e.result.type().element, extents});
  Dispatch(a.element(), [&](auto element) {
    using T = decltype(element);
    if constexpr (std::is_same_v<T, bool>) {
      CHECK(false) << "a contraction of bool";
    } else {
      const Kernels<T> kernels = ChooseKernels<T>();
      const T *pa = a.data<T>().data(), *pb = b.data<T>().data();
      const absl::Span<T> result = c.data<T>();
      std::fill(result.begin(), result.end(), T(0));
      T* pc = result.data();
      for (int64_t batch = 0; batch < size.batch; ++batch, pb += size.k * size.n) {
        for (int64_t i = 0; i < size.m; ++i, pa += size.k, pc += size.n) {
          if (!order.lanes) {
            SlicedRow(kernels, pa, pb, pc, order, size.k, size.n);
            continue;
          }
          for (int64_t j = 0; j < size.n; ++j) pc[j] = LaneSum(kernels, pa, pb + j * size.k, size.k);
        }
      }
    }
  });
  StridedCopy(extents, c.element_bytes(), c.bytes(), {0, RowMajorStrides(extents)}, e.result.bytes(), view);
  return absl::OkStatus();
}

}  // namespace gradus::ir
