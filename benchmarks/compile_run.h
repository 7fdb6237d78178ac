// One kernel as a function `run` in native code: for the drivers of contraction.py and convolution.py.
#pragma once

#include <cstdlib>
#include <iostream>

#include "codegen/contraction.h"
#include "codegen/jit.h"
#include "codegen/target_machine.h"
#include "llvm/IR/Module.h"

namespace gradus::benchmarks {

using Run = void (*)(const void* a, const void* b, void* c, void* scratch, int64_t thread, int64_t threads);

// `run` of the result is a Run, whose body is what emit(context, a, b, c) makes.
template <typename Emit>
codegen::NativeCode CompileRun(const ir::Target& target, Emit emit) {
  llvm::LLVMContext context;
  llvm::Module module("run", context);
  llvm::IRBuilder<> builder(context);
  llvm::SmallVector<llvm::Type*, 6> parameters(4, builder.getPtrTy());
  parameters.append(2, builder.getInt64Ty());
  auto* function = llvm::Function::Create(llvm::FunctionType::get(builder.getVoidTy(), parameters, false),
                                          llvm::Function::ExternalLinkage, "run", &module);
  codegen::SetTargetAttributes(target, *function);
  builder.SetInsertPoint(llvm::BasicBlock::Create(context, "", function));
  const codegen::ContractionContext kernel{builder, target, function->getArg(4), function->getArg(5),
                                           function->getArg(3)};
  emit(kernel, function->getArg(0), function->getArg(1), function->getArg(2));
  builder.CreateRetVoid();
  if (std::getenv("GRADUS_PRINT_ASSEMBLY") != nullptr) {
    std::cerr << *codegen::AssembleModule(module, target, codegen::CodegenLevel::kDefault);
  }
  auto object = codegen::CompileModule(module, target, codegen::CodegenLevel::kDefault);
  CHECK(object.ok()) << object.status();
  auto code = codegen::Link({*object}, {"run"});
  CHECK(code.ok()) << code.status();
  return *std::move(code);
}

}  // namespace gradus::benchmarks
