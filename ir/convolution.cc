#include "ir/convolution.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "ir/error.h"

namespace gradus::ir {
namespace {

// For a divisor of at least 1.
int64_t FloorDivide(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
int64_t CeilDivide(int64_t a, int64_t b) { return -FloorDivide(-a, b); }

bool HasHoles(Op op) { return op != Op::kWindowMax && op != Op::kWindowArgMax; }

template <typename... Parts>
absl::Status Wrong(ErrorKind kind, const Statement& s, const Parts&... parts) {
  return ErrorStatus(kind, Info(s.op).mnemonic, ": ", parts...);
}

absl::Status CheckNumber(const Statement& s, absl::string_view name, size_t axis, int64_t number, int64_t least) {
  if (number < least) {
    return Wrong(ErrorKind::kWindowNumber, s, name, " ", number, " of spatial axis ", axis, " must be at least ",
                 least);
  }
  if (number <= kMaxTensorBytes) return absl::OkStatus();
  return Wrong(ErrorKind::kTensorLimit, s, name, " ", number, " is above the limit of ", kMaxTensorBytes,
               " (tensor limit)");
}

// A maximum needs an element. Where no step of a window is longer than the axis, the outermost windows see least.
absl::Status CheckNoneEmpty(const Statement& s, size_t i, const WindowAxis& axis) {
  if (axis.taps > 1 && axis.dilation > axis.input) {
    return Wrong(ErrorKind::kWindowTooLarge, s, "dilation ", axis.dilation, " steps over all ", axis.input,
                 " elements of spatial axis ", i);
  }
  for (const int64_t window : {int64_t{0}, axis.output - 1}) {
    const IndexRange inside = axis.TapsInside(window);
    if (inside.begin < inside.end) continue;
    return Wrong(ErrorKind::kWindowTooLarge, s, "window ", window, " of spatial axis ", i,
                 " holds nothing but padding, which has no maximum");
  }
  return absl::OkStatus();
}

int64_t Product(absl::Span<const WindowAxis> axes, int64_t WindowAxis::* extent) {
  int64_t product = 1;
  for (const WindowAxis& axis : axes) product *= axis.*extent;
  return product;
}

}  // namespace

int64_t WindowAxis::Source(int64_t window, int64_t tap) const {
  const int64_t place = window * stride + tap * dilation - low;
  if (place < 0 || place >= places() || place % (interior + 1) != 0) return -1;
  return place / (interior + 1);
}

IndexRange WindowAxis::TapsInside(int64_t window) const {
  const int64_t first = low - window * stride;  // places from tap 0 to the first element
  return {std::max<int64_t>(0, CeilDivide(first, dilation)),
          std::min(taps, FloorDivide(first + places() - 1, dilation) + 1)};
}

IndexRange WindowAxis::WindowsInside(int64_t tap) const {
  const int64_t first = low - tap * dilation;
  return {std::max<int64_t>(0, CeilDivide(first, stride)),
          std::min(output, FloorDivide(first + places() - 1, stride) + 1)};
}

IndexRange WindowAxis::WholeWindows() const {
  const IndexRange first = WindowsInside(0), last = WindowsInside(taps - 1);
  return {std::max(first.begin, last.begin), std::min(first.end, last.end)};
}

WindowAxis Transposed(const WindowAxis& axis) {
  WindowAxis back;
  back.input = axis.output;
  back.taps = axis.taps;
  back.stride = axis.interior + 1;
  back.low = axis.reach() - 1 - axis.low;
  back.dilation = axis.dilation;
  back.interior = axis.stride - 1;
  back.output = axis.input;
  back.high = axis.places() - back.places() + axis.low;
  return back;
}

bool HasWindows(Op op) {
  return absl::c_any_of(Info(op).attributes, [](const AttributeSchema& a) { return a.name == "dilation"; });
}

absl::StatusOr<std::vector<WindowAxis>> InferWindowAxes(const Statement& s) {
  const Shape& x = s.operands[0]->type.shape;
  const size_t rank = x.size() - 2;
  Ints taps;
  if (s.op == Op::kConvolution) {
    const Shape& w = s.operands[1]->type.shape;
    taps.assign(w.begin(), w.begin() + static_cast<int64_t>(rank));
  } else {
    taps = s.IntList("window");
  }
  const Ints none(rank, 0);
  const Ints &stride = s.IntList("stride"), &low = s.IntList("low"), &high = s.IntList("high"),
             &dilation = s.IntList("dilation"), &interior = HasHoles(s.op) ? s.IntList("interior") : none;
  for (const auto& [name, list] : {std::pair<absl::string_view, const Ints*>{"window", &taps},
                                   {"stride", &stride},
                                   {"low", &low},
                                   {"high", &high},
                                   {"dilation", &dilation},
                                   {"interior", &interior}}) {
    if (list->size() == rank) continue;
    return Wrong(ErrorKind::kWindowNumber, s, name, " has ", list->size(), " entries for ", rank,
                 rank == 1 ? " spatial axis" : " spatial axes");
  }
  std::vector<WindowAxis> axes;
  Size window = 1;
  for (size_t i = 0; i < rank; ++i) {
    RETURN_IF_ERROR(CheckNumber(s, "window", i, taps[i], 1));
    RETURN_IF_ERROR(CheckNumber(s, "stride", i, stride[i], 1));
    RETURN_IF_ERROR(CheckNumber(s, "dilation", i, dilation[i], 1));
    RETURN_IF_ERROR(CheckNumber(s, "interior", i, interior[i], 0));
    RETURN_IF_ERROR(CheckNumber(s, "low", i, low[i], -kMaxTensorBytes));
    RETURN_IF_ERROR(CheckNumber(s, "high", i, high[i], -kMaxTensorBytes));
    WindowAxis axis{x[i + 1], taps[i], stride[i], low[i], high[i], dilation[i], interior[i], 0};
    const Size places = Size(axis.input - 1) * Size(axis.interior + 1) + 1;
    const Size reach = Size(axis.taps - 1) * Size(axis.dilation) + 1;
    window = window * Size(axis.taps);
    if (!places.ok() || !reach.ok() || !window.ok() ||
        std::max({places.value(), reach.value(), window.value()}) > kMaxTensorBytes) {
      return Wrong(ErrorKind::kTensorLimit, s, "a window or an operand with its holes is longer than ", kMaxTensorBytes,
                   " (tensor limit)");
    }
    const int64_t room = axis.places() + axis.low + axis.high;
    if (room < axis.reach()) {
      return Wrong(ErrorKind::kWindowTooLarge, s, "the window reaches over ", axis.reach(), " places of spatial axis ",
                   i, ", which with its padding has ", std::max<int64_t>(0, room), ": the result would be empty");
    }
    axis.output = (room - axis.reach()) / axis.stride + 1;
    if (!HasHoles(s.op)) RETURN_IF_ERROR(CheckNoneEmpty(s, i, axis));
    axes.push_back(axis);
  }
  return axes;
}

std::vector<WindowAxis> WindowAxesOf(const Statement& statement) {
  auto axes = InferWindowAxes(statement);
  CHECK(axes.ok()) << axes.status();
  return *std::move(axes);
}

std::vector<AttributeValue> GeometryAttributes(absl::Span<const WindowAxis> axes) {
  Ints stride, low, high, dilation, interior;
  for (const WindowAxis& axis : axes) {
    stride.push_back(axis.stride);
    low.push_back(axis.low);
    high.push_back(axis.high);
    dilation.push_back(axis.dilation);
    interior.push_back(axis.interior);
  }
  return {stride, low, high, dilation, interior};
}

int64_t Convolution::inputs() const { return Product(axes, &WindowAxis::input); }
int64_t Convolution::outputs() const { return Product(axes, &WindowAxis::output); }
int64_t Convolution::taps() const { return Product(axes, &WindowAxis::taps); }

Size Convolution::multiply_adds() const {
  Size count = Size(batch) * Size(groups) * Size(in) * Size(out);
  for (const WindowAxis& axis : axes) count = count * Size(axis.output) * Size(axis.taps);
  return count;
}

Convolution ConvolutionOf(const Statement& s) {
  const Shape &x = s.operands[0]->type.shape,
              &y = s.op == Op::kConvolution ? s.result()->type.shape : s.operands[1]->type.shape;
  Convolution convolution;
  convolution.axes = WindowAxesOf(s);
  convolution.batch = x.front();
  convolution.groups = s.Int("groups");
  convolution.in = x.back() / convolution.groups;
  convolution.out = y.back() / convolution.groups;
  return convolution;
}

}  // namespace gradus::ir
