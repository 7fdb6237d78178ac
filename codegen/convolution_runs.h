// The windows of one axis, sorted by the taps that stand on elements. Private to the convolution code.
#pragma once

#include <vector>

#include "ir/convolution.h"

namespace gradus::codegen {

// Windows first, first + step, … under which the same taps see elements: tap, tap + AxisRuns::tap_step, ….
struct WindowRun {
  int64_t first = 0;
  int64_t step = 1;
  int64_t count = 0;
  int64_t tap = 0;
  int64_t taps = 0;         // 0: every term of these windows is padding
  int64_t source = 0;       // the element under the first tap of the first window
  int64_t source_step = 0;  // from window to window
};

struct AxisRuns {
  int64_t tap_step = 1;
  int64_t source_tap_step = 1;  // elements from one such tap to the next
  std::vector<WindowRun> runs;  // together all windows
};

AxisRuns RunsOf(const ir::WindowAxis& axis);

// The windows [first, end), every step-th, of which one tap sees elements.
struct TapRun {
  int64_t first = 0;
  int64_t end = 0;     // <= first: none
  int64_t source = 0;  // under the first window
};

struct AxisTaps {
  int64_t step = 1;
  int64_t source_step = 1;   // elements from one such window to the next
  std::vector<TapRun> taps;  // of every tap
};

AxisTaps TapsOf(const ir::WindowAxis& axis);

// Elements from place to place in x, y and w.
struct ConvolutionSteps {
  explicit ConvolutionSteps(const ir::Convolution& shape);

  std::vector<int64_t> x, y, tap;  // along each axis
  int64_t x_image = 0;
  int64_t y_image = 0;
};

}  // namespace gradus::codegen
