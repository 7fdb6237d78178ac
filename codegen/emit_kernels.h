// One function a kind of kernel: each emits the share of `kernel.thread` at the builder and leaves it where code goes
// on. Pointers are those of the statement's operands and results, in order. Barriers are the caller's.
#pragma once

#include "codegen/region_code.h"

namespace gradus::codegen {

using Pointers = absl::Span<llvm::Value* const>;

// Regions (ir/region.h). kLoop: elementwise statements over one space.
void EmitLoopRegion(RegionCode& code);
// kRow and kReduction.
void EmitReducingRegion(RegionCode& code);
// kContraction: the microkernel of codegen/contraction.h with the region's statements as its epilogue.
void EmitContractionRegion(RegionCode& code, Pointers operands, Pointers results);
// Scratch that it needs in each thread.
int64_t ContractionScratchOf(RegionCode& code);

// Structural operations that are no region.
void EmitConcat(KernelContext& kernel, const ir::Statement& statement, Pointers operands, Pointers results);
void EmitPad(KernelContext& kernel, const ir::Statement& statement, Pointers operands, Pointers results);
void EmitArgSort(KernelContext& kernel, const ir::Statement& statement, Pointers operands, Pointers results);
// Scratch that a sort needs in each thread.
int64_t SortScratchBytes(const ir::Statement& statement);
void EmitScatterAdd(KernelContext& kernel, const ir::Statement& statement, Pointers operands, Pointers results);
void EmitConvolution(KernelContext& kernel, const ir::Statement& statement, Pointers operands, Pointers results);
void EmitConvolutionWeights(KernelContext& kernel, const ir::Statement& statement, Pointers operands, Pointers results);
void EmitWindowSum(KernelContext& kernel, const ir::Statement& statement, Pointers operands, Pointers results);
void EmitWindowMax(KernelContext& kernel, const ir::Statement& statement, Pointers operands, Pointers results);
void EmitWindowArgMax(KernelContext& kernel, const ir::Statement& statement, Pointers operands, Pointers results);
// `bytes` from *from to *to, which do not overlap.
void EmitCopy(KernelContext& kernel, int64_t bytes, llvm::Value* from, llvm::Value* to);
// `bytes` of zeros.
void EmitZeros(KernelContext& kernel, int64_t bytes, llvm::Value* to);

// A statement of any other operation than Barrier, loops, branches and declarations: as a region where it is one.
void EmitKernel(KernelContext& kernel, const ir::Statement& statement, Pointers operands, Pointers results);
// Scratch of the kernel in each thread, beside the arena.
int64_t KernelScratchBytes(const ir::Statement& statement, const ir::Target& target);

// This thread's share [begin, end) of `count` units that start at multiples of `unit`.
struct Share {
  llvm::Value* begin;
  llvm::Value* end;
};
Share ShareOf(KernelContext& kernel, int64_t count, int64_t unit);
// The first `valid` of `lanes` lanes.
llvm::Value* FirstLanes(Builder& b, int lanes, int64_t valid);

}  // namespace gradus::codegen
