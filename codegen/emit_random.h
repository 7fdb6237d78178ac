// Random bits in instructions: ir/philox.h over LLVM values.
#pragma once

#include "ir/target.h"
#include "ir/type.h"
#include "llvm/IR/IRBuilder.h"

namespace gradus::codegen {

// Elements number `element` (i64, or a vector of it with `lanes`) of random_bits of this key: i32 or i64 registers.
// `seed` and `step` are i64 of the same lanes.
llvm::Value* EmitRandomBits(llvm::IRBuilder<>& builder, const ir::Target& target, ir::DType type, uint64_t key,
                            llvm::Value* seed, llvm::Value* step, llvm::Value* element, int lanes);

}  // namespace gradus::codegen
