// Convolutions and the gradient of their windows, term by term in the order of ir/order.h.
#include <algorithm>

#include "ir/chain.h"
#include "ir/evaluate.h"
#include "ir/strided_copy.h"
#include "ir/window_walk.h"

namespace gradus::ir {
namespace {

// Calls f with the C++ type of the elements of x, a float type of some arithmetic.
template <typename F>
void DispatchReal(const Array& x, F&& f) {
  Dispatch(x.element(), [&](auto element) {
    if constexpr (kIsReal<decltype(element)>) {
      f(element);
    } else {
      CHECK(false) << "a convolution of " << x.type();
    }
  });
}

// Between windows [taps, in, groups * out] and [groups, taps, in, out], where the windows of a group lie together.
Shape GroupedShape(const Convolution& c) { return {c.groups, c.taps() * c.in, c.out}; }
View UngroupedView(const Convolution& c) { return {0, {c.out, c.groups * c.out, 1}}; }

}  // namespace

absl::Status EvaluateConvolution(const Evaluation& e) {
  const Convolution c = ConvolutionOf(e.statement);
  const Array &x = *e.operands[0], &w = *e.operands[1];
  const Shape grouped = GroupedShape(c);
  Array windows = w.WithType(Type{w.type().element, grouped});
  StridedCopy(grouped, w.element_bytes(), w.bytes(), UngroupedView(c), windows.bytes(), {0, RowMajorStrides(grouped)});
  DispatchReal(x, [&](auto element) {
    using T = decltype(element);
    const ChainKernels<T> kernels = ChooseChainKernels<T>();
    const absl::Span<T> result = e.result.data<T>();
    std::fill(result.begin(), result.end(), T(0));
    T* y = result.data();
    const T* example = x.data<T>().data();
    const int64_t channels = c.groups * c.in, group_size = c.taps() * c.in * c.out;
    for (int64_t n = 0; n < c.batch; ++n, example += c.inputs() * channels) {
      ForEachWindow(c.axes, [&](int64_t, const int64_t* window) {
        for (int64_t g = 0; g < c.groups; ++g, y += c.out) {
          const T* group = windows.data<T>().data() + g * group_size;
          ForEachTap(c.axes, window, [&](int64_t source, int64_t tap) {
            kernels.chain(example + source * channels + g * c.in, group + tap * c.in * c.out, y, c.in, c.out);
          });
        }
      });
    }
  });
  return absl::OkStatus();
}

absl::Status EvaluateConvolutionWeights(const Evaluation& e) {
  const Convolution c = ConvolutionOf(e.statement);
  const ContractionOrder order = OrderOfContraction(e.statement);
  const Array &x = *e.operands[0], &g = *e.operands[1];
  const Shape grouped = GroupedShape(c);
  Array windows = x.WithType(Type{x.type().element, grouped});
  DispatchReal(x, [&](auto element) {
    using T = decltype(element);
    const ChainKernels<T> kernels = ChooseChainKernels<T>();
    const absl::Span<T> result = windows.data<T>();
    std::fill(result.begin(), result.end(), T(0));
    std::vector<T> slice;
    T* sum = result.data();
    const T *example = x.data<T>().data(), *adjoint = g.data<T>().data();
    const int64_t channels = c.groups * c.in, outputs = c.groups * c.out, group_size = c.taps() * c.in * c.out;
    const auto add_slice = [&] {
      for (size_t i = 0; i < slice.size(); ++i) {
        result[i] = (WrappedNumber<T>::Of(result[i]) + WrappedNumber<T>::Of(slice[i])).raw;
      }
    };
    for (int64_t n = 0; n < c.batch; ++n, example += c.inputs() * channels) {
      ForEachWindow(c.axes, [&](int64_t index, const int64_t* window) {
        const int64_t term = n * c.outputs() + index;
        if (term > 0 && term % order.slice_length == 0) {
          add_slice();
          slice.assign(result.size(), T(0));
          sum = slice.data();
        }
        ForEachTap(c.axes, window, [&](int64_t source, int64_t tap) {
          for (int64_t group = 0; group < c.groups; ++group) {
            T* rows = sum + group * group_size + tap * c.in * c.out;
            for (int64_t i = 0; i < c.in; ++i) {
              kernels.chain(example + source * channels + group * c.in + i, adjoint + group * c.out, rows + i * c.out,
                            1, c.out);
            }
          }
        });
        adjoint += outputs;
      });
    }
    add_slice();
  });
  StridedCopy(grouped, windows.element_bytes(), windows.bytes(), {0, RowMajorStrides(grouped)}, e.result.bytes(),
              UngroupedView(c));
  return absl::OkStatus();
}

}  // namespace gradus::ir
