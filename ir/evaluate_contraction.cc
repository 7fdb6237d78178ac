// The contraction, in the order of ir/order.h.
//
// Operands are brought into dense [batch, M, K] and [batch, K, N] (lanes16: [batch, N, K]), the result out of
// [batch, M, N].
#include <algorithm>

#include "ir/chain.h"
#include "ir/contraction.h"
#include "ir/evaluate.h"
#include "ir/order.h"
#include "ir/strided_copy.h"

namespace gradus::ir {
namespace {

// One row of the result, [n], zero on entry, as s chains added left to right.
template <typename T>
void SlicedRow(const ChainKernels<T>& kernels, const T* a, const T* b, T* c, const ContractionOrder& order, int64_t k,
               int64_t n) {
  kernels.chain(a, b, c, std::min(order.slice_length, k), n);
  std::vector<T> slice(order.slice_length < k ? n : 0);
  for (int64_t begin = order.slice_length; begin < k; begin += order.slice_length) {
    std::fill(slice.begin(), slice.end(), T(0));
    kernels.chain(a + begin, b + begin * n, slice.data(), std::min(order.slice_length, k - begin), n);
    for (int64_t j = 0; j < n; ++j) c[j] = (WrappedNumber<T>::Of(c[j]) + WrappedNumber<T>::Of(slice[j])).raw;
  }
}

template <typename T>
T LaneSum(const ChainKernels<T>& kernels, const T* a, const T* b, int64_t k) {
  using V = WrappedNumber<T>;
  T lanes[kLanes];
  std::fill(lanes, lanes + kLanes, T(0));
  kernels.lanes(a, b, lanes, k);
  for (int64_t width = kLanes / 2; width > 0; width /= 2) {
    for (int64_t lane = 0; lane < width; ++lane) lanes[lane] = (V::Of(lanes[lane]) + V::Of(lanes[lane + width])).raw;
  }
  return lanes[0];
}

// Which terms exist: the offset of an index is what it adds to the difference that the band bounds.
struct BandOffsets {
  int64_t lower, upper;
  std::vector<int64_t> batch, m, n, k;

  bool Holds(int64_t offset) const { return lower <= offset && offset <= upper; }
};

// The offsets of the row-major index over the axes of one kind.
std::vector<int64_t> OffsetsOf(const Contraction& contraction, AxisKind kind, const Statement& dot) {
  std::vector<int64_t> offsets = {0};
  for (const ContractionAxis& axis : contraction.axes) {
    if (axis.kind != kind) continue;
    std::vector<int64_t> outer;
    outer.swap(offsets);
    const int64_t extent = contraction.Extent(axis, dot.operands[0]->type, dot.operands[1]->type);
    for (const int64_t offset : outer) {
      for (int64_t i = 0; i < extent; ++i) offsets.push_back(offset + axis.side * i);
    }
  }
  return offsets;
}

// Calls work(begin, end) for every run of indices for which `holds`.
template <typename Holds, typename Work>
void ForRuns(int64_t count, Holds holds, Work work) {
  for (int64_t begin = 0; begin < count;) {
    int64_t end = begin;
    while (end < count && holds(end)) ++end;
    if (begin < end) work(begin, end);
    begin = end + 1;
  }
}

// One row of the result, [n], zero on entry, over the terms that exist; `base` is the offset of batch and row.
template <typename T>
void BandedRow(const ChainKernels<T>& kernels, const T* a, const T* b, T* c, const BandOffsets& band, int64_t base) {
  const auto n = static_cast<int64_t>(band.n.size()), k = static_cast<int64_t>(band.k.size());
  if (std::all_of(band.n.begin(), band.n.end(), [](int64_t offset) { return offset == 0; })) {
    ForRuns(
        k, [&](int64_t i) { return band.Holds(base + band.k[i]); },
        [&](int64_t begin, int64_t end) { kernels.chain(a + begin, b + begin * n, c, end - begin, n); });
    return;
  }
  for (int64_t i = 0; i < k; ++i) {
    ForRuns(
        n, [&](int64_t j) { return band.Holds(base + band.k[i] + band.n[j]); },
        [&](int64_t begin, int64_t end) { kernels.chain(a + i, b + i * n + begin, c + begin, 1, end - begin); });
  }
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
  const auto offsets = [&](AxisKind kind) {
    return size.banded ? OffsetsOf(contraction, kind, e.statement) : std::vector<int64_t>();
  };
  const BandOffsets band = {contraction.lower, contraction.upper, offsets(kBatch),
                            offsets(kFreeA),   offsets(kFreeB),   offsets(kContracted)};
  Dispatch(a.element(), [&](auto element) {
    using T = decltype(element);
    if constexpr (std::is_same_v<T, bool>) {
      CHECK(false) << "a contraction of bool";
    } else {
      const ChainKernels<T> kernels = ChooseChainKernels<T>();
      const T *pa = a.data<T>().data(), *pb = b.data<T>().data();
      const absl::Span<T> result = c.data<T>();
      std::fill(result.begin(), result.end(), T(0));
      T* pc = result.data();
      for (int64_t batch = 0; batch < size.batch; ++batch, pb += size.k * size.n) {
        for (int64_t i = 0; i < size.m; ++i, pa += size.k, pc += size.n) {
          if (size.banded) {
            BandedRow(kernels, pa, pb, pc, band, band.batch[batch] + band.m[i]);
            continue;
          }
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
