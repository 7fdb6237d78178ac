// The geometry of windows that slide over the spatial axes of a tensor [N, s1..sk, C]: what the operations convolution,
// convolution_weights, window_sum, window_max and window_argmax share, and their gradients and native code with them.
//
// Along one axis, tap t of window w looks at place w * stride + t * dilation - low. The elements of the operand stand
// on the places 0, interior + 1, 2 * (interior + 1), …; a place before the first, behind the last or between two of
// them is padding or a hole, and the term that would read it does not exist. `low` and `high` may be negative: then
// places of the operand itself are left out. A geometry with its roles turned round is one of the same kind
// (Transposed), so the gradient of a convolution is a convolution.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "ir/graph.h"

namespace gradus::ir {

// [begin, end); empty where begin >= end.
struct IndexRange {
  int64_t begin = 0;
  int64_t end = 0;
};

struct WindowAxis {
  int64_t input = 1;  // elements of the operand
  int64_t taps = 1;   // of one window
  int64_t stride = 1;
  int64_t low = 0;
  int64_t high = 0;
  int64_t dilation = 1;  // places from tap to tap
  int64_t interior = 0;  // holes between two elements of the operand
  int64_t output = 1;    // windows

  int64_t places() const { return (input - 1) * (interior + 1) + 1; }
  int64_t reach() const { return (taps - 1) * dilation + 1; }  // places from the first tap to the last, both counted

  // The element under a tap, or -1.
  int64_t Source(int64_t window, int64_t tap) const;
  // The taps of a window that look at places from the first element to the last. Without holes all of them are
  // elements.
  IndexRange TapsInside(int64_t window) const;
  // The windows of which this tap does.
  IndexRange WindowsInside(int64_t tap) const;
  // The windows of which every tap does: between the edges.
  IndexRange WholeWindows() const;

  friend bool operator==(const WindowAxis&, const WindowAxis&) = default;
};

// The geometry by which what was computed for the windows of `axis` flows back to the elements: element i is under tap
// t of window w of `axis` iff w is under tap taps - 1 - t of window i of the transposed one.
WindowAxis Transposed(const WindowAxis& axis);

// Whether an operation slides windows over the spatial axes of x, all of its axes but the first and the last: those
// whose rows have a `dilation`.
bool HasWindows(Op op);

// The axes of a statement of one of these operations; the sentence says what of its attributes makes no sense. Ranks
// have been checked.
absl::StatusOr<std::vector<WindowAxis>> InferWindowAxes(const Statement& statement);
// Those of a verified statement.
std::vector<WindowAxis> WindowAxesOf(const Statement& statement);

// stride, low, high, dilation, interior as attributes, in that order.
std::vector<AttributeValue> GeometryAttributes(absl::Span<const WindowAxis> axes);

// A convolution, or convolution_weights: x [batch, …, groups * in], y [batch, …, groups * out], w [taps…, in, groups *
// out]. Output channel g * out + o sees the input channels of group g.
struct Convolution {
  std::vector<WindowAxis> axes;
  int64_t batch = 1;
  int64_t groups = 1;
  int64_t in = 1;   // input channels of a group
  int64_t out = 1;  // output channels of a group

  int64_t inputs() const;   // elements of the spatial axes of x
  int64_t outputs() const;  // those of y
  int64_t taps() const;
  Size multiply_adds() const;  // existing or not
};
Convolution ConvolutionOf(const Statement& statement);

}  // namespace gradus::ir
