#include "codegen/convolution_boxes.h"

#include "codegen/convolution_runs.h"

namespace gradus::codegen {
namespace {

// Drops axes of one element and joins those that one step walks.
std::vector<BoxAxis> Joined(const std::vector<BoxAxis>& axes) {
  std::vector<BoxAxis> joined;
  for (size_t i = axes.size(); i-- > 0;) {
    const BoxAxis& axis = axes[i];
    if (axis.extent == 1) continue;
    BoxAxis* inner = joined.empty() ? nullptr : &joined.back();
    if (inner != nullptr && axis.a == inner->extent * inner->a && axis.b == inner->extent * inner->b &&
        axis.c == inner->extent * inner->c) {
      inner->extent *= axis.extent;
    } else {
      joined.push_back(axis);
    }
  }
  std::reverse(joined.begin(), joined.end());
  if (joined.empty()) joined.emplace_back();
  return joined;
}

}  // namespace

std::vector<Box> BoxesOf(const ir::Convolution& shape, const BoxColumns& part) {
  const std::vector<ir::WindowAxis>& axes = shape.axes;
  const ConvolutionSteps steps(shape);
  const int64_t out = shape.groups * shape.out;
  Box whole;
  whole.a = part.paired ? part.first : 0;
  whole.b = whole.c = part.first;
  if (!part.paired) whole.outer.push_back({shape.groups, shape.in, shape.out, shape.out});
  whole.outer.push_back({part.panels, part.paired ? part.columns : 0, part.columns, part.columns});
  whole.rows.push_back({shape.batch, steps.x_image, 0, steps.y_image});
  std::vector<Box> boxes = {whole};
  for (size_t i = 0; i < axes.size(); ++i) {
    const AxisRuns runs = RunsOf(axes[i]);
    std::vector<Box> next;
    for (const Box& box : boxes) {
      for (const WindowRun& run : runs.runs) {
        Box& cut = next.emplace_back(box);
        cut.a += run.source * steps.x[i];
        const int64_t tap_step = steps.tap[i] / out * part.w_row;
        cut.b += run.tap * tap_step;
        cut.c += run.first * steps.y[i];
        cut.rows.push_back({run.count, run.source_step * steps.x[i], 0, run.step * steps.y[i]});
        cut.terms.push_back({run.taps, runs.source_tap_step * steps.x[i], runs.tap_step * tap_step, 0});
      }
    }
    boxes = std::move(next);
  }
  for (Box& box : boxes) {
    box.terms.push_back({shape.in, 1, part.w_row, 0});
    const bool none = Box::Product(box.terms) == 0;
    box.terms = Joined(box.terms);
    // No term at all: a loop of no rounds around one of one.
    if (none) box.terms = {{0, 0, 0, 0}, {1, 0, 0, 0}};
    box.rows = Joined(box.rows);
    box.outer = Joined(box.outer);
  }
  return boxes;
}

}  // namespace gradus::codegen
