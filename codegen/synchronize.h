// Barriers between the threads of a step, in instructions.
#pragma once

#include "codegen/control.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {

// Where thread number `thread` counts the barriers that it has reached: StepContext::flags[thread].reached.
llvm::Value* FlagPointer(Builder& b, llvm::Value* context, llvm::Value* thread);

// void gradus.barrier(context, thread, generation): announces that the thread has reached barrier number `generation`
// and returns when all `threads` have. Each waits for each other's flag, one transfer of a cache line deep. After
// StepContext::spins rounds it calls StepContext::wait.
llvm::Function* BarrierRoutine(llvm::Module& module, int64_t threads);

}  // namespace gradus::codegen
