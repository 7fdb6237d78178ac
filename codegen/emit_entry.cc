#include "codegen/emit_entry.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "codegen/context_fields.h"
#include "codegen/elementwise.h"
#include "codegen/emit_body.h"
#include "codegen/emit_kernels.h"
#include "codegen/synchronize.h"
#include "ir/check.h"
#include "ir/error.h"
#include "ir/storage.h"
#include "ir/strips.h"
#include "ir/threads.h"
#include "llvm/IR/IntrinsicsX86.h"

namespace gradus::codegen {
namespace {

using ir::Graph;
using ir::Op;
using ir::Statement;
using llvm::Value;

constexpr uint64_t kControl = 0x1f80;  // MXCSR: round to nearest, denormals on, nothing traps

class EntryEmitter {
 public:
  EntryEmitter(llvm::Module& module, KernelTable& kernels, const Graph& graph, int64_t scratch_bytes,
               CompiledEntry& entry)
      : code_(module, kernels, graph, scratch_bytes, entry) {}

  void Run(const std::string& symbol) {
    llvm::Type* pointer = b_.getPtrTy();
    llvm::Type* i64 = b_.getInt64Ty();
    code_.function = llvm::Function::Create(llvm::FunctionType::get(b_.getInt32Ty(), {pointer, i64, i64, i64}, false),
                                            llvm::Function::ExternalLinkage, symbol, code_.module);
    SetTargetAttributes(code_.target, *code_.function);
    b_.SetInsertPoint(llvm::BasicBlock::Create(b_.getContext(), "entry", code_.function));
    code_.context = code_.function->getArg(0);
    // A step too small to share runs on thread 0 without a barrier; the others have nothing to do.
    const auto alone = [](const auto& s) { return !ir::IsExecuted(*s) || ir::RunsOnThreadZero(*s); };
    const auto& statements = code_.graph.body.statements;
    code_.threads = std::all_of(statements.begin(), statements.end(), alone) ? 1 : code_.graph.threads;
    code_.thread = code_.threads == 1 ? b_.getInt64(0) : static_cast<Value*>(code_.function->getArg(1));
    if (code_.threads < code_.graph.threads) {
      llvm::BasicBlock* idle = llvm::BasicBlock::Create(b_.getContext(), "idle", code_.function);
      llvm::BasicBlock* work = llvm::BasicBlock::Create(b_.getContext(), "work", code_.function);
      b_.CreateCondBr(b_.CreateICmpNE(code_.function->getArg(1), b_.getInt64(0)), idle, work);
      b_.SetInsertPoint(idle);
      b_.CreateRet(b_.getInt32(kRunFinished));
      b_.SetInsertPoint(work);
    }
    Prologue();
    Steps(code_.function->getArg(3));
  }

 private:
  Value* Field(llvm::Type* type, size_t offset) { return LoadField(b_, type, code_.context, offset); }

