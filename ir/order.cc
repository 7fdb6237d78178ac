#include "ir/order.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "ir/check.h"
#include "ir/contraction.h"
#include "ir/convolution.h"
#include "ir/error.h"

namespace gradus::ir {
namespace {

int64_t CeilDiv(int64_t a, int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

// The numbers of `name(1,2)`; nothing if the text is something else or a number is not positive.
absl::optional<std::vector<int64_t>> ParseCall(absl::string_view text, absl::string_view name) {
  if (!absl::ConsumePrefix(&text, name) || !absl::ConsumePrefix(&text, "(") || !absl::ConsumeSuffix(&text, ")")) {
    return absl::nullopt;
  }
  std::vector<int64_t> numbers;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    int64_t number = 0;
    if (!absl::SimpleAtoi(part, &number) || number <= 0) return absl::nullopt;
    numbers.push_back(number);
  }
  return numbers;
}

ContractionOrder Chain(int64_t slices, int64_t k) {
  return {.lanes = false, .slices = slices, .slice_length = std::max<int64_t>(1, CeilDiv(k, slices))};
}

}  // namespace

ContractionSize SizeOf(const Statement& dot) {
  if (dot.op == Op::kConvolutionWeights) {
    const Convolution c = ConvolutionOf(dot);
    return {.batch = c.groups, .m = c.taps() * c.in, .n = c.out, .k = c.batch * c.outputs(), .chains_only = true};
  }
  const Contraction contraction = AxesOf(dot);
  ContractionSize size;
  size.banded = !dot.Text("band").empty();
  for (const ContractionAxis& axis : contraction.axes) {
    const int64_t extent = contraction.Extent(axis, dot.operands[0]->type, dot.operands[1]->type);
    switch (axis.kind) {
      case AxisKind::kBatch:
        size.batch *= extent;
        break;
      case AxisKind::kFreeA:
        size.m *= extent;
        break;
      case AxisKind::kFreeB:
        size.n *= extent;
        break;
      case AxisKind::kContracted:
        size.k *= extent;
        break;
    }
  }
  return size;
}

ContractionOrder DefaultOrder(const ContractionSize& size) {
  if (size.banded) return Chain(1, size.k);
  if (!size.chains_only && std::min(size.m, size.n) <= 4 && size.k >= 64) {
    return {.lanes = true, .slices = 1, .slice_length = size.k};
  }
  const int64_t outputs = std::max<int64_t>(1, size.batch * size.m * size.n);
  const int64_t wanted = std::min(CeilDiv(size.k, 1024), (int64_t{1} << 17) / outputs);
  return Chain(std::clamp<int64_t>(wanted, 1, 16), size.k);
}

absl::StatusOr<ContractionOrder> ParseContractionOrder(absl::string_view text, int64_t k) {
  if (text == "lanes16") return ContractionOrder{.lanes = true, .slices = 1, .slice_length = k};
  const auto numbers = ParseCall(text, "chain");
  if (numbers && numbers->size() == 1 && numbers->front() <= std::max<int64_t>(1, k)) {
    return Chain(numbers->front(), k);
  }
  return ErrorStatus(ErrorKind::kOrderAttribute, "the order of a contraction over ", k,
                     " terms is `lanes16` or `chain(s)` with s slices, 1 to ", k, ", not `", text, "`");
}

std::string ToString(const ContractionOrder& order) {
  return order.lanes ? "lanes16" : absl::StrCat("chain(", order.slices, ")");
}

ContractionOrder OrderOfContraction(const Statement& dot) {
  const std::string& text = dot.Text("order");
  if (text.empty()) return DefaultOrder(SizeOf(dot));
  const auto order = ParseContractionOrder(text, SizeOf(dot).k);
  CHECK(order.ok()) << order.status();
  return *order;
}

ReductionOrder DefaultOrder(absl::Span<const int64_t> shape, absl::Span<const int64_t> axes) {
  const auto reduced = [&](int64_t axis) { return std::find(axes.begin(), axes.end(), axis) != axes.end(); };
  ReductionOrder order;
  order.lanes = false;
  int64_t axis = static_cast<int64_t>(shape.size()) - 1;
  for (; axis >= 0 && (shape[axis] == 1 || reduced(axis)); --axis) {
    if (shape[axis] == 1) continue;
    order.lanes = true;
    order.inner *= shape[axis];
  }
  std::vector<int64_t> row_axes;  // their extents, the last one first
  for (; axis >= 0; --axis) {
    if (shape[axis] == 1 || !reduced(axis)) continue;
    row_axes.push_back(shape[axis]);
    order.rows *= shape[axis];
  }
  if (row_axes.empty()) {
    order.lanes = true;
    return order;
  }
  const int64_t block = std::max<int64_t>(256, CeilDiv(order.rows, 64));
  const int64_t whole = row_axes.size() > 1 ? row_axes.front() : 1;
  order.block_rows = std::min(order.rows, CeilDiv(block, whole) * whole);
  return order;
}

absl::StatusOr<ReductionOrder> ParseReductionOrder(absl::string_view text, int64_t count) {
  if (text == "lanes16") return ReductionOrder{.lanes = true, .inner = count, .rows = 1, .block_rows = 1};
  const auto numbers = ParseCall(text, "rows");
  if (numbers && numbers->size() <= 2) {
    const bool lanes = numbers->size() == 2;
    const int64_t inner = lanes ? numbers->back() : 1;
    if (count % inner == 0 && numbers->front() <= count / inner) {
      return ReductionOrder{.lanes = lanes, .inner = inner, .rows = count / inner, .block_rows = numbers->front()};
    }
  }
  return ErrorStatus(ErrorKind::kOrderAttribute, "the order of a reduction of ", count,
                     " elements is `lanes16`, `rows(b)` with blocks of b ≤ ", count,
                     " rows, or `rows(b,n)` with rows of n elements, not `", text, "`");
}

std::string ToString(const ReductionOrder& order) {
  if (order.rows == 1 && order.lanes) return "lanes16";
  return order.lanes ? absl::StrCat("rows(", order.block_rows, ",", order.inner, ")")
                     : absl::StrCat("rows(", order.block_rows, ")");
}

ReductionOrder OrderOfReduction(const Statement& reduce) {
  const Shape& shape = reduce.operands[0]->type.shape;
  const Ints& axes = reduce.IntList("axis");
  const std::string& text = reduce.Text("order");
  if (text.empty()) return DefaultOrder(shape, axes);
  int64_t count = 1;
  for (const int64_t axis : axes) count *= shape[axis];
  const auto order = ParseReductionOrder(text, count);
  CHECK(order.ok()) << order.status();
  return *order;
}

}  // namespace gradus::ir
