// Instructions of every elementwise operation, read from the rows of ops.def.
#pragma once

#include "absl/types/span.h"
#include "ir/graph.h"
#include "ir/target.h"
#include "llvm/IR/IRBuilder.h"

namespace gradus::codegen {

// The type of an element in registers: i1 for bool. `lanes` 0 gives the scalar.
llvm::Type* RegisterType(llvm::IRBuilder<>& builder, ir::DType type, int lanes);
// The type of an element in memory: i8 for bool.
llvm::Type* MemoryType(llvm::IRBuilder<>& builder, ir::DType type, int lanes);
// One element of a literal, repeated over the lanes.
llvm::Value* EmitLiteral(llvm::IRBuilder<>& builder, const ir::Tensor& literal, int64_t element, int lanes);

// The result of an elementwise operation on registers of `lanes` lanes. `type` is the element of the first operand,
// `result` of the result, which only a conversion needs to know.
llvm::Value* EmitElementwise(llvm::IRBuilder<>& builder, const ir::Target& target, ir::Op op, ir::DType type,
                             ir::DType result, absl::Span<llvm::Value* const> operands, int lanes);
llvm::Value* EmitConvert(llvm::IRBuilder<>& builder, llvm::Value* value, ir::DType from, ir::DType to, int lanes);

}  // namespace gradus::codegen
