// Loops and conditions in instructions, without memory for what they carry.
#pragma once

#include <functional>
#include <vector>

#include "llvm/IR/IRBuilder.h"

namespace gradus::codegen {

using Builder = llvm::IRBuilder<>;
using Carried = std::vector<llvm::Value*>;

// for (i = begin; i < end; i += step) body(i), with i64 bounds. A loop known to run once is emitted without one, a loop
// known not to run vanishes.
void EmitFor(Builder& b, llvm::Value* begin, llvm::Value* end, int64_t step,
             const std::function<void(llvm::Value* i)>& body);
// The same, passing values from round to round; returns the last ones.
Carried EmitForCarrying(Builder& b, llvm::Value* begin, llvm::Value* end, int64_t step, Carried initial,
                        const std::function<Carried(llvm::Value* i, const Carried&)>& body);
// if (condition) body().
void EmitIf(Builder& b, llvm::Value* condition, const std::function<void()>& body);
// The same with values: those of the body, or `otherwise`.
Carried EmitIfCarrying(Builder& b, llvm::Value* condition, const Carried& otherwise,
                       const std::function<Carried()>& body);

// The i64 value of a constant, if it is one.
inline bool IsConstant(const llvm::Value* v, int64_t* value) {
  const auto* constant = llvm::dyn_cast<llvm::ConstantInt>(v);
  if (constant == nullptr) return false;
  *value = constant->getSExtValue();
  return true;
}

}  // namespace gradus::codegen
