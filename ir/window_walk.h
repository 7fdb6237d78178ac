// Walks over windows and their taps, in the order in which the operations of ir/convolution.h are defined.
#pragma once

#include "absl/types/span.h"
#include "ir/convolution.h"

namespace gradus::ir {

// Calls f(element, tap) for the taps of a window that see an element, ascending; both are row-major indices over the
// spatial axes. `window` has one index an axis.
template <typename F>
void ForEachTap(absl::Span<const WindowAxis> axes, const int64_t* window, F&& f, int64_t element = 0, int64_t tap = 0) {
  if (axes.empty()) return f(element, tap);
  const WindowAxis& axis = axes.front();
  const IndexRange inside = axis.TapsInside(*window);
  for (int64_t t = inside.begin; t < inside.end; ++t) {
    const int64_t source = axis.Source(*window, t);
    if (source < 0) continue;
    ForEachTap(axes.subspan(1), window + 1, f, element * axis.input + source, tap * axis.taps + t);
  }
}

// Calls f(index, window) for every window, row-major: its row-major index and one index an axis.
template <typename F>
void ForEachWindow(absl::Span<const WindowAxis> axes, F&& f) {
  Shape window(axes.size(), 0);
  for (int64_t index = 0;; ++index) {
    f(index, window.data());
    size_t i = axes.size();
    while (i > 0 && ++window[i - 1] == axes[i - 1].output) window[--i] = 0;
    if (i == 0) return;
  }
}

}  // namespace gradus::ir
