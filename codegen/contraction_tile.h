// The microkernel of a contraction: rows x vectors accumulators in registers. Private to the contraction code.
#pragma once

#include <vector>

#include "ir/target.h"
#include "ir/type.h"
#include "llvm/IR/IRBuilder.h"

namespace gradus::codegen {

llvm::Type* ElementType(llvm::IRBuilder<>& builder, ir::DType type);

// a * b + accumulator, scalars or vectors: fused for floating-point types, modulo 2^bits for integers.
llvm::Value* EmitMultiplyAdd(llvm::IRBuilder<>& builder, const ir::Target& target, llvm::Value* a, llvm::Value* b,
                             llvm::Value* accumulator);

// The mask of the first `valid` (i64) of `lanes` lanes.
llvm::Value* EmitLaneMask(llvm::IRBuilder<>& builder, int64_t lanes, llvm::Value* valid);

struct Tile {
  ir::DType type;
  int64_t lanes = 1;  // of a vector; 1 makes everything scalar
  int64_t vectors = 1;
  int64_t rows = 1;
};

// Where the microkernel finds its operands; steps in bytes, i64.
struct TileOperands {
  llvm::Value* a;
  llvm::Value* b;
  llvm::Value* a_row;
  llvm::Value* a_k;
  llvm::Value* b_k;
  llvm::Value* contracted;      // at least 1
  llvm::Value* mask = nullptr;  // of the last vector of b; null: whole
};

// Emits the loop over k in place; `initial` are the accumulators at its start, vectors of one row after another, empty:
// zeros. The result are those at its end. Unrolls where the number of terms is a constant up to `unroll`.
std::vector<llvm::Value*> EmitTile(llvm::IRBuilder<>& builder, const ir::Target& target, const Tile& tile,
                                   const TileOperands& operands, const std::vector<llvm::Value*>& initial,
                                   int64_t unroll);

// The shared function `void(ptr a, ptr b, ptr c, i64 contracted, i64 tiles, i64 accumulate, i64 a_row, i64 a_k, i64
// b_k, i64 c_row, i64 valid)` that finishes `tiles` tiles one below the other: c (+)= a * b, c stored by vectors,
// `valid` lanes of the last one (of b too unless b_padded).
llvm::Function* TileFunction(llvm::Module& module, const ir::Target& target, const Tile& tile, bool masked,
                             bool b_padded, bool c_padded);

}  // namespace gradus::codegen
