// Counted loops in LLVM IR.
#pragma once

#include <functional>

#include "llvm/IR/IRBuilder.h"

namespace gradus::codegen {

// for (i = begin; i < end; i += step) body(i), all i64 and step > 0, counting within int64. The body may add blocks;
// values that it carries from turn to turn go through memory or a loop of its own. A loop of at most one turn, known
// from constants, becomes straight-line code.
void EmitLoop(llvm::IRBuilder<>& builder, llvm::Value* begin, llvm::Value* end, int64_t step,
              const std::function<void(llvm::Value* index)>& body);

// The same with values carried from turn to turn: body(i, carried) returns the next ones; the result is the last ones
// (`initial` where the loop does not turn).
llvm::SmallVector<llvm::Value*, 8> EmitLoop(
    llvm::IRBuilder<>& builder, llvm::Value* begin, llvm::Value* end, int64_t step,
    llvm::ArrayRef<llvm::Value*> initial,
    const std::function<llvm::SmallVector<llvm::Value*, 8>(llvm::Value* index, llvm::ArrayRef<llvm::Value*> carried)>&
        body);

// if (condition) body(); straight-line code or nothing where the condition is a constant.
void EmitIf(llvm::IRBuilder<>& builder, llvm::Value* condition, const std::function<void()>& body);

}  // namespace gradus::codegen
