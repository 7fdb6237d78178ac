// a * b + c rounded once, on every target: the instruction where there is one, else a call of an emitted routine that
// computes the same bits exactly.
#pragma once

#include "ir/target.h"
#include "llvm/IR/IRBuilder.h"

namespace gradus::codegen {

// Operands of one type: f32 or f64, scalar or a vector of any length.
llvm::Value* EmitFma(llvm::IRBuilder<>& builder, const ir::Target& target, llvm::Value* a, llvm::Value* b,
                     llvm::Value* c);

}  // namespace gradus::codegen
