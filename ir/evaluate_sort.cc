// argsort: the definition of the order that native code, which sorts integers, has to give.
#include <algorithm>
#include <numeric>
#include <vector>

#include "ir/convert.h"
#include "ir/evaluate.h"

namespace gradus::ir {

absl::Status EvaluateArgSort(const Evaluation& e) {
  const Array& x = *e.operands[0];
  const int64_t axis = e.statement.Int("axis");
  const bool descending = e.statement.Int("descending") != 0;
  const int64_t extent = x.type().shape[axis], inner = RowMajorStrides(x.type().shape)[axis];
  Dispatch(x.element(), [&](auto element) {
    using T = decltype(element);
    if constexpr (std::is_same_v<T, bool>) {
      CHECK(false) << "argsort of bool";
    } else {
      using V = std::conditional_t<kIsReal<T>, F<Scalar<T>>, I<Scalar<T>>>;
      // NaN is larger than every number and equal to itself.
      const auto less = [](V a, V b) { return ((a < b) | (IsNan(b) & (!IsNan(a)))).raw; };
      const auto result = e.result.data<int32_t>();
      std::vector<int32_t> order(extent);
      for (int64_t row = 0; row < x.size() / extent; ++row) {
        const int64_t first = row / inner * inner * extent + row % inner;
        const T* source = x.data<T>().data() + first;
        const auto at = [&](int32_t i) { return V::Of(source[i * inner]); };
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(),
                         [&](int32_t i, int32_t j) { return descending ? less(at(j), at(i)) : less(at(i), at(j)); });
        for (int64_t i = 0; i < extent; ++i) result[first + i * inner] = order[i];
      }
    }
  });
  return absl::OkStatus();
}

}  // namespace gradus::ir
