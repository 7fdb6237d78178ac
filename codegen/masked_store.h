// Stores of some lanes of a vector.
#pragma once

#include "llvm/IR/IRBuilder.h"

namespace gradus::codegen {

// Stores the lanes of `mask`. Where these are known to be the first ones they go in pieces of 1, 2, 4, … lanes, as
// long as three are enough: the processor takes a masked store for one of the whole vector, and a load of what stands
// right behind it, as the next short row of an operand that the result lies over, would wait until it is in the cache.
void EmitMaskedStore(llvm::IRBuilder<>& builder, llvm::Value* value, llvm::Value* pointer, llvm::Align align,
                     llvm::Value* mask);

}  // namespace gradus::codegen
