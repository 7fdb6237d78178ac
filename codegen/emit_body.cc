#include "codegen/emit_body.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "codegen/context_fields.h"
#include "codegen/emit_kernels.h"
#include "codegen/kernel_key.h"
#include "codegen/region_code.h"
#include "codegen/synchronize.h"
#include "ir/check.h"
#include "ir/control.h"
#include "ir/storage.h"
#include "ir/strips.h"
#include "ir/threads.h"
#include "llvm/IR/MDBuilder.h"

namespace gradus::codegen {

using ir::Op;
using ir::Statement;
using llvm::Value;

EntryCode::EntryCode(llvm::Module& module, KernelTable& kernels, const ir::Graph& graph, int64_t scratch_bytes,
                     CompiledEntry& entry)
    : module(module),
      kernels(kernels),
      graph(graph),
      target(*graph.target),
      scratch_bytes(scratch_bytes),
      entry(entry),
      b(module.getContext()) {
  for (const auto& s : graph.body.statements) {
    const bool updates = s->op == Op::kNext && s->operands[0]->definition->op == Op::kParam;
    if (updates && ir::IsFloat(s->operands[0]->type.element)) params.insert(ir::StorageOf(s->operands[1]));
  }
}

Value* EntryCode::At(Value* base, int64_t bytes) {
  return b.CreateGEP(b.getInt8Ty(), base, b.getInt64(static_cast<uint64_t>(bytes)));
}

void EntryCode::Barrier() {
  if (threads == 1) return;
  generation = b.CreateAdd(generation, b.getInt64(1));
  b.CreateCall(BarrierRoutine(module, threads), {context, thread, generation});
}

Value* EntryCode::PointerTo(const ir::Value* value) {
  value = ir::StorageOf(value);
  const auto found = pointers.find(value);
  if (found != pointers.end()) return found->second;
  const Statement* s = value->definition;
  if (s != nullptr && s->op == Op::kConstant) return pointers[value] = Data(*s->literal);
  CHECK(value->arena.has_value()) << "the plan has no place for " << value->name;
  CHECK(!value->arena->stacked && value->arena->turn < 0) << value->name << " has a place an iteration";
  return At(arena, value->arena->offset);
}

llvm::Constant* EntryCode::Data(const ir::Tensor& literal) {
  const llvm::StringRef bytes(reinterpret_cast<const char*>(literal.bytes()), static_cast<size_t>(literal.byte_size()));
  llvm::Constant* data = llvm::ConstantDataArray::getRaw(bytes, bytes.size(), b.getInt8Ty());
  auto* global = new llvm::GlobalVariable(module, data->getType(), /*isConstant=*/true,
                                          llvm::GlobalValue::PrivateLinkage, data, "literal");
  global->setAlignment(llvm::Align(64));
  return global;
}

namespace {

class BodyEmitter {
 public:
  explicit BodyEmitter(EntryCode& code) : code_(code) {}

  // Those that run on thread 0 alone stand together under one condition. With `threads` 1 only thread 0 comes here.
  void Statements(absl::Span<const std::unique_ptr<Statement>> statements, int64_t threads) {
    std::vector<const Statement*> alone;
    const auto flush = [&] {
      if (alone.empty()) return;
      const auto emit = [&] {
        for (const Statement* s : alone) Execute(*s, 1);
      };
      if (threads == 1) {
        emit();
      } else {
        EmitIf(b_, b_.CreateICmpEQ(code_.thread, b_.getInt64(0)), emit);
      }
      alone.clear();
    };
    for (const auto& statement : statements) {
      const Statement& s = *statement;
      if (s.op == Op::kBarrier) {
        flush();
        if (threads > 1) code_.Barrier();
        if (statements.data() == code_.graph.body.statements.data()) code_.shared.clear();
        continue;
      }
      if (!ir::IsExecuted(s)) continue;
      if (threads == 1 || ir::RunsOnThreadZero(s)) {
        alone.push_back(&s);
        continue;
      }
      flush();
      for (const auto& result : s.results) code_.shared.insert(result.get());
      Execute(s, threads);
    }
    flush();
  }

