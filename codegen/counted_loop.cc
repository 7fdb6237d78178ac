#include "codegen/counted_loop.h"

namespace gradus::codegen {
namespace {

llvm::BasicBlock* NewBlock(llvm::IRBuilder<>& builder, const char* name) {
  return llvm::BasicBlock::Create(builder.getContext(), name, builder.GetInsertBlock()->getParent());
}

}  // namespace

llvm::SmallVector<llvm::Value*, 8> EmitLoop(
    llvm::IRBuilder<>& builder, llvm::Value* begin, llvm::Value* end, int64_t step,
    llvm::ArrayRef<llvm::Value*> initial,
    const std::function<llvm::SmallVector<llvm::Value*, 8>(llvm::Value*, llvm::ArrayRef<llvm::Value*>)>& body) {
  llvm::SmallVector<llvm::Value*, 8> last(initial.begin(), initial.end());
  const auto* first_index = llvm::dyn_cast<llvm::ConstantInt>(begin);
  const auto* limit = llvm::dyn_cast<llvm::ConstantInt>(end);
  const bool known = first_index != nullptr && limit != nullptr;
  if (known && first_index->getSExtValue() >= limit->getSExtValue()) return last;
  if (known && limit->getSExtValue() - first_index->getSExtValue() <= step) return body(begin, initial);

  llvm::BasicBlock* before = builder.GetInsertBlock();
  llvm::BasicBlock* loop = NewBlock(builder, "loop");
  llvm::BasicBlock* after = NewBlock(builder, "after");
  if (known) {
    builder.CreateBr(loop);
  } else {
    builder.CreateCondBr(builder.CreateICmpSLT(begin, end), loop, after);
  }
  builder.SetInsertPoint(loop);
  llvm::PHINode* index = builder.CreatePHI(builder.getInt64Ty(), 2);
  index->addIncoming(begin, before);
  llvm::SmallVector<llvm::PHINode*, 8> phis;
  llvm::SmallVector<llvm::Value*, 8> carried;
  for (llvm::Value* value : initial) {
    phis.push_back(builder.CreatePHI(value->getType(), 2));
    phis.back()->addIncoming(value, before);
    carried.push_back(phis.back());
  }
  const llvm::SmallVector<llvm::Value*, 8> next = body(index, carried);
  llvm::Value* next_index = builder.CreateNSWAdd(index, builder.getInt64(step));
  llvm::BasicBlock* end_of_body = builder.GetInsertBlock();
  builder.CreateCondBr(builder.CreateICmpSLT(next_index, end), loop, after);
  index->addIncoming(next_index, end_of_body);
  for (size_t i = 0; i < phis.size(); ++i) phis[i]->addIncoming(next[i], end_of_body);
  builder.SetInsertPoint(after);
  for (size_t i = 0; i < phis.size(); ++i) {
    if (known) {
      last[i] = next[i];
      continue;
    }
    llvm::PHINode* merged = builder.CreatePHI(initial[i]->getType(), 2);
    merged->addIncoming(initial[i], before);
    merged->addIncoming(next[i], end_of_body);
    last[i] = merged;
  }
  return last;
}

void EmitLoop(llvm::IRBuilder<>& builder, llvm::Value* begin, llvm::Value* end, int64_t step,
              const std::function<void(llvm::Value*)>& body) {
  EmitLoop(builder, begin, end, step, {}, [&](llvm::Value* index, llvm::ArrayRef<llvm::Value*>) {
    body(index);
    return llvm::SmallVector<llvm::Value*, 8>{};
  });
}

void EmitIf(llvm::IRBuilder<>& builder, llvm::Value* condition, const std::function<void()>& body) {
  if (const auto* known = llvm::dyn_cast<llvm::ConstantInt>(condition)) {
    if (known->isOne()) body();
    return;
  }
  llvm::BasicBlock* then = NewBlock(builder, "then");
  llvm::BasicBlock* after = NewBlock(builder, "endif");
  builder.CreateCondBr(condition, then, after);
  builder.SetInsertPoint(then);
  body();
  builder.CreateBr(after);
  builder.SetInsertPoint(after);
}

}  // namespace gradus::codegen
