#include "codegen/window_loops.h"

#include "codegen/emit_kernels.h"
#include "codegen/index_arithmetic.h"

namespace gradus::codegen {

using ir::WindowAxis;
using llvm::Value;

namespace {

struct TapRange {
  Value* begin;
  Value* end;
};

// As ir::WindowAxis::TapsInside.
TapRange EmitTapRange(Builder& b, const WindowAxis& axis, Value* window) {
  const ir::IndexRange whole = axis.WholeWindows();
  if (whole.begin == 0 && whole.end == axis.output) return {b.getInt64(0), b.getInt64(axis.taps)};
  const auto number = [&](int64_t n) { return b.getInt64(static_cast<uint64_t>(n)); };
  Value* first = IndexSubtract(b, number(axis.low), IndexMultiply(b, window, axis.stride));  // from tap 0 to element 0
  const auto rounded = [&](int64_t offset) {
    return IndexDivide(b, IndexMax(b, IndexAdd(b, first, number(offset)), number(0)), axis.dilation);
  };
  return {rounded(axis.dilation - 1), IndexMin(b, rounded(axis.places() - 1 + axis.dilation), number(axis.taps))};
}

Carried EmitTapsOfAxes(Builder& b, absl::Span<const WindowAxis> axes, absl::Span<Value* const> window, Value* element,
                       Value* tap, Carried initial, const TapBody& body) {
  if (axes.empty()) return body(element, tap, initial);
  const WindowAxis& axis = axes.front();
  const TapRange range = EmitTapRange(b, axis, window.front());
  return EmitForCarrying(b, range.begin, range.end, 1, std::move(initial), [&](Value* t, const Carried& carried) {
    const auto inner = [&](Value* source) {
      return EmitTapsOfAxes(b, axes.subspan(1), window.subspan(1),
                            IndexAdd(b, IndexMultiply(b, element, axis.input), source),
                            IndexAdd(b, IndexMultiply(b, tap, axis.taps), t), carried, body);
    };
    const WindowSource source = EmitWindowSource(b, axis, window.front(), t);
    if (axis.interior == 0) return inner(source.element);
    return EmitIfCarrying(b, source.exists, carried, [&] { return inner(source.element); });
  });
}

}  // namespace

WindowPosition EmitWindowPosition(Builder& b, absl::Span<const WindowAxis> axes, Value* index) {
  WindowPosition position{index, std::vector<Value*>(axes.size())};
  for (size_t i = axes.size(); i-- > 0;) {
    position.window[i] = IndexRemainder(b, position.example, axes[i].output);
    position.example = IndexDivide(b, position.example, axes[i].output);
  }
  return position;
}

WindowSource EmitWindowSource(Builder& b, const WindowAxis& axis, Value* window, Value* tap) {
  Value* place = IndexAdd(b, IndexMultiply(b, window, axis.stride), IndexMultiply(b, tap, axis.dilation));
  place = IndexSubtract(b, place, b.getInt64(static_cast<uint64_t>(axis.low)));
  // A place before the first is a large number without sign.
  Value* exists = b.CreateICmpULT(place, b.getInt64(static_cast<uint64_t>(axis.places())));
  if (axis.interior == 0) return {exists, place};
  Value* between = IndexRemainder(b, place, axis.interior + 1);
  return {b.CreateAnd(exists, b.CreateICmpEQ(between, b.getInt64(0))), IndexDivide(b, place, axis.interior + 1)};
}

Carried EmitTaps(Builder& b, absl::Span<const WindowAxis> axes, absl::Span<Value* const> window, Carried initial,
                 const TapBody& body) {
  return EmitTapsOfAxes(b, axes, window, b.getInt64(0), b.getInt64(0), std::move(initial), body);
}

void EmitLaneBlocks(Builder& b, int64_t count, const std::function<void(Value* first, int lanes, Value* mask)>& body) {
  if (count == 1) return body(b.getInt64(0), 0, nullptr);
  int lanes = 2;
  while (lanes < 16 && lanes < count) lanes *= 2;
  const int64_t whole = count / lanes * lanes;
  EmitFor(b, b.getInt64(0), b.getInt64(whole), lanes, [&](Value* first) { body(first, lanes, nullptr); });
  if (whole < count) body(b.getInt64(whole), lanes, FirstLanes(b, lanes, count - whole));
}

}  // namespace gradus::codegen
