// i64 arithmetic on indices and offsets, folded where an operand is 0 or 1: without LLVM's optimisation pipeline what
// is not emitted need not be compiled. Nothing wraps.
#pragma once

#include "llvm/IR/IRBuilder.h"

namespace gradus::codegen {

inline bool IsConstant(llvm::Value* value, int64_t number) {
  const auto* constant = llvm::dyn_cast<llvm::ConstantInt>(value);
  return constant != nullptr && constant->getSExtValue() == number;
}

inline llvm::Value* IndexAdd(llvm::IRBuilder<>& builder, llvm::Value* x, llvm::Value* y) {
  if (IsConstant(x, 0)) return y;
  return IsConstant(y, 0) ? x : builder.CreateNSWAdd(x, y);
}
inline llvm::Value* IndexSubtract(llvm::IRBuilder<>& builder, llvm::Value* x, llvm::Value* y) {
  if (x == y) return builder.getInt64(0);
  return IsConstant(y, 0) ? x : builder.CreateNSWSub(x, y);
}
inline llvm::Value* IndexMultiply(llvm::IRBuilder<>& builder, llvm::Value* x, int64_t y) {
  if (y == 0 || IsConstant(x, 0)) return builder.getInt64(0);
  return y == 1 ? x : builder.CreateNSWMul(x, builder.getInt64(static_cast<uint64_t>(y)));
}
inline llvm::Value* IndexMin(llvm::IRBuilder<>& builder, llvm::Value* x, llvm::Value* y) {
  return builder.CreateSelect(builder.CreateICmpSLT(x, y), x, y);
}
inline llvm::Value* IndexMax(llvm::IRBuilder<>& builder, llvm::Value* x, llvm::Value* y) {
  return builder.CreateSelect(builder.CreateICmpSLT(x, y), y, x);
}
// Division of numbers that are not negative.
inline llvm::Value* IndexDivide(llvm::IRBuilder<>& builder, llvm::Value* x, int64_t y) {
  return y == 1 ? x : builder.CreateUDiv(x, builder.getInt64(static_cast<uint64_t>(y)));
}
inline llvm::Value* IndexRemainder(llvm::IRBuilder<>& builder, llvm::Value* x, int64_t y) {
  return y == 1 ? builder.getInt64(0) : builder.CreateURem(x, builder.getInt64(static_cast<uint64_t>(y)));
}

// pointer + elements * size of `element`.
inline llvm::Value* ElementAt(llvm::IRBuilder<>& builder, llvm::Type* element, llvm::Value* pointer,
                              llvm::Value* elements) {
  return IsConstant(elements, 0) ? pointer : builder.CreateGEP(element, pointer, elements);
}
inline llvm::Value* ByteAt(llvm::IRBuilder<>& builder, llvm::Value* pointer, llvm::Value* bytes) {
  return ElementAt(builder, builder.getInt8Ty(), pointer, bytes);
}

}  // namespace gradus::codegen
