#include "codegen/synchronize.h"

#include <cstddef>

#include "codegen/context_fields.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/IntrinsicsX86.h"

namespace gradus::codegen {

using llvm::Value;

Value* FlagPointer(Builder& b, Value* context, Value* thread) {
  Value* flags = FieldPointer(b, context, offsetof(StepContext, flags));
  return b.CreateGEP(b.getInt8Ty(), flags, b.CreateMul(thread, b.getInt64(sizeof(BarrierFlag))));
}

llvm::Function* BarrierRoutine(llvm::Module& module, int64_t threads) {
  constexpr char kName[] = "gradus.barrier";
  if (llvm::Function* f = module.getFunction(kName)) return f;
  llvm::LLVMContext& llvm = module.getContext();
  Builder b(llvm);
  llvm::Type* i64 = b.getInt64Ty();
  llvm::Function* f = llvm::Function::Create(llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy(), i64, i64}, false),
                                             llvm::Function::InternalLinkage, kName, module);
  f->setDoesNotThrow();
  Value* context = f->getArg(0);
  Value* generation = f->getArg(2);
  b.SetInsertPoint(llvm::BasicBlock::Create(llvm, "entry", f));
  llvm::StoreInst* arrive = b.CreateAlignedStore(generation, FlagPointer(b, context, f->getArg(1)), llvm::Align(8));
  arrive->setAtomic(llvm::AtomicOrdering::Release);
  Value* spins = LoadField(b, i64, context, offsetof(StepContext, spins));
  EmitFor(b, b.getInt64(0), b.getInt64(static_cast<uint64_t>(threads)), 1, [&](Value* other) {
    Value* flag = FlagPointer(b, context, other);
    llvm::BasicBlock* before = b.GetInsertBlock();
    const auto block = [&](const char* name) { return llvm::BasicBlock::Create(llvm, name, f); };
    llvm::BasicBlock *look = block("look"), *spin = block("spin"), *wait = block("wait"), *call = block("call"),
                     *again = block("again"), *there = block("there");
    b.CreateBr(look);
    b.SetInsertPoint(look);
    llvm::PHINode* left = b.CreatePHI(i64, 2);
    left->addIncoming(spins, before);
    llvm::LoadInst* reached = b.CreateAlignedLoad(i64, flag, llvm::Align(8));
    reached->setAtomic(llvm::AtomicOrdering::Acquire);
    b.CreateCondBr(b.CreateICmpSGE(reached, generation), there, spin);
    b.SetInsertPoint(spin);
    b.CreateIntrinsic(llvm::Intrinsic::x86_sse2_pause, llvm::ArrayRef<llvm::Type*>(), {});
    Value* fewer = b.CreateSub(left, b.getInt64(1));
    b.CreateCondBr(b.CreateICmpSGT(fewer, b.getInt64(0)), again, wait);
    b.SetInsertPoint(wait);
    Value* function = LoadField(b, b.getPtrTy(), context, offsetof(StepContext, wait));
    b.CreateCondBr(b.CreateICmpNE(function, llvm::ConstantPointerNull::get(b.getPtrTy())), call, again);
    b.SetInsertPoint(call);
    auto* type = llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy(), b.getPtrTy(), i64}, false);
    b.CreateCall(type, function, {context, flag, generation});
    b.CreateBr(again);
    b.SetInsertPoint(again);
    llvm::PHINode* next = b.CreatePHI(i64, 3);
    next->addIncoming(fewer, spin);
    next->addIncoming(spins, wait);
    next->addIncoming(spins, call);
    left->addIncoming(next, again);
    b.CreateBr(look);
    b.SetInsertPoint(there);
  });
  b.CreateRetVoid();
  return f;
}

}  // namespace gradus::codegen
