// Addresses of the fields of codegen/context.h in instructions.
#pragma once

#include "codegen/context.h"
#include "codegen/control.h"

namespace gradus::codegen {

inline llvm::Value* FieldPointer(Builder& b, llvm::Value* base, size_t offset) {
  return b.CreateGEP(b.getInt8Ty(), base, b.getInt64(offset));
}
inline llvm::Value* LoadField(Builder& b, llvm::Type* type, llvm::Value* base, size_t offset) {
  return b.CreateLoad(type, FieldPointer(b, base, offset));
}

}  // namespace gradus::codegen
