#include <cstddef>

#include "codegen/context.h"
#include "codegen/context_fields.h"
#include "codegen/region_code.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/Module.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

// void gradus.fault(context, statement, index, bound, kind): the first caller of a step fills the record.
llvm::Function* FaultRoutine(llvm::Module& module) {
  constexpr char kName[] = "gradus.fault";
  if (llvm::Function* f = module.getFunction(kName)) return f;
  llvm::LLVMContext& context = module.getContext();
  llvm::Type* pointer = llvm::PointerType::getUnqual(context);
  llvm::Type* i32 = llvm::Type::getInt32Ty(context);
  llvm::Type* i64 = llvm::Type::getInt64Ty(context);
  auto* type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), {pointer, i32, i64, i64, i32}, false);
  llvm::Function* f = llvm::Function::Create(type, llvm::Function::InternalLinkage, kName, module);
  f->setDoesNotThrow();
  f->addFnAttr(llvm::Attribute::NoInline);
  f->addFnAttr(llvm::Attribute::Cold);
  Builder b(llvm::BasicBlock::Create(context, "entry", f));
  Value* record = f->getArg(0);
  Value* claim =
      b.CreateAtomicCmpXchg(FieldPointer(b, record, offsetof(StepContext, fault_claimed)), b.getInt32(0), b.getInt32(1),
                            llvm::Align(4), llvm::AtomicOrdering::AcquireRelease, llvm::AtomicOrdering::Acquire);
  EmitIf(b, b.CreateExtractValue(claim, 1), [&] {
    const auto field = [&](size_t offset) { return FieldPointer(b, record, offsetof(StepContext, fault) + offset); };
    b.CreateStore(f->getArg(1), field(offsetof(Fault, statement)));
    b.CreateStore(f->getArg(2), field(offsetof(Fault, index)));
    b.CreateStore(f->getArg(3), field(offsetof(Fault, bound)));
    Value* step = b.CreateLoad(i64, FieldPointer(b, record, offsetof(StepContext, step)));
    b.CreateStore(step, field(offsetof(Fault, step)));
    llvm::StoreInst* kind = b.CreateAlignedStore(f->getArg(4), field(offsetof(Fault, kind)), llvm::Align(4));
    kind->setAtomic(llvm::AtomicOrdering::Release);
  });
  b.CreateRetVoid();
  return f;
}

}  // namespace

void EmitEndlessWhile(Builder& b, Value* context, int source) {
  llvm::Function* routine = FaultRoutine(*b.GetInsertBlock()->getModule());
  b.CreateCall(routine, {context, b.getInt32(static_cast<uint32_t>(source)), b.getInt64(0), b.getInt64(0),
                         b.getInt32(kEndlessWhile)});
}

void EmitFault(KernelContext& kernel, const ir::Statement& statement, Value* bad, Value* index, int64_t bound) {
  Builder& b = kernel.builder;
  llvm::Function* routine = FaultRoutine(*b.GetInsertBlock()->getModule());
  const bool is_vector = bad->getType()->isVectorTy();
  Value* any = is_vector ? b.CreateOrReduce(bad) : bad;
  const auto report = [&](Builder& at) {
    Value* first = index;
    if (is_vector) {
      const unsigned lanes = llvm::cast<llvm::FixedVectorType>(bad->getType())->getNumElements();
      Value* bits = at.CreateBitCast(bad, at.getIntNTy(lanes));
      Value* lane = at.CreateBinaryIntrinsic(llvm::Intrinsic::cttz, bits, at.getFalse());
      first = at.CreateExtractElement(index, at.CreateZExt(lane, at.getInt64Ty()));
    }
    at.CreateCall(routine, {kernel.context, at.getInt32(static_cast<uint32_t>(kernel.fault_source(statement))), first,
                            at.getInt64(static_cast<uint64_t>(bound)), at.getInt32(kIndexOutOfRange)});
  };
  if (b.GetInsertPoint() == b.GetInsertBlock()->end()) {
    EmitIf(b, any, [&] { report(b); });
    return;
  }
  // At the entrance of a frame, in front of the branch into it.
  llvm::Instruction* before = &*b.GetInsertPoint();
  llvm::Instruction* then = llvm::SplitBlockAndInsertIfThen(any, before->getIterator(), /*Unreachable=*/false);
  Builder at(then);
  report(at);
  b.SetInsertPoint(before);
}

}  // namespace gradus::codegen
