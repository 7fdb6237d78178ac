#include "codegen/control.h"

#include "llvm/IR/Function.h"

namespace gradus::codegen {

using llvm::BasicBlock;
using llvm::Value;

namespace {

BasicBlock* NewBlock(Builder& b, const char* name) {
  return BasicBlock::Create(b.getContext(), name, b.GetInsertBlock()->getParent());
}

}  // namespace

Carried EmitForCarrying(Builder& b, Value* begin, Value* end, int64_t step, Carried initial,
                        const std::function<Carried(Value*, const Carried&)>& body) {
  int64_t first = 0;
  int64_t last = 0;
  const bool known = IsConstant(begin, &first) && IsConstant(end, &last);
  if (known && first >= last) return initial;
  if (known && first + step >= last) return body(begin, initial);
  BasicBlock* before = b.GetInsertBlock();
  BasicBlock* loop = NewBlock(b, "loop");
  BasicBlock* after = NewBlock(b, "after");
  if (known) {
    b.CreateBr(loop);
  } else {
    b.CreateCondBr(b.CreateICmpSLT(begin, end), loop, after);
    before = b.GetInsertBlock();
  }
  b.SetInsertPoint(loop);
  llvm::PHINode* i = b.CreatePHI(b.getInt64Ty(), 2, "i");
  Carried inside;
  std::vector<llvm::PHINode*> phis;
  for (Value* v : initial) {
    phis.push_back(b.CreatePHI(v->getType(), 2));
    inside.push_back(phis.back());
  }
  const Carried next = body(i, inside);
  Value* following = b.CreateAdd(i, b.getInt64(step), "", /*HasNUW=*/true, /*HasNSW=*/true);
  // Code hoisted out of the body may have split the block that enters the loop: ask who does.
  BasicBlock* latch = b.GetInsertBlock();
  b.CreateCondBr(b.CreateICmpSLT(following, end), loop, after);
  const auto entering = [&](BasicBlock* block) -> BasicBlock* {
    for (BasicBlock* p : llvm::predecessors(block)) {
      if (p != latch) return p;
    }
    return before;
  };
  before = entering(loop);
  i->addIncoming(begin, before);
  i->addIncoming(following, latch);
  for (size_t k = 0; k < initial.size(); ++k) {
    phis[k]->addIncoming(initial[k], before);
    phis[k]->addIncoming(next[k], latch);
  }
  b.SetInsertPoint(after);
  if (known) return next;
  Carried result;
  for (size_t k = 0; k < initial.size(); ++k) {
    llvm::PHINode* phi = b.CreatePHI(initial[k]->getType(), 2);
    phi->addIncoming(initial[k], before);
    phi->addIncoming(next[k], latch);
    result.push_back(phi);
  }
  return result;
}

void EmitFor(Builder& b, Value* begin, Value* end, int64_t step, const std::function<void(Value*)>& body) {
  EmitForCarrying(b, begin, end, step, {}, [&](Value* i, const Carried&) {
    body(i);
    return Carried();
  });
}

Carried EmitIfCarrying(Builder& b, Value* condition, const Carried& otherwise, const std::function<Carried()>& body) {
  if (const auto* constant = llvm::dyn_cast<llvm::ConstantInt>(condition)) {
    return constant->isZero() ? otherwise : body();
  }
  BasicBlock* then = NewBlock(b, "then");
  BasicBlock* after = NewBlock(b, "after");
  BasicBlock* before = b.GetInsertBlock();
  b.CreateCondBr(condition, then, after);
  b.SetInsertPoint(then);
  const Carried values = body();
  BasicBlock* end = b.GetInsertBlock();
  b.CreateBr(after);
  for (BasicBlock* p : llvm::predecessors(after)) {
    if (p != end) before = p;
  }
  b.SetInsertPoint(after);
  Carried result;
  for (size_t k = 0; k < values.size(); ++k) {
    llvm::PHINode* phi = b.CreatePHI(values[k]->getType(), 2);
    phi->addIncoming(otherwise[k], before);
    phi->addIncoming(values[k], end);
    result.push_back(phi);
  }
  return result;
}

void EmitIf(Builder& b, Value* condition, const std::function<void()>& body) {
  EmitIfCarrying(b, condition, {}, [&] {
    body();
    return Carried();
  });
}

}  // namespace gradus::codegen
