#include "codegen/convolution_runs.h"

#include <map>
#include <numeric>

namespace gradus::codegen {

using ir::IndexRange;
using ir::WindowAxis;

AxisRuns RunsOf(const WindowAxis& axis) {
  const int64_t pitch = axis.interior + 1;  // places from element to element
  AxisRuns all;
  all.tap_step = pitch / std::gcd(axis.dilation, pitch);
  all.source_tap_step = all.tap_step * axis.dilation / pitch;
  std::map<std::pair<int64_t, int64_t>, size_t> open;  // by first tap and number of taps: the last run of these
  for (int64_t window = 0; window < axis.output; ++window) {
    const IndexRange inside = axis.TapsInside(window);
    int64_t tap = inside.begin;
    while (tap < inside.end && axis.Source(window, tap) < 0) ++tap;
    const int64_t taps = tap < inside.end ? (inside.end - 1 - tap) / all.tap_step + 1 : 0;
    if (taps == 0) tap = 0;
    const auto [known, is_new] = open.emplace(std::pair(tap, taps), all.runs.size());
    WindowRun* run = is_new ? nullptr : &all.runs[known->second];
    if (run != nullptr && run->count > 1 && window != run->first + run->count * run->step) run = nullptr;
    if (run == nullptr) {
      known->second = all.runs.size();
      all.runs.push_back({window, 1, 1, tap, taps, taps == 0 ? 0 : axis.Source(window, tap), 0});
      continue;
    }
    if (run->count == 1) {
      run->step = window - run->first;
      run->source_step = taps == 0 ? 0 : axis.Source(window, tap) - run->source;
    }
    ++run->count;
  }
  return all;
}

AxisTaps TapsOf(const WindowAxis& axis) {
  const int64_t pitch = axis.interior + 1;
  AxisTaps all;
  all.step = pitch / std::gcd(axis.stride, pitch);
  all.source_step = all.step * axis.stride / pitch;
  for (int64_t tap = 0; tap < axis.taps; ++tap) {
    const IndexRange inside = axis.WindowsInside(tap);
    int64_t window = inside.begin;
    while (window < inside.end && axis.Source(window, tap) < 0) ++window;
    all.taps.push_back({window, inside.end, window < inside.end ? axis.Source(window, tap) : 0});
  }
  return all;
}

ConvolutionSteps::ConvolutionSteps(const ir::Convolution& shape)
    : x(shape.axes.size()),
      y(shape.axes.size()),
      tap(shape.axes.size()),
      x_image(shape.groups * shape.in),
      y_image(shape.groups * shape.out) {
  int64_t taps = shape.in * y_image;
  for (size_t i = shape.axes.size(); i-- > 0;) {
    x[i] = x_image;
    y[i] = y_image;
    tap[i] = taps;
    x_image *= shape.axes[i].input;
    y_image *= shape.axes[i].output;
    taps *= shape.axes[i].taps;
  }
}

}  // namespace gradus::codegen
