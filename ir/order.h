// The order of evaluation of contractions and reductions: what makes their bits a definition (numerics.md §1 of the
// design; `numerics 1` in graph headers). The interpreter follows it literally; generated code may schedule as it likes
// as long as every sum is built by the same additions.
//
// A statement whose `order` attribute is empty has the first row below that fits its shape; a pass that changes the
// shape of a frozen statement writes the order that it had.
//
// Contraction, einsum("…"), with K the product of the contracted extents, k the row-major index over them (in printed
// order, the last fastest), M and N the products of the free extents of the operands, and `outputs` the number of
// elements of the result, batch included. A term is one fma(a, b, accumulator).
//
// Where a band (ir/band.h) says which terms exist there is one row, the chain in one slice, `chain(1)`, over those that
// do: slices and lanes would be of very different lengths. Otherwise:
//
// - `lanes16`, if min(M, N) ≤ 4 and K ≥ 64: 16 accumulators from +0, term k goes to accumulator k mod 16 in ascending
// k, then the tree.
// - `chain(s)`, s = clamp(min(⌈K / 1024⌉, ⌊2¹⁷ / outputs⌋), 1, 16): s contiguous slices of ⌈K / s⌉ terms (the last
// shorter), each one accumulator from +0 in ascending k; the sums of the slices are added left to right.
//
// The weights of a convolution, convolution_weights: a contraction over n, then the windows of each spatial axis,
// n·w1·… terms whether they exist or not, with M = taps · channels of a group, N = outputs of a group. Slices count all
// terms; one that does not exist is no fma. `chain(s)` alone. The convolution itself has one accumulator from +0 an
// output, over the taps, then the channels of its group; a window's sum one over its taps.
//
// Reduction. Axes of extent 1 do not count. The trailing reduced axes together are the inner axis of `inner` elements;
// the other reduced axes, row-major, are `rows` rows.
//
// - The inner axis, if there is one (or nothing else): blocks of 1024 elements. In a block, element i goes to lane
// i mod 16 in ascending i, 16 lanes from the neutral element, then the tree. Blocks are folded left to right.
// - The rows, each of which the inner axis has made one element: blocks of `block_rows` rows, max(256, ⌈rows / 64⌉)
// rounded up, where there are several row axes, to a multiple of the extent of the last. In a block one accumulator
// from the neutral element, ascending. Blocks are folded left to right.
//
// The tree: lane i takes lane i + 8, then i + 4, i + 2, i + 1; lane 0 is the result. The neutral element is +0 for a
// sum, -inf (the least integer) for a maximum, +inf (the greatest) for a minimum. x joins an accumulator as
// `accumulator + x`, Maximum(accumulator, x) or Minimum(accumulator, x); so do lanes (lower, higher) and blocks (left,
// right). Lanes without elements stay neutral, which changes nothing.
//
// As text: `lanes16` (rows = 1), `rows(b)` (no inner axis), `rows(b,n)` (both; n the length of the inner axis).
// An explicit order means the same reduced elements in the same row-major order of the operand's reduced axes, divided
// that way: it may say `lanes16` of axes that are not trailing.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "ir/graph.h"

namespace gradus::ir {

inline constexpr int64_t kLanes = 16;
inline constexpr int64_t kLaneBlock = 1024;  // elements of one block of an inner axis

struct ContractionOrder {
  bool lanes = false;        // lanes16; else chain
  int64_t slices = 1;        // of the chain
  int64_t slice_length = 0;  // ⌈K / slices⌉; the last slice may be shorter
  friend bool operator==(const ContractionOrder&, const ContractionOrder&) = default;
};

// The products of the extents of a contraction.
struct ContractionSize {
  int64_t batch = 1;
  int64_t m = 1;  // free axes of the first operand
  int64_t n = 1;  // free axes of the second
  int64_t k = 1;
  bool chains_only = false;  // never lanes16
  bool banded = false;       // one chain
};
// Of a Dot or a ConvolutionWeights, whose groups are its batch.
ContractionSize SizeOf(const Statement& dot);

ContractionOrder DefaultOrder(const ContractionSize& size);
// Reads the `order` attribute of a contraction over k terms; the empty text is an error here.
absl::StatusOr<ContractionOrder> ParseContractionOrder(absl::string_view text, int64_t k);
std::string ToString(const ContractionOrder& order);
// The order of a verified Dot or ConvolutionWeights.
ContractionOrder OrderOfContraction(const Statement& dot);

struct ReductionOrder {
  bool lanes = true;       // each row is an inner axis of `inner` elements; else a row is one element
  int64_t inner = 1;       // 1 without lanes
  int64_t rows = 1;        // rows · inner elements are reduced to one
  int64_t block_rows = 1;  // at most `rows`
  friend bool operator==(const ReductionOrder&, const ReductionOrder&) = default;
};

ReductionOrder DefaultOrder(absl::Span<const int64_t> shape, absl::Span<const int64_t> axes);
// Reads the `order` attribute of a reduction of `count` elements to one; the empty text is an error here.
absl::StatusOr<ReductionOrder> ParseReductionOrder(absl::string_view text, int64_t count);
std::string ToString(const ReductionOrder& order);
// The order of a verified ReduceSum, ReduceMax or ReduceMin.
ReductionOrder OrderOfReduction(const Statement& reduce);

}  // namespace gradus::ir