 private:
  void Execute(const Statement& s, int64_t threads) {
    switch (s.op) {
      case Op::kScan:
        return Scan(s, threads);
      case Op::kWhile:
        return While(s, threads);
      case Op::kBranch:
        return Branch(s, threads);
      default:
        return Call(s, threads);
    }
  }

  Value* Advance(Value* base, Value* index, int64_t bytes) {
    return b_.CreateGEP(b_.getInt8Ty(), base, b_.CreateMul(index, b_.getInt64(static_cast<uint64_t>(bytes))));
  }

  // Captures lie where they lie outside.
  void BindCaptures(const Statement& s) {
    for (size_t i = ir::RegionOperandsOf(s).first_capture; i < s.operands.size(); ++i) {
      code_.pointers[ir::ParameterOf(s, i)] = code_.PointerTo(s.operands[i]);
    }
  }

  // Where the next value of a carry is written: in the result or, `at_turn` (i1), in its other place.
  Value* PlaceOfCarry(const Statement& s, size_t result, const ir::Value* yield, Value* at_turn) {
    Value* place = code_.PointerTo(s.results[result].get());
    const ir::ArenaRange& range = *ir::StorageOf(yield)->arena;
    return range.turn < 0 ? place : b_.CreateSelect(at_turn, code_.At(code_.arena, range.turn), place);
  }

  // Where this thread's strip of a value begins; values without rows are the same in the scan and in its strip.
  Value* MyRows(Value* base, const ir::Value* whole, const ir::Value* strip) {
    return whole->type == strip->type ? base : Advance(base, code_.thread, strip->type.bytes().value());
  }

  // The statements of a strip stand where those of the scan stand, which have a place in the arena.
  void BindTemporaries(const ir::Region& whole, const ir::Region& strip) {
    for (size_t i = 0; i < whole.statements.size(); ++i) {
      for (size_t r = 0; r < whole.statements[i]->results.size(); ++r) {
        const ir::Value* value = whole.statements[i]->results[r].get();
        const bool temporary = value->arena.has_value() && !value->arena->stacked && value->arena->turn < 0;
        if (!temporary || !ir::IsExecuted(*whole.statements[i])) continue;
        const ir::Value* mine = strip.statements[i]->results[r].get();
        code_.pointers[mine] = MyRows(code_.At(code_.arena, value->arena->offset), value, mine);
      }
    }
  }

  void Scan(const Statement& s, int64_t threads) {
    const ir::ScanView scan(s);
    const ir::Region& whole = *s.region;
    const bool in_strips = ir::RunsInStrips(s, threads, code_.target);
    if (in_strips) code_.strips.push_back(ir::StripOf(s, threads));
    const ir::Region& body = in_strips ? *code_.strips.back()->region : whole;
    const auto operand = [&](size_t i) {
      return MyRows(code_.PointerTo(s.operands[i]), whole.parameters[i].get(), body.parameters[i].get());
    };
    const auto my_yield = [&](Value* place, size_t i) {
      return MyRows(place, ir::StorageOf(whole.yields[i]), ir::StorageOf(body.yields[i]));
    };
    if (in_strips) BindTemporaries(whole, body);
    for (size_t i = scan.sequences + scan.carries; i < s.operands.size(); ++i) {
      code_.pointers[body.parameters[i].get()] = operand(i);
    }
    std::vector<Value*> sequences, stacks;
    for (size_t i = 0; i < scan.sequences; ++i) sequences.push_back(operand(i));
    for (size_t i = 0; i < scan.stacked; ++i) stacks.push_back(my_yield(code_.PointerTo(s.results[i].get()), i));
    Carried carried;
    for (size_t i = 0; i < scan.carries; ++i) carried.push_back(operand(scan.sequences + i));
    const bool synchronized = threads > 1 && !in_strips;
    if (synchronized) carried.push_back(code_.generation);
    const auto last = static_cast<uint64_t>(scan.length - 1);
    const auto iteration = [&](Value* step, const Carried& now) {
      if (synchronized) code_.generation = now.back();
      Value* left = b_.CreateSub(b_.getInt64(last), step);
      Value* index = scan.reverse ? left : step;
      for (size_t i = 0; i < scan.sequences; ++i) {
        const int64_t bytes = whole.parameters[i]->type.bytes().value();
        code_.pointers[body.parameters[i].get()] = Advance(sequences[i], index, bytes);
      }
      for (size_t i = 0; i < scan.carries; ++i) code_.pointers[body.parameters[scan.sequences + i].get()] = now[i];
      for (size_t i = 0; i < scan.stacked; ++i) {
        const int64_t bytes = whole.yields[i]->type.bytes().value();
        code_.pointers[ir::StorageOf(body.yields[i])] = Advance(stacks[i], index, bytes);
      }
      Value* at_turn = b_.CreateTrunc(left, b_.getInt1Ty());  // the last iteration writes the result
      for (size_t i = scan.stacked; i < s.results.size(); ++i) {
        if (ir::LiesInStack(s, i)) continue;
        code_.pointers[ir::StorageOf(body.yields[i])] = my_yield(PlaceOfCarry(s, i, whole.yields[i], at_turn), i);
      }
      Statements(body.statements, in_strips ? 1 : threads);
      Carried next;
      for (size_t i = 0; i < scan.carries; ++i) next.push_back(code_.PointerTo(body.yields[scan.stacked + i]));
      if (synchronized) next.push_back(code_.generation);
      return next;
    };
    const Carried after = EmitForCarrying(b_, b_.getInt64(0), b_.getInt64(last + 1), 1, std::move(carried), iteration);
    if (synchronized) code_.generation = after.back();
  }

