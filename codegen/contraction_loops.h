// A contraction brought to one form: outer loops, one row, one column and one contracted axis inside. Private to the
// contraction code.
#pragma once

#include <vector>

#include "codegen/contraction.h"

namespace gradus::codegen {

enum class ContractionMethod : uint8_t {
  kTiles,   // the microkernel, shared
  kInline,  // the microkernel in place
  kScalar,  // one element at a time: bands and panels that no tile serves
  kLanes,   // the order lanes16
};

// Which of the normalised axes a band bounds, by the row or by what stands outside of the three inner axes.
enum class BandedAxis : uint8_t {
  kNone,
  kTerms,    // the innermost contracted axis: sums are shorter
  kColumns,  // the column: elements without a term
  kRows,     // the row, by a loop outside
  kOuter,    // a loop outside by another one: all elements of a turn or none
  kOther,    // what no tile serves
};

struct ContractionLoops {
  bool swapped = false;                // a and b have changed places
  std::vector<ContractionLoop> outer;  // batch, and free axes that did not collapse
  ContractionLoop row;
  ContractionLoop column;
  std::vector<ContractionLoop> contracted_outer;
  ContractionLoop contracted;
  BandedAxis banded = BandedAxis::kNone;
  ContractionMethod method = ContractionMethod::kScalar;
  ir::Blocking blocking;

  int64_t outer_count() const;
  int64_t contracted_blocks() const;  // of the inner axis, times the turns of the outer ones
  int64_t contracted_terms() const;   // of all of them
};

ContractionLoops Normalize(const ContractionSpec& spec, const ir::Target& target, bool direct);

// The element offset of index i of an axis.
llvm::Value* EmitOffset(llvm::IRBuilder<>& builder, const AxisStep& step, llvm::Value* index);

// i-th slice of `contracted` elements: [first, second).
std::pair<int64_t, int64_t> SliceOf(int64_t contracted, int64_t slices, int64_t i);

}  // namespace gradus::codegen
