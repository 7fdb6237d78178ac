// The band of a normalised contraction: which inner axis it bounds, and where. Private to the contraction code.
#pragma once

#include "codegen/contraction_loops.h"
#include "codegen/contraction_tile.h"

namespace gradus::codegen {

// The bounds of an index x in row r: lower + r <= x <= upper + r, or, where the row has no side, lower <= x <= upper.
// Null: unbounded.
struct BandBounds {
  llvm::Value* lower = nullptr;
  llvm::Value* upper = nullptr;
};

// The bounds of the banded axis (for kOuter of 0, a single place) where the loops around row, column and the innermost
// contracted axis stand at indices whose sum of sides is `outside`.
BandBounds EmitBandBounds(llvm::IRBuilder<>& builder, const ContractionSpec& spec, const ContractionLoops& loops,
                          llvm::Value* outside);

// The band as the microkernel sees it: of kTerms alone.
TileBand TileBandOf(const ContractionSpec& spec, const ContractionLoops& loops);

// The sum of sides at the indices of `loops`.
llvm::Value* EmitSides(llvm::IRBuilder<>& builder, const std::vector<ContractionLoop>& loops,
                       const std::vector<llvm::Value*>& indices);

// Rows [first, end) of `rows` that have an element of the columns [column, column + columns): of kColumns, kRows and
// kOuter.
std::pair<llvm::Value*, llvm::Value*> EmitRowsWithElements(llvm::IRBuilder<>& builder, const ContractionLoops& loops,
                                                           const BandBounds& bounds, llvm::Value* column,
                                                           int64_t columns);

// The sums of a vector of elements of this row, from this column on, with zeros where they have no term.
llvm::Value* EmitExisting(llvm::IRBuilder<>& builder, const ContractionLoops& loops, const BandBounds& bounds,
                          llvm::Value* row, llvm::Value* column, llvm::Value* vector);

}  // namespace gradus::codegen