  Value* Holds(const ir::Value* predicate) {
    return b_.CreateICmpNE(b_.CreateLoad(b_.getInt8Ty(), code_.PointerTo(predicate)), b_.getInt8(0));
  }

  KernelContext SharedAmong(int64_t threads) {
    return {b_, code_.target, code_.context, threads == 1 ? b_.getInt64(0) : code_.thread, threads, nullptr,
            0,  nullptr};
  }

  // Whether the host wants the end at once: i1, the same on every thread. Thread 0 looks before the barrier in front of
  // the test and says what it saw; it may be a pass ahead of another thread, never two, so there are two places.
  Value* StopNow() {
    llvm::LoadInst* stop = b_.CreateAlignedLoad(
        b_.getInt32Ty(), FieldPointer(b_, code_.context, offsetof(StepContext, stop)), llvm::Align(4));
    stop->setAtomic(llvm::AtomicOrdering::Monotonic);
    return b_.CreateICmpEQ(stop, b_.getInt32(kStopNow));
  }
  Value* WordOfThreadZero(Value* generation) {
    return b_.CreateGEP(b_.getInt32Ty(), FieldPointer(b_, code_.context, offsetof(StepContext, end_while)),
                        b_.CreateAnd(generation, b_.getInt64(1)));
  }

  // Statements that the predicate depends on, all threads look at it, then either the rest and the next pass or the
  // end.
  void While(const Statement& s, int64_t threads) {
    const ir::Region& body = *s.region;
    const auto carries = static_cast<size_t>(s.Int("carries"));
    const absl::Span<const std::unique_ptr<Statement>> statements = body.statements;
    const auto before_test = ir::DependenciesOf(body.yields[0]);
    size_t test = 0;
    for (size_t i = 0; i < statements.size(); ++i) {
      if (before_test.contains(statements[i].get())) test = i + 1;
    }
    if (threads > 1) {
      CHECK(test < statements.size() && statements[test]->op == Op::kBarrier) << "a while tests without a barrier";
      ++test;
    }
    BindCaptures(s);
    llvm::LLVMContext& llvm = b_.getContext();
    llvm::BasicBlock* before = b_.GetInsertBlock();
    llvm::BasicBlock* pass = llvm::BasicBlock::Create(llvm, "pass", code_.function);
    llvm::BasicBlock* rest = llvm::BasicBlock::Create(llvm, "rest", code_.function);
    llvm::BasicBlock* ended = llvm::BasicBlock::Create(llvm, "ended", code_.function);
    std::vector<Value*> initial;
    for (size_t i = 0; i < carries; ++i) initial.push_back(code_.PointerTo(s.operands[i]));
    b_.CreateBr(pass);
    b_.SetInsertPoint(pass);
    std::vector<llvm::PHINode*> now;
    for (size_t i = 0; i < carries; ++i) {
      now.push_back(b_.CreatePHI(b_.getPtrTy(), 2));
      now.back()->addIncoming(initial[i], before);
      code_.pointers[body.parameters[i].get()] = now.back();
    }
    llvm::PHINode* at_turn = b_.CreatePHI(b_.getInt1Ty(), 2);
    at_turn->addIncoming(b_.getFalse(), before);
    llvm::PHINode* generation = nullptr;
    if (threads > 1) {
      generation = b_.CreatePHI(b_.getInt64Ty(), 2);
      generation->addIncoming(code_.generation, before);
      code_.generation = generation;
    }
    for (size_t i = 0; i < carries; ++i) {
      code_.pointers[ir::StorageOf(body.yields[i + 1])] = PlaceOfCarry(s, i, body.yields[i + 1], at_turn);
    }
    Value* end_now = nullptr;
    if (threads > 1) {
      Statements(statements.first(test - 1), threads);
      Value* word = WordOfThreadZero(code_.generation);
      EmitIf(b_, b_.CreateICmpEQ(code_.thread, b_.getInt64(0)),
             [&] { b_.CreateStore(b_.CreateZExt(StopNow(), b_.getInt32Ty()), word); });
      code_.Barrier();
      end_now = b_.CreateICmpNE(b_.CreateLoad(b_.getInt32Ty(), word), b_.getInt32(0));
    } else {
      Statements(statements.first(test), threads);
      end_now = StopNow();
    }
    Value* generation_at_end = code_.generation;
    llvm::BasicBlock* goes_on = llvm::BasicBlock::Create(llvm, "goes_on", code_.function);
    llvm::BasicBlock* given_up = llvm::BasicBlock::Create(llvm, "given_up", code_.function);
    b_.CreateCondBr(Holds(body.yields[0]), ended, goes_on);
    b_.SetInsertPoint(goes_on);
    b_.CreateCondBr(end_now, given_up, rest, llvm::MDBuilder(llvm).createUnlikelyBranchWeights());
    b_.SetInsertPoint(given_up);
    EmitEndlessWhile(b_, code_.context, FaultSourceOf(s));
    b_.CreateBr(ended);
    b_.SetInsertPoint(rest);
    Statements(statements.subspan(test), threads);
    llvm::BasicBlock* latch = b_.GetInsertBlock();
    for (size_t i = 0; i < carries; ++i) now[i]->addIncoming(code_.PointerTo(body.yields[i + 1]), latch);
    at_turn->addIncoming(b_.CreateNot(at_turn), latch);
    if (generation != nullptr) generation->addIncoming(code_.generation, latch);
    b_.CreateBr(pass);
    b_.SetInsertPoint(ended);
    code_.generation = generation_at_end;
    for (size_t i = 0; i < carries; ++i) {
      Value* place = code_.PointerTo(s.results[i].get());
      EmitIf(b_, b_.CreateICmpNE(now[i], place), [&] {
        KernelContext kernel = SharedAmong(threads);
        EmitCopy(kernel, s.results[i]->type.bytes().value(), now[i], place);
      });
    }
  }

