#include "codegen/emit_entry.h"

#include <algorithm>
#include <cstddef>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "codegen/context_fields.h"
#include "codegen/elementwise.h"
#include "codegen/emit_kernels.h"
#include "codegen/kernel_key.h"
#include "codegen/synchronize.h"
#include "ir/check.h"
#include "ir/error.h"
#include "ir/storage.h"
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
      : module_(module),
        kernels_(kernels),
        graph_(graph),
        target_(*graph.target),
        scratch_bytes_(scratch_bytes),
        entry_(entry),
        b_(module.getContext()) {
    for (const auto& s : graph.body.statements) {
      const bool updates = s->op == Op::kNext && s->operands[0]->definition->op == Op::kParam;
      if (updates && ir::IsFloat(s->operands[0]->type.element)) params_.insert(ir::StorageOf(s->operands[1]));
    }
  }

  void Run(const std::string& symbol) {
    llvm::Type* pointer = b_.getPtrTy();
    llvm::Type* i64 = b_.getInt64Ty();
    function_ = llvm::Function::Create(llvm::FunctionType::get(b_.getInt32Ty(), {pointer, i64, i64, i64}, false),
                                       llvm::Function::ExternalLinkage, symbol, module_);
    SetTargetAttributes(target_, *function_);
    b_.SetInsertPoint(llvm::BasicBlock::Create(b_.getContext(), "entry", function_));
    context_ = function_->getArg(0);
    // A step too small to share runs on thread 0 without a barrier; the others have nothing to do.
    const auto alone = [](const auto& s) { return !ir::IsExecuted(*s) || ir::RunsOnThreadZero(*s); };
    const auto& statements = graph_.body.statements;
    threads_ = std::all_of(statements.begin(), statements.end(), alone) ? 1 : graph_.threads;
    thread_ = threads_ == 1 ? b_.getInt64(0) : static_cast<Value*>(function_->getArg(1));
    if (threads_ < graph_.threads) {
      llvm::BasicBlock* idle = llvm::BasicBlock::Create(b_.getContext(), "idle", function_);
      llvm::BasicBlock* work = llvm::BasicBlock::Create(b_.getContext(), "work", function_);
      b_.CreateCondBr(b_.CreateICmpNE(function_->getArg(1), b_.getInt64(0)), idle, work);
      b_.SetInsertPoint(idle);
      b_.CreateRet(b_.getInt32(kRunFinished));
      b_.SetInsertPoint(work);
    }
    Prologue();
    Steps(function_->getArg(3));
  }

 private:
  Value* Field(llvm::Type* type, size_t offset) { return LoadField(b_, type, context_, offset); }
  Value* At(Value* base, int64_t bytes) {
    return b_.CreateGEP(b_.getInt8Ty(), base, b_.getInt64(static_cast<uint64_t>(bytes)));
  }

  // Everything that stays the same from step to step.
  void Prologue() {
    control_ = b_.CreateAlloca(b_.getInt32Ty(), nullptr, "mxcsr");
    counters_ = b_.CreateAlloca(llvm::ArrayType::get(b_.getInt64Ty(), 3), nullptr, "counters");
    llvm::Value* ours = b_.CreateAlloca(b_.getInt32Ty(), nullptr, "control");
    b_.CreateIntrinsic(llvm::Intrinsic::x86_sse_stmxcsr, {}, {control_});
    b_.CreateStore(b_.getInt32(kControl), ours);
    b_.CreateIntrinsic(llvm::Intrinsic::x86_sse_ldmxcsr, {}, {ours});
    arena_ = Field(b_.getPtrTy(), offsetof(StepContext, arena));
    scratch_ = Field(b_.getPtrTy(), offsetof(StepContext, scratch));
    scratch_ = b_.CreateGEP(b_.getInt8Ty(), scratch_,
                            b_.CreateMul(thread_, b_.getInt64(static_cast<uint64_t>(scratch_bytes_))));
    first_step_ = Field(b_.getInt64Ty(), offsetof(StepContext, step));
    b_.CreateStore(Field(b_.getInt64Ty(), offsetof(StepContext, epoch)), Counter(1));
    b_.CreateStore(Field(b_.getInt64Ty(), offsetof(StepContext, seed)), Counter(2));
    Value* inputs = Field(b_.getPtrTy(), offsetof(StepContext, inputs));
    outputs_ = Field(b_.getPtrTy(), offsetof(StepContext, outputs));
    for (const auto& s : graph_.body.statements) {
      if (s->op != Op::kInput) continue;
      const std::string& name = s->result()->name;
      const int counter = name == "step" ? 0 : name == "epoch" ? 1 : name == "seed" ? 2 : -1;
      if (counter >= 0 && s->result()->type == ir::Type{ir::DType::kI64, {}}) {
        pointers_[s->result()] = Counter(counter);
        continue;
      }
      InputCursor cursor;
      cursor.value = s->result();
      Value* binding = At(inputs, static_cast<int64_t>(entry_.inputs.size() * sizeof(InputBinding)));
      const auto field = [&](llvm::Type* type, size_t offset) { return LoadField(b_, type, binding, offset); };
      cursor.base = field(b_.getPtrTy(), offsetof(InputBinding, base));
      cursor.stride = field(b_.getInt64Ty(), offsetof(InputBinding, stride));
      cursor.count = field(b_.getInt64Ty(), offsetof(InputBinding, count));
      Value* first = field(b_.getInt64Ty(), offsetof(InputBinding, first));
      cursor.initial = b_.CreateURem(b_.CreateSub(first_step_, first), cursor.count);
      cursors_.push_back(cursor);
      entry_.inputs.push_back({name, s->result()->type, -1});
    }
    generation_ = threads_ == 1 ? nullptr : b_.CreateLoad(b_.getInt64Ty(), FlagPointer(b_, context_, thread_));
  }

  Value* Counter(int k) { return At(counters_, 8 * k); }

  void Steps(Value* steps) {
    llvm::LLVMContext& llvm = b_.getContext();
    llvm::BasicBlock* before = b_.GetInsertBlock();
    llvm::BasicBlock* loop = llvm::BasicBlock::Create(llvm, "step", function_);
    llvm::BasicBlock* done = llvm::BasicBlock::Create(llvm, "done", function_);
    b_.CreateCondBr(b_.CreateICmpSGT(steps, b_.getInt64(0)), loop, done);
    b_.SetInsertPoint(loop);
    llvm::PHINode* k = b_.CreatePHI(b_.getInt64Ty(), 2, "k");
    k->addIncoming(b_.getInt64(0), before);
    llvm::PHINode* generation = nullptr;
    if (generation_ != nullptr) {
      generation = b_.CreatePHI(b_.getInt64Ty(), 2, "generation");
      generation->addIncoming(generation_, before);
      generation_ = generation;
    }
    std::vector<llvm::PHINode*> turns;
    for (const InputCursor& cursor : cursors_) {
      turns.push_back(b_.CreatePHI(b_.getInt64Ty(), 2, "turn"));
      turns.back()->addIncoming(cursor.initial, before);
    }
    for (size_t i = 0; i < cursors_.size(); ++i) {
      Value* offset = b_.CreateMul(turns[i], cursors_[i].stride);
      pointers_[cursors_[i].value] = b_.CreateGEP(b_.getInt8Ty(), cursors_[i].base, offset);
    }
    finished_ = b_.CreateAdd(first_step_, k);
    b_.CreateStore(b_.CreateAdd(finished_, b_.getInt64(1)), Counter(0));
    Body();
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
    if (generation != nullptr) generation->addIncoming(generation_, latch);
    b_.CreateCondBr(leave, done, loop);

    b_.SetInsertPoint(done);
    llvm::PHINode* returned = b_.CreatePHI(b_.getInt32Ty(), 2);
    returned->addIncoming(b_.getInt32(kRunFinished), before);
    returned->addIncoming(result, latch);
    b_.CreateIntrinsic(llvm::Intrinsic::x86_sse_ldmxcsr, {}, {control_});
    b_.CreateRet(returned);
  }

  // The statements. Those that run on thread 0 alone stand together under one condition.
  void Body() {
    const auto& statements = graph_.body.statements;
    std::vector<const Statement*> alone;
    const auto flush = [&] {
      if (alone.empty()) return;
      const auto emit = [&] {
        for (const Statement* s : alone) Call(*s, 1);
      };
      if (threads_ == 1) {
        emit();
      } else {
        EmitIf(b_, b_.CreateICmpEQ(thread_, b_.getInt64(0)), emit);
      }
      alone.clear();
    };
    for (size_t i = 0; i < statements.size(); ++i) {
      const Statement& s = *statements[i];
      if (s.op == Op::kBarrier) {
        flush();
        Barrier();
        finished_before_.clear();
        continue;
      }
      if (!ir::IsExecuted(s)) continue;
      const bool one = threads_ == 1 || ir::RunsOnThreadZero(s);
      if (!one) {
        flush();
        for (const auto& result : s.results) finished_before_.insert(result.get());
        Call(s, threads_);
      } else {
        alone.push_back(&s);
      }
    }
    flush();
  }

  void Barrier() {
    if (threads_ == 1) return;
    generation_ = b_.CreateAdd(generation_, b_.getInt64(1));
    b_.CreateCall(BarrierRoutine(module_, threads_), {context_, thread_, generation_});
  }

  Value* PointerTo(const ir::Value* value) {
    value = ir::StorageOf(value);
    const auto found = pointers_.find(value);
    if (found != pointers_.end()) return found->second;
    const Statement* s = value->definition;
    if (s != nullptr && s->op == Op::kConstant) return pointers_[value] = Data(*s->literal);
    CHECK(value->arena.has_value()) << "the plan has no place for " << value->name;
    return At(arena_, value->arena->offset);
  }

  llvm::Constant* Data(const ir::Tensor& literal) {
    const llvm::StringRef bytes(reinterpret_cast<const char*>(literal.bytes()),
                                static_cast<size_t>(literal.byte_size()));
    llvm::Constant* data = llvm::ConstantDataArray::getRaw(bytes, bytes.size(), b_.getInt8Ty());
    auto* global = new llvm::GlobalVariable(module_, data->getType(), /*isConstant=*/true,
                                            llvm::GlobalValue::PrivateLinkage, data, "literal");
    global->setAlignment(llvm::Align(64));
    return global;
  }

  int FaultSourceOf(const Statement& s) {
    const std::string name = s.result()->name;
    for (size_t i = 0; i < entry_.sources.size(); ++i) {
      const FaultSource& known = entry_.sources[i];
      if (known.name == name && known.note.SamePosition(s.note)) return static_cast<int>(i);
    }
    entry_.sources.push_back({std::string(ir::Info(s.op).mnemonic), name, s.note});
    return static_cast<int>(entry_.sources.size()) - 1;
  }

  // Calls the kernel of a statement on `threads` threads, making it first if there is none of its structure.
  void Call(const Statement& s, int64_t threads) {
    std::vector<Value*> arguments = {context_, threads == 1 ? b_.getInt64(0) : thread_, scratch_};
    for (const ir::Value* operand : s.operands) arguments.push_back(PointerTo(operand));
    for (const auto& result : s.results) arguments.push_back(PointerTo(result.get()));
    std::string key = absl::StrCat(KernelKey(s), " threads ", threads);
    if (MayFault(s)) absl::StrAppend(&key, " in ", graph_.name);  // it reports a number of this entry's list
    std::vector<bool> updates;
    for (const auto& result : s.results) {
      updates.push_back(params_.contains(result.get()));
      if (updates.back()) absl::StrAppend(&key, " updates ", updates.size());
    }
    const bool any = std::find(updates.begin(), updates.end(), true) != updates.end();
    if (any) arguments.push_back(b_.CreateAdd(finished_, b_.getInt64(1)));
    llvm::Function*& kernel = kernels_[key];
    if (kernel == nullptr) kernel = MakeKernel(s, threads, arguments, std::move(updates), any);
    b_.CreateCall(kernel, arguments);
  }

  llvm::Function* MakeKernel(const Statement& s, int64_t threads, const std::vector<Value*>& arguments,
                             std::vector<bool> updates, bool any_update) {
    std::vector<llvm::Type*> types;
    for (Value* a : arguments) types.push_back(a->getType());
    const std::string name = absl::StrCat("kernel.", ir::Info(s.op).mnemonic, ".", kernels_.size());
    llvm::Function* f = llvm::Function::Create(llvm::FunctionType::get(b_.getVoidTy(), types, false),
                                               llvm::Function::InternalLinkage, name, module_);
    SetTargetAttributes(target_, *f);
    Builder b(llvm::BasicBlock::Create(b_.getContext(), "entry", f));
    KernelContext kernel{b,
                         target_,
                         f->getArg(0),
                         threads == 1 ? b.getInt64(0) : static_cast<Value*>(f->getArg(1)),
                         threads,
                         f->getArg(2),
                         scratch_bytes_,
                         [this](const Statement& at) { return FaultSourceOf(at); },
                         std::move(updates),
                         any_update ? f->getArg(static_cast<unsigned>(arguments.size()) - 1) : nullptr};
    std::vector<Value*> operands, results;
    for (unsigned i = 3; i < 3 + s.operands.size() + s.results.size(); ++i) {
      (i < 3 + s.operands.size() ? operands : results).push_back(f->getArg(i));
    }
    EmitKernel(kernel, s, operands, results);
    b.CreateRetVoid();
    return f;
  }

  // Thread 0 hands the outputs over, behind a barrier where other threads may still be writing them.
  void Outputs(Value* k) {
    for (const ir::Output& output : graph_.outputs) {
      entry_.outputs.push_back({output.name, output.value->type, -1});
    }
    if (graph_.outputs.empty()) return;
    const bool wait = std::any_of(graph_.outputs.begin(), graph_.outputs.end(),
                                  [&](const ir::Output& output) { return finished_before_.contains(output.value); });
    if (wait) Barrier();
    const auto copy = [&] {
      for (size_t i = 0; i < graph_.outputs.size(); ++i) {
        const ir::Value* value = graph_.outputs[i].value;
        Value* binding = At(outputs_, static_cast<int64_t>(i * sizeof(OutputBinding)));
        Value* base = LoadField(b_, b_.getPtrTy(), binding, offsetof(OutputBinding, base));
        EmitIf(b_, b_.CreateICmpNE(base, llvm::ConstantPointerNull::get(b_.getPtrTy())), [&] {
          Value* stride = LoadField(b_, b_.getInt64Ty(), binding, offsetof(OutputBinding, stride));
          Value* to = b_.CreateGEP(b_.getInt8Ty(), base, b_.CreateMul(k, stride));
          if (value->type.elements().value() == 1) {
            llvm::Type* type = MemoryType(b_, value->type.element, 0);
            const llvm::Align align(ir::ByteWidth(value->type.element));
            b_.CreateAlignedStore(b_.CreateAlignedLoad(type, PointerTo(value), align), to, align);
          } else {
            KernelContext kernel{b_, target_, context_, b_.getInt64(0), 1, nullptr, 0, nullptr};
            EmitCopy(kernel, value->type.bytes().value(), PointerTo(value), to);
          }
        });
      }
    };
    if (threads_ == 1) {
      copy();
    } else {
      EmitIf(b_, b_.CreateICmpEQ(thread_, b_.getInt64(0)), copy);
    }
  }

  // Counts the step, looks for a fault and the stop flag, and lets every thread know: i32, a RunResult.
  Value* EndStep() {
    const auto flag = [&](size_t offset) {
      llvm::LoadInst* load = b_.CreateAlignedLoad(b_.getInt32Ty(), FieldPointer(b_, context_, offset), llvm::Align(4));
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
      b_.CreateStore(b_.CreateAdd(finished_, b_.getInt64(1)), FieldPointer(b_, context_, offsetof(StepContext, step)));
    };
    if (threads_ == 1) {
      Value* result = look();
      count();
      return result;
    }
    // Faults of this step are all in before thread 0 looks for them.
    if (!entry_.sources.empty()) Barrier();
    Value* parity = b_.CreateAnd(finished_, b_.getInt64(1));
    Value* published =
        b_.CreateGEP(b_.getInt32Ty(), FieldPointer(b_, context_, offsetof(StepContext, published)), parity);
    EmitIf(b_, b_.CreateICmpEQ(thread_, b_.getInt64(0)), [&] {
      b_.CreateStore(look(), published);
      count();
    });
    Barrier();
    return b_.CreateAlignedLoad(b_.getInt32Ty(), published, llvm::Align(4));
  }

  struct InputCursor {
    const ir::Value* value;
    Value* base;
    Value* stride;
    Value* count;
    Value* initial;
  };

  llvm::Module& module_;
  KernelTable& kernels_;
  const Graph& graph_;
  const ir::Target& target_;
  int64_t scratch_bytes_;
  CompiledEntry& entry_;
  Builder b_;
  absl::flat_hash_set<const ir::Value*> params_;  // values that the params get
  llvm::Function* function_ = nullptr;
  int64_t threads_ = 1;  // that take part
  Value* context_ = nullptr;
  Value* thread_ = nullptr;
  Value* control_ = nullptr;
  Value* counters_ = nullptr;
  Value* arena_ = nullptr;
  Value* scratch_ = nullptr;
  Value* outputs_ = nullptr;
  Value* first_step_ = nullptr;
  Value* finished_ = nullptr;    // steps before this one
  Value* generation_ = nullptr;  // barriers passed; null with one thread
  std::vector<InputCursor> cursors_;
  absl::flat_hash_map<const ir::Value*, Value*> pointers_;
  absl::flat_hash_set<const ir::Value*> finished_before_;  // written by several threads since the last barrier
};

}  // namespace

int64_t ScratchBytes(const Graph& graph) {
  int64_t most = 0;
  for (const auto& s : graph.body.statements) most = std::max(most, KernelScratchBytes(*s, *graph.target));
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
