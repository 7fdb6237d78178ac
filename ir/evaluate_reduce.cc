// Reductions, in the order of ir/order.h.
#include <algorithm>
#include <array>
#include <limits>

#include "ir/convert.h"
#include "ir/evaluate.h"
#include "ir/order.h"
#include "ir/strided_copy.h"

namespace gradus::ir {
namespace {

template <typename T>
using Wrapped = std::conditional_t<kIsReal<T>, F<Scalar<T>>, I<Scalar<T>>>;

struct SumRule {
  template <typename V>
  static V Combine(V a, V b) {
    return a + b;
  }
  template <typename T>
  static T Neutral() {
    return T(0);
  }
};

struct MaximumRule {
  template <typename V>
  static V Combine(V a, V b) {
    return Maximum(a, b);
  }
  // Whether x comes before y as the extremum at a lower index would.
  template <typename V>
  static auto Beats(V x, V y) {
    return x > y;
  }
  template <typename T>
  static T Neutral() {
    if constexpr (kIsReal<T>) {
      return T(-std::numeric_limits<double>::infinity());
    } else {
      return std::numeric_limits<T>::lowest();
    }
  }
};

struct MinimumRule {
  template <typename V>
  static V Combine(V a, V b) {
    return Minimum(a, b);
  }
  template <typename V>
  static auto Beats(V x, V y) {
    return x < y;
  }
  template <typename T>
  static T Neutral() {
    if constexpr (kIsReal<T>) {
      return T(std::numeric_limits<double>::infinity());
    } else {
      return std::numeric_limits<T>::max();
    }
  }
};

template <typename Rule, typename T>
Wrapped<T> ReduceInner(const T* x, int64_t count) {
  using V = Wrapped<T>;
  V total = V::Of(Rule::template Neutral<T>());
  for (int64_t begin = 0; begin < count; begin += kLaneBlock) {
    std::array<V, kLanes> lanes;
    lanes.fill(V::Of(Rule::template Neutral<T>()));
    const int64_t end = std::min(count, begin + kLaneBlock);
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] = Rule::Combine(lanes[lane], V::Of(x[i + lane]));
    }
    for (; i < end; ++i) lanes[(i - begin) % kLanes] = Rule::Combine(lanes[(i - begin) % kLanes], V::Of(x[i]));
    for (int64_t width = kLanes / 2; width > 0; width /= 2) {
      for (int64_t lane = 0; lane < width; ++lane) lanes[lane] = Rule::Combine(lanes[lane], lanes[lane + width]);
    }
    total = begin == 0 ? lanes[0] : Rule::Combine(total, lanes[0]);
  }
  return total;
}

// order.rows · order.inner contiguous elements to one.
template <typename Rule, typename T>
T ReduceOrdered(const T* x, const ReductionOrder& order) {
  using V = Wrapped<T>;
  if (order.rows == 1 && order.lanes) return ReduceInner<Rule>(x, order.inner).raw;
  V total = V::Of(Rule::template Neutral<T>());
  for (int64_t begin = 0; begin < order.rows; begin += order.block_rows) {
    V block = V::Of(Rule::template Neutral<T>());
    for (int64_t row = begin; row < std::min(order.rows, begin + order.block_rows); ++row) {
      block = Rule::Combine(block, order.lanes ? ReduceInner<Rule>(x + row * order.inner, order.inner) : V::Of(x[row]));
    }
    total = begin == 0 ? block : Rule::Combine(total, block);
  }
  return total.raw;
}

// The first index of the extremum; the first NaN comes before everything.
template <typename Rule, typename T>
int64_t FirstExtremum(const T* x, int64_t count, int64_t stride) {
  using V = Wrapped<T>;
  int64_t best = 0;
  for (int64_t i = 1; i < count; ++i) {
    const V candidate = V::Of(x[i * stride]), leader = V::Of(x[best * stride]);
    if (((Rule::Beats(candidate, leader) | IsNan(candidate)) & !IsNan(leader)).raw) best = i;
  }
  return best;
}

// The operand with its reduced axes last: [kept…, reduced…].
Array ReducedLast(const Array& x, const Ints& axes) {
  Type type{x.type().element, {}};
  const Shape strides = RowMajorStrides(x.type().shape);
  View view;
  for (const bool reduced : {false, true}) {
    for (int64_t axis = 0; axis < x.type().rank(); ++axis) {
      if (std::binary_search(axes.begin(), axes.end(), axis) != reduced) continue;
      type.shape.push_back(x.type().shape[axis]);
      view.strides.push_back(strides[axis]);
    }
  }
  Array result = x.WithType(type);
  StridedCopy(type.shape, x.element_bytes(), x.bytes(), view, result.bytes(), {0, RowMajorStrides(type.shape)});
  return result;
}

template <typename Rule>
absl::Status Reduce(const Evaluation& e) {
  const ReductionOrder order = OrderOfReduction(e.statement);
  const Array x = ReducedLast(*e.operands[0], e.statement.IntList("axis"));
  const int64_t count = order.rows * order.inner;
  Dispatch(x.element(), [&](auto element) {
    using T = decltype(element);
    if constexpr (std::is_same_v<T, bool>) {
      CHECK(false) << "a reduction of bool";
    } else {
      const auto result = e.result.data<T>();
      const T* source = x.data<T>().data();
      for (size_t i = 0; i < result.size(); ++i, source += count) {
        if constexpr (kIsDual<T> && !std::is_same_v<Rule, SumRule>) {
          // The derivative of an extremum is that of the first element which attains it.
          result[i] = source[FirstExtremum<Rule>(source, count, 1)];
        } else {
          result[i] = ReduceOrdered<Rule>(source, order);
        }
      }
    }
  });
  return absl::OkStatus();
}

template <typename Rule>
absl::Status Argument(const Evaluation& e) {
  const Array& x = *e.operands[0];
  const int64_t axis = e.statement.Int("axis");
  const int64_t extent = x.type().shape[axis], inner = RowMajorStrides(x.type().shape)[axis];
  Dispatch(x.element(), [&](auto element) {
    using T = decltype(element);
    if constexpr (std::is_same_v<T, bool>) {
      CHECK(false) << "argmax of bool";
    } else {
      const auto result = e.result.data<int32_t>();
      const T* source = x.data<T>().data();
      for (int64_t i = 0; i < e.result.size(); ++i) {
        const T* first = source + i / inner * inner * extent + i % inner;
        result[i] = static_cast<int32_t>(FirstExtremum<Rule>(first, extent, inner));
      }
    }
  });
  return absl::OkStatus();
}

}  // namespace

absl::Status EvaluateReduceSum(const Evaluation& e) { return Reduce<SumRule>(e); }
absl::Status EvaluateReduceMax(const Evaluation& e) { return Reduce<MaximumRule>(e); }
absl::Status EvaluateReduceMin(const Evaluation& e) { return Reduce<MinimumRule>(e); }
absl::Status EvaluateArgMax(const Evaluation& e) { return Argument<MaximumRule>(e); }
absl::Status EvaluateArgMin(const Evaluation& e) { return Argument<MinimumRule>(e); }

}  // namespace gradus::ir