  void Branch(const Statement& s, int64_t threads) {
    const ir::Region& body = *s.region;
    llvm::LLVMContext& llvm = b_.getContext();
    llvm::BasicBlock* taken = llvm::BasicBlock::Create(llvm, "taken", code_.function);
    llvm::BasicBlock* skipped = llvm::BasicBlock::Create(llvm, "skipped", code_.function);
    llvm::BasicBlock* joined = llvm::BasicBlock::Create(llvm, "joined", code_.function);
    BindCaptures(s);
    std::vector<Value*> places;
    for (size_t i = 0; i < s.results.size(); ++i) {
      places.push_back(code_.PointerTo(s.results[i].get()));
      code_.pointers[ir::StorageOf(body.yields[i])] = places[i];
    }
    b_.CreateCondBr(Holds(s.operands[0]), taken, skipped);
    Value* generation_before = code_.generation;
    b_.SetInsertPoint(taken);
    Statements(body.statements, threads);
    llvm::BasicBlock* taken_end = b_.GetInsertBlock();
    Value* generation_taken = code_.generation;
    b_.CreateBr(joined);
    b_.SetInsertPoint(skipped);
    for (size_t i = 0; i < s.results.size(); ++i) {
      KernelContext kernel = SharedAmong(threads);
      EmitZeros(kernel, s.results[i]->type.bytes().value(), places[i]);
    }
    llvm::BasicBlock* skipped_end = b_.GetInsertBlock();
    b_.CreateBr(joined);
    b_.SetInsertPoint(joined);
    if (threads == 1) return;
    llvm::PHINode* generation = b_.CreatePHI(b_.getInt64Ty(), 2);
    generation->addIncoming(generation_taken, taken_end);
    generation->addIncoming(generation_before, skipped_end);
    code_.generation = generation;
  }

