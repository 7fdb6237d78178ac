#include "tools/draw.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ir/check.h"
#include "ir/error.h"

namespace gradus::tools {
namespace {

constexpr int64_t kTerminalColumns = 80;
constexpr int64_t kMaxSide = 39;
constexpr absl::string_view kShades[] = {"  ", "░░", "▒▒", "▓▓", "██"};

// The side of a square picture, or 0.
int64_t SideOf(const runtime::DataColumn& column) {
  if (!column.sampled || !ir::IsFloat(column.type.element)) return 0;
  const int64_t pixels = column.example_bytes() / ir::ByteWidth(column.type.element);
  const int64_t side = std::llround(std::sqrt(static_cast<double>(pixels)));
  return side * side == pixels && side >= 4 && side <= kMaxSide ? side : 0;
}

double At(const ir::Tensor& tensor, int64_t index) {
  return ir::Dispatch(tensor.type().element,
                      [&](auto tag) { return static_cast<double>(tensor.data<decltype(tag)>()[index]); });
}

int64_t Largest(const ir::Tensor& scores, int64_t row) {
  const int64_t width = scores.size() / scores.type().shape[0];
  int64_t best = 0;
  for (int64_t i = 1; i < width; ++i) {
    if (At(scores, row * width + i) > At(scores, row * width + best)) best = i;
  }
  return best;
}

}  // namespace

absl::StatusOr<std::string> DrawPredictions(const runtime::Dataset& data, const ir::Tensor& scores, int64_t count) {
  const auto picture =
      std::find_if(data.columns.begin(), data.columns.end(), [](const auto& c) { return SideOf(c) > 0; });
  if (picture == data.columns.end())
    return ir::ErrorStatus(ir::ErrorKind::kNothingToDraw,
                           "--draw: no input of the model is a square picture of 4 to 39 pixels a side");
  if (scores.type().rank() < 1 || scores.type().shape[0] != data.examples)
    return ir::ErrorStatus(ir::ErrorKind::kNothingToDraw,
                           "--draw: the first output of the model has no row for each example");
  const auto label = std::find_if(data.columns.begin(), data.columns.end(), [](const auto& c) {
    return c.sampled && ir::IsInteger(c.type.element) && c.example_bytes() == ir::ByteWidth(c.type.element);
  });
  const int64_t side = SideOf(*picture), pixels = side * side;
  double low = At(picture->values, 0), high = low;
  for (int64_t i = 0; i < std::min(picture->values.size(), data.examples * pixels); ++i) {
    low = std::min(low, At(picture->values, i));
    high = std::max(high, At(picture->values, i));
  }
  count = std::min(count, data.examples);
  const auto example = [&](int64_t i) { return i * data.examples / count; };
  const int64_t per_line = std::max<int64_t>(1, kTerminalColumns / (2 * side + 3));
  std::string out;
  for (int64_t first = 0; first < count; first += per_line) {
    const int64_t last = std::min(first + per_line, count);
    for (int64_t y = 0; y < side; ++y) {
      for (int64_t i = first; i < last; ++i) {
        for (int64_t x = 0; x < side; ++x) {
          const double value = At(picture->values, example(i) * pixels + y * side + x);
          const double shade = high > low ? (value - low) / (high - low) * 4.99 : 0;
          absl::StrAppend(&out, kShades[static_cast<int>(std::clamp(shade, 0.0, 4.0))]);
        }
        absl::StrAppend(&out, i + 1 < last ? "   " : "\n");
      }
    }
    for (int64_t i = first; i < last; ++i) {
      std::string reading = absl::StrCat("reads ", Largest(scores, example(i)));
      if (label != data.columns.end()) {
        const int64_t truth = static_cast<int64_t>(At(label->values, example(i)));
        if (truth != Largest(scores, example(i))) absl::StrAppend(&reading, ", is ", truth);
      }
      absl::StrAppend(
          &out, i + 1 < last ? absl::StrFormat("%-*s   ", static_cast<int>(2 * side), reading) : reading + "\n\n");
    }
  }
  return out;
}

}  // namespace gradus::tools
