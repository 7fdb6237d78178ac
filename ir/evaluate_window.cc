// Sums and maxima of windows.
#include "ir/chain.h"
#include "ir/evaluate.h"
#include "ir/window_walk.h"

namespace gradus::ir {
namespace {

// Calls window_value(channel, visit) for every element of the result, row-major: visit(f) calls f(index) for each
// element of the window, an index into the example at `example` elements from the start of the operand.
template <typename F>
void ForEachWindowedElement(const Statement& s, F&& window_value) {
  const std::vector<WindowAxis> axes = WindowAxesOf(s);
  const Shape& x = s.operands[0]->type.shape;
  const int64_t channels = x.back();
  const int64_t size = s.operands[0]->type.elements().value() / x.front();
  for (int64_t n = 0; n < x.front(); ++n) {
    ForEachWindow(axes, [&](int64_t, const int64_t* window) {
      for (int64_t channel = 0; channel < channels; ++channel) {
        window_value(n * size, [&](auto&& f) {
          ForEachTap(axes, window, [&](int64_t source, int64_t) { f(source * channels + channel); });
        });
      }
    });
  }
}

// The index in its example of the first element of each window that attains its maximum, NaN before everything.
template <typename T, typename F>
void ForEachMaximum(const Evaluation& e, F&& f) {
  using V = WrappedNumber<T>;
  const T* x = e.operands[0]->data<T>().data();
  ForEachWindowedElement(e.statement, [&](int64_t example, auto&& visit) {
    int64_t best = -1;
    visit([&](int64_t i) {
      if (best < 0) {
        best = i;
        return;
      }
      const V candidate = V::Of(x[example + i]), leader = V::Of(x[example + best]);
      if ((((candidate > leader) | IsNan(candidate)) & !IsNan(leader)).raw) best = i;
    });
    f(example, best);
  });
}

template <typename F>
void DispatchReal(const Array& x, F&& f) {
  Dispatch(x.element(), [&](auto element) {
    if constexpr (kIsReal<decltype(element)>) {
      f(element);
    } else {
      CHECK(false) << "windows of " << x.type();
    }
  });
}

}  // namespace

absl::Status EvaluateWindowSum(const Evaluation& e) {
  DispatchReal(*e.operands[0], [&](auto element) {
    using T = decltype(element);
    using V = WrappedNumber<T>;
    const T* x = e.operands[0]->data<T>().data();
    T* y = e.result.data<T>().data();
    ForEachWindowedElement(e.statement, [&](int64_t example, auto&& visit) {
      V sum = V::Of(T(0));
      visit([&](int64_t i) { sum = sum + V::Of(x[example + i]); });
      *y++ = sum.raw;
    });
  });
  return absl::OkStatus();
}

absl::Status EvaluateWindowMax(const Evaluation& e) {
  DispatchReal(*e.operands[0], [&](auto element) {
    using T = decltype(element);
    const T* x = e.operands[0]->data<T>().data();
    T* y = e.result.data<T>().data();
    ForEachMaximum<T>(e, [&](int64_t example, int64_t best) { *y++ = x[example + best]; });
  });
  return absl::OkStatus();
}

absl::Status EvaluateWindowArgMax(const Evaluation& e) {
  DispatchReal(*e.operands[0], [&](auto element) {
    int32_t* y = e.result.data<int32_t>().data();
    ForEachMaximum<decltype(element)>(e, [&](int64_t, int64_t best) { *y++ = static_cast<int32_t>(best); });
  });
  return absl::OkStatus();
}

}  // namespace gradus::ir
