// The ways to emit a normalised contraction. Private to the contraction code.
#pragma once

#include "codegen/contraction_loops.h"
#include "codegen/contraction_tile.h"
#include "codegen/index_arithmetic.h"

namespace gradus::codegen {

// What every way needs. `a` and `b` are already swapped where the loops are.
struct ContractionJob {
  const ContractionContext& context;
  const ContractionSpec& spec;
  const ContractionLoops& loops;
  llvm::Value* a;
  llvm::Value* b;
  const Epilogue& epilogue;
  llvm::Value* direct;  // where finished vectors are stored without an epilogue, or null
};

// Register tiles, panels, packing.
void EmitTiles(const ContractionJob& job);
// Small ones: the microkernel in place.
void EmitInline(const ContractionJob& job);
// The order lanes16.
void EmitLanes(const ContractionJob& job);
// One element at a time: chains of any slices.
void EmitElements(const ContractionJob& job);

// Emits body(first, last) for this thread's share of `items`, a constant number of equal pieces of work.
void EmitShare(const ContractionContext& context, int64_t items, bool one_thread,
               const std::function<void(llvm::Value* first, llvm::Value* last)>& body);

// Indices of nested loops from the index of their flattened nest.
std::vector<llvm::Value*> EmitIndices(llvm::IRBuilder<>& builder, const std::vector<ContractionLoop>& loops,
                                      llvm::Value* flat);

// The element offset of an operand at the indices of `loops`: which(loop) picks its steps.
template <typename Which>
llvm::Value* EmitOffsets(llvm::IRBuilder<>& builder, const std::vector<ContractionLoop>& loops,
                         const std::vector<llvm::Value*>& indices, Which which) {
  llvm::Value* sum = builder.getInt64(0);
  for (size_t i = 0; i < loops.size(); ++i) {
    sum = IndexAdd(builder, sum, EmitOffset(builder, which(loops[i]), indices[i]));
  }
  return sum;
}

// pointer + elements * width(type).
llvm::Value* EmitAdvance(llvm::IRBuilder<>& builder, ir::DType type, llvm::Value* pointer, llvm::Value* elements);

}  // namespace gradus::codegen
