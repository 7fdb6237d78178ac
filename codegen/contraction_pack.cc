#include "codegen/contraction_pack.h"

#include "absl/strings/str_cat.h"
#include "codegen/counted_loop.h"
#include "codegen/target_machine.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {

using llvm::Value;

llvm::Function* PackFunction(llvm::Module& module, const ir::Target& target, ir::DType type, int64_t panel_columns) {
  const std::string name = absl::StrCat("contraction_pack_", std::string(ir::Name(type)), "_", panel_columns);
  if (llvm::Function* existing = module.getFunction(name)) return existing;
  llvm::IRBuilder<> builder(module.getContext());
  llvm::SmallVector<llvm::Type*, 6> parameters(2, builder.getPtrTy());
  parameters.append(4, builder.getInt64Ty());
  auto* function = llvm::Function::Create(llvm::FunctionType::get(builder.getVoidTy(), parameters, false),
                                          llvm::Function::InternalLinkage, name, &module);
  SetTargetAttributes(target, *function);
  builder.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "", function));
  Value *to = function->getArg(0), *from = function->getArg(1), *contracted = function->getArg(2);
  Value *columns = function->getArg(3), *from_k = function->getArg(4), *from_column = function->getArg(5);
  llvm::Type* element = ElementType(builder, type);
  const llvm::Align align(ir::ByteWidth(type));
  EmitLoop(builder, builder.getInt64(0), contracted, 1, [&](Value* k) {
    Value* to_row = builder.CreateGEP(element, to, builder.CreateNSWMul(k, builder.getInt64(panel_columns)));
    Value* from_row = builder.CreateGEP(builder.getInt8Ty(), from, builder.CreateNSWMul(k, from_k));
    EmitLoop(builder, builder.getInt64(0), columns, 1, [&](Value* column) {
      Value* source = builder.CreateGEP(builder.getInt8Ty(), from_row, builder.CreateNSWMul(column, from_column));
      builder.CreateAlignedStore(builder.CreateAlignedLoad(element, source, align),
                                 builder.CreateGEP(element, to_row, column), align);
    });
    EmitLoop(builder, columns, builder.getInt64(panel_columns), 1, [&](Value* column) {
      builder.CreateAlignedStore(llvm::Constant::getNullValue(element), builder.CreateGEP(element, to_row, column),
                                 align);
    });
  });
  builder.CreateRetVoid();
  return function;
}

}  // namespace gradus::codegen