  int FaultSourceOf(const Statement& s) {
    const std::string name = s.result()->name;
    for (size_t i = 0; i < code_.entry.sources.size(); ++i) {
      const FaultSource& known = code_.entry.sources[i];
      if (known.name == name && known.note.SamePosition(s.note)) return static_cast<int>(i);
    }
    code_.entry.sources.push_back({std::string(ir::Info(s.op).mnemonic), name, s.note});
    return static_cast<int>(code_.entry.sources.size()) - 1;
  }

  // Calls the kernel of a statement on `threads` threads, making it first if there is none of its structure.
  void Call(const Statement& s, int64_t threads) {
    std::vector<Value*> arguments = {code_.context, threads == 1 ? b_.getInt64(0) : code_.thread, code_.scratch};
    for (const ir::Value* operand : s.operands) arguments.push_back(code_.PointerTo(operand));
    for (const auto& result : s.results) arguments.push_back(code_.PointerTo(result.get()));
    std::string key = absl::StrCat(KernelKey(s), " threads ", threads);
    if (MayFault(s)) absl::StrAppend(&key, " in ", code_.graph.name);  // it reports a number of this entry's list
    std::vector<bool> updates;
    for (const auto& result : s.results) {
      updates.push_back(code_.params.contains(result.get()));
      if (updates.back()) absl::StrAppend(&key, " updates ", updates.size());
    }
    const bool any = std::find(updates.begin(), updates.end(), true) != updates.end();
    if (any) arguments.push_back(b_.CreateAdd(code_.finished, b_.getInt64(1)));
    llvm::Function*& kernel = code_.kernels[key];
    if (kernel == nullptr) kernel = MakeKernel(s, threads, arguments, std::move(updates), any);
    b_.CreateCall(kernel, arguments);
  }

  llvm::Function* MakeKernel(const Statement& s, int64_t threads, const std::vector<Value*>& arguments,
                             std::vector<bool> updates, bool any_update) {
    std::vector<llvm::Type*> types;
    for (Value* a : arguments) types.push_back(a->getType());
    const std::string name = absl::StrCat("kernel.", ir::Info(s.op).mnemonic, ".", code_.kernels.size());
    llvm::Function* f = llvm::Function::Create(llvm::FunctionType::get(b_.getVoidTy(), types, false),
                                               llvm::Function::InternalLinkage, name, code_.module);
    SetTargetAttributes(code_.target, *f);
    Builder b(llvm::BasicBlock::Create(b_.getContext(), "entry", f));
    KernelContext kernel{b,
                         code_.target,
                         f->getArg(0),
                         threads == 1 ? b.getInt64(0) : static_cast<Value*>(f->getArg(1)),
                         threads,
                         f->getArg(2),
                         code_.scratch_bytes,
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

  EntryCode& code_;
  Builder& b_ = code_.b;
};

}  // namespace

void EmitBody(EntryCode& code) { BodyEmitter(code).Statements(code.graph.body.statements, code.threads); }

}  // namespace gradus::codegen