  // Everything that stays the same from step to step.
  void Prologue() {
    control_ = b_.CreateAlloca(b_.getInt32Ty(), nullptr, "mxcsr");
    counters_ = b_.CreateAlloca(llvm::ArrayType::get(b_.getInt64Ty(), 3), nullptr, "counters");
    llvm::Value* ours = b_.CreateAlloca(b_.getInt32Ty(), nullptr, "control");
    b_.CreateIntrinsic(llvm::Intrinsic::x86_sse_stmxcsr, {}, {control_});
    b_.CreateStore(b_.getInt32(kControl), ours);
    b_.CreateIntrinsic(llvm::Intrinsic::x86_sse_ldmxcsr, {}, {ours});
    code_.arena = Field(b_.getPtrTy(), offsetof(StepContext, arena));
    code_.scratch = Field(b_.getPtrTy(), offsetof(StepContext, scratch));
    code_.scratch = b_.CreateGEP(b_.getInt8Ty(), code_.scratch,
                                 b_.CreateMul(code_.thread, b_.getInt64(static_cast<uint64_t>(code_.scratch_bytes))));
    first_step_ = Field(b_.getInt64Ty(), offsetof(StepContext, step));
    b_.CreateStore(Field(b_.getInt64Ty(), offsetof(StepContext, epoch)), Counter(1));
    b_.CreateStore(Field(b_.getInt64Ty(), offsetof(StepContext, seed)), Counter(2));
    Value* inputs = Field(b_.getPtrTy(), offsetof(StepContext, inputs));
    outputs_ = Field(b_.getPtrTy(), offsetof(StepContext, outputs));
    for (const auto& s : code_.graph.body.statements) {
      if (s->op != Op::kInput) continue;
      const std::string& name = s->result()->name;
      const int counter = name == "step" ? 0 : name == "epoch" ? 1 : name == "seed" ? 2 : -1;
      if (counter >= 0 && s->result()->type == ir::Type{ir::DType::kI64, {}}) {
        code_.pointers[s->result()] = Counter(counter);
        continue;
      }
      InputCursor cursor;
      cursor.value = s->result();
      Value* binding = code_.At(inputs, static_cast<int64_t>(code_.entry.inputs.size() * sizeof(InputBinding)));
      const auto field = [&](llvm::Type* type, size_t offset) { return LoadField(b_, type, binding, offset); };
      cursor.base = field(b_.getPtrTy(), offsetof(InputBinding, base));
      cursor.stride = field(b_.getInt64Ty(), offsetof(InputBinding, stride));
      cursor.count = field(b_.getInt64Ty(), offsetof(InputBinding, count));
      Value* first = field(b_.getInt64Ty(), offsetof(InputBinding, first));
      cursor.initial = b_.CreateURem(b_.CreateSub(first_step_, first), cursor.count);
      cursors_.push_back(cursor);
      code_.entry.inputs.push_back({name, s->result()->type, -1});
    }
    code_.generation =
        code_.threads == 1 ? nullptr : b_.CreateLoad(b_.getInt64Ty(), FlagPointer(b_, code_.context, code_.thread));
  }

  Value* Counter(int k) { return code_.At(counters_, 8 * k); }

  void Steps(Value* steps) {
    llvm::LLVMContext& llvm = b_.getContext();
    llvm::BasicBlock* before = b_.GetInsertBlock();
    llvm::BasicBlock* loop = llvm::BasicBlock::Create(llvm, "step", code_.function);
    llvm::BasicBlock* done = llvm::BasicBlock::Create(llvm, "done", code_.function);
    b_.CreateCondBr(b_.CreateICmpSGT(steps, b_.getInt64(0)), loop, done);
    b_.SetInsertPoint(loop);
    llvm::PHINode* k = b_.CreatePHI(b_.getInt64Ty(), 2, "k");
    k->addIncoming(b_.getInt64(0), before);
    llvm::PHINode* generation = nullptr;
    if (code_.generation != nullptr) {
      generation = b_.CreatePHI(b_.getInt64Ty(), 2, "generation");
      generation->addIncoming(code_.generation, before);
      code_.generation = generation;
    }
    std::vector<llvm::PHINode*> turns;
    for (const InputCursor& cursor : cursors_) {
      turns.push_back(b_.CreatePHI(b_.getInt64Ty(), 2, "turn"));
      turns.back()->addIncoming(cursor.initial, before);
    }
    for (size_t i = 0; i < cursors_.size(); ++i) {
      Value* offset = b_.CreateMul(turns[i], cursors_[i].stride);
      code_.pointers[cursors_[i].value] = b_.CreateGEP(b_.getInt8Ty(), cursors_[i].base, offset);
    }
    code_.finished = b_.CreateAdd(first_step_, k);
    b_.CreateStore(b_.CreateAdd(code_.finished, b_.getInt64(1)), Counter(0));
    EmitBody(code_);
    LookAtLoops();
    Outputs(k);
    Value* result = EndStep();

    Value* next = b_.CreateAdd(k, b_.getInt64(1));
    Value* stop = b_.CreateICmpNE(result, b_.getInt32(kRunFinished));
    Value* leave = b_.CreateOr(stop, b_.CreateICmpSGE(next, steps));
    for (size_t i = 0; i < cursors_.size(); ++i) {
      Value* turn = b_.CreateAdd(turns[i], b_.getInt64(1));
      turn = b_.CreateSelect(b_.CreateICmpEQ(turn, cursors_[i].count), b_.getInt64(0), turn);
      turns[i]->addIncoming(turn, b_.GetInsertBlock());
    }
    llvm::BasicBlock* latch = b_.GetInsertBlock();
    k->addIncoming(next, latch);
    if (generation != nullptr) generation->addIncoming(code_.generation, latch);
    b_.CreateCondBr(leave, done, loop);

    b_.SetInsertPoint(done);
    llvm::PHINode* returned = b_.CreatePHI(b_.getInt32Ty(), 2);
    returned->addIncoming(b_.getInt32(kRunFinished), before);
    returned->addIncoming(result, latch);
    b_.CreateIntrinsic(llvm::Intrinsic::x86_sse_ldmxcsr, {}, {control_});
    b_.CreateRet(returned);
  }

  // What a loop or a branch puts in the place of a param is looked at when it is complete: on the way a carry may be
  // anything.
  void LookAtLoops() {
    std::vector<const ir::Value*> values;
    for (const auto& s : code_.graph.body.statements) {
      if (s->op != Op::kNext || s->operands[0]->definition->op != Op::kParam) continue;
      const ir::Value* value = ir::StorageOf(s->operands[1]);
      const bool loop = value->definition != nullptr && ir::HasBody(value->definition->op);
      if (loop && ir::IsFloat(value->type.element)) values.push_back(value);
    }
    if (values.empty()) return;
    code_.Barrier();
    KernelContext kernel{b_, code_.target, code_.context, code_.thread, code_.threads, nullptr, 0, nullptr};
    kernel.step = b_.CreateAdd(code_.finished, b_.getInt64(1));
    for (const ir::Value* value : values)
      EmitLookForNotFinite(kernel, value->type.element, value->type.elements().value(), code_.PointerTo(value));
  }

  // Thread 0 hands the outputs over, behind a barrier where other threads may still be writing them.
  void Outputs(Value* k) {
    for (const ir::Output& output : code_.graph.outputs) {
      code_.entry.outputs.push_back({output.name, output.value->type, -1});
    }
    if (code_.graph.outputs.empty()) return;
    const bool wait = std::any_of(code_.graph.outputs.begin(), code_.graph.outputs.end(), [&](const auto& output) {
      return code_.shared.contains(ir::StorageOf(output.value));
    });
    if (wait) code_.Barrier();
    const auto copy = [&] {
      for (size_t i = 0; i < code_.graph.outputs.size(); ++i) {
        const ir::Value* value = code_.graph.outputs[i].value;
        Value* binding = code_.At(outputs_, static_cast<int64_t>(i * sizeof(OutputBinding)));
        Value* base = LoadField(b_, b_.getPtrTy(), binding, offsetof(OutputBinding, base));
        EmitIf(b_, b_.CreateICmpNE(base, llvm::ConstantPointerNull::get(b_.getPtrTy())), [&] {
          Value* stride = LoadField(b_, b_.getInt64Ty(), binding, offsetof(OutputBinding, stride));
          Value* to = b_.CreateGEP(b_.getInt8Ty(), base, b_.CreateMul(k, stride));
          if (value->type.elements().value() == 1) {
            llvm::Type* type = MemoryType(b_, value->type.element, 0);
            const llvm::Align align(ir::ByteWidth(value->type.element));
            b_.CreateAlignedStore(b_.CreateAlignedLoad(type, code_.PointerTo(value), align), to, align);
          } else {
            KernelContext kernel{b_, code_.target, code_.context, b_.getInt64(0), 1, nullptr, 0, nullptr};
            EmitCopy(kernel, value->type.bytes().value(), code_.PointerTo(value), to);
          }
        });
      }
    };
    if (code_.threads == 1) {
      copy();
    } else {
      EmitIf(b_, b_.CreateICmpEQ(code_.thread, b_.getInt64(0)), copy);
    }
  }

  // Counts the step, looks for a fault and the stop flag, and lets every thread know: i32, a RunResult.
  Value* EndStep() {
    const auto flag = [&](size_t offset) {
      llvm::LoadInst* load =
          b_.CreateAlignedLoad(b_.getInt32Ty(), FieldPointer(b_, code_.context, offset), llvm::Align(4));
      load->setAtomic(llvm::AtomicOrdering::Acquire);
      return load;
    };
    const auto look = [&]() -> Value* {
      Value* fault = b_.CreateICmpNE(flag(offsetof(StepContext, fault) + offsetof(Fault, kind)), b_.getInt32(kNoFault));
      Value* stop = b_.CreateICmpNE(flag(offsetof(StepContext, stop)), b_.getInt32(0));
      Value* result = b_.CreateSelect(stop, b_.getInt32(kRunStopped), b_.getInt32(kRunFinished));
      return b_.CreateSelect(fault, b_.getInt32(kRunFault), result);
    };
    const auto count = [&] {
      b_.CreateStore(b_.CreateAdd(code_.finished, b_.getInt64(1)),
                     FieldPointer(b_, code_.context, offsetof(StepContext, step)));
    };
    if (code_.threads == 1) {
      Value* result = look();
      count();
      return result;
    }
    // Faults of this step are all in before thread 0 looks for them.
    if (!code_.entry.sources.empty()) code_.Barrier();
    Value* parity = b_.CreateAnd(code_.finished, b_.getInt64(1));
    Value* published =
        b_.CreateGEP(b_.getInt32Ty(), FieldPointer(b_, code_.context, offsetof(StepContext, published)), parity);
    EmitIf(b_, b_.CreateICmpEQ(code_.thread, b_.getInt64(0)), [&] {
      b_.CreateStore(look(), published);
      count();
    });
    code_.Barrier();
    return b_.CreateAlignedLoad(b_.getInt32Ty(), published, llvm::Align(4));
  }

  struct InputCursor {
    const ir::Value* value;
    Value* base;
    Value* stride;
    Value* count;
    Value* initial;
  };

  EntryCode code_;
  Builder& b_ = code_.b;
  Value* control_ = nullptr;
  Value* counters_ = nullptr;
  Value* outputs_ = nullptr;
  Value* first_step_ = nullptr;
  std::vector<InputCursor> cursors_;
};

int64_t MostScratch(const ir::Region& region, const ir::Target& target, int64_t threads) {
  int64_t most = 0;
  for (const auto& s : region.statements) {
    if (!ir::HasBody(s->op)) {
      most = std::max(most, KernelScratchBytes(*s, target));
    } else if (ir::RunsInStrips(*s, threads, target)) {
      most = std::max(most, MostScratch(*ir::StripOf(*s, threads)->region, target, 1));
    } else {
      most = std::max(most, MostScratch(*s->region, target, threads));
    }
  }
  return most;
}

}  // namespace

int64_t ScratchBytes(const Graph& graph) {
  const int64_t most = MostScratch(graph.body, *graph.target, graph.threads);
  return (most + kCacheLine - 1) / kCacheLine * kCacheLine;
}

absl::Status EmitEntry(llvm::Module& module, KernelTable& kernels, const Graph& graph, const std::string& symbol,
                       int64_t scratch_bytes, CompiledEntry& entry) {
  if (!graph.target || graph.threads < 1 || graph.arena_bytes < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(graph.name, " has no plan yet: schedule and plan come before code"));
  }
  if (graph.threads > kMaxThreads) {
    return ir::ErrorStatus(ir::ErrorKind::kThreadLimit, "a step runs on at most ", kMaxThreads, " threads, not ",
                           graph.threads);
  }
  entry.name = graph.name;
  EntryEmitter(module, kernels, graph, scratch_bytes, entry).Run(symbol);
  return absl::OkStatus();
}

}  // namespace gradus::codegen
