// Emits convolutions, x * w -> y, and the product for the weights, x * g -> w, without im2col and without copies for
// padding. Channels stand last everywhere; what a window sees is ir/convolution.h.
//
// Both are contractions whose rows and terms lie at regular steps once the windows are sorted: along each axis, those
// under which the same taps stand on elements form runs (codegen/convolution_runs.h), and in a box of runs no term is
// padding. So edges, dilation and holes cost no test and no branch inside, and a tile is one microkernel
// (contraction_tile.h) whose rows are windows of one box, a step apart along whichever axis serves best.
//
// The tiles are internal functions of the module that read their steps and counts from a table: convolutions of any
// shape share them.
#pragma once

#include "codegen/contraction.h"
#include "ir/convolution.h"

namespace gradus::codegen {

struct ConvolutionSpec {
  ir::DType type = ir::DType::kF32;
  ir::Convolution shape;
  int64_t slices = 1;  // of the windows summed for the weights, as ir/order.h divides them
};

// Each uses the scratch that ir/convolution_scratch.h says.
//
// y from x and w: one chain of multiply-adds an element, over the taps, then the channels of the group.
void EmitConvolution(const ContractionContext& context, const ConvolutionSpec& spec, llvm::Value* x, llvm::Value* w,
                     llvm::Value* y);

// The sum of each window of x, channel by channel: groups = channels, in = out = 1.
void EmitWindowSums(const ContractionContext& context, const ConvolutionSpec& spec, llvm::Value* x, llvm::Value* y);

// w from x and the adjoint g of y: sums over images and windows.
void EmitConvolutionWeights(const ContractionContext& context, const ConvolutionSpec& spec, llvm::Value* x,
                            llvm::Value* g, llvm::Value* w);

}  // namespace gradus::codegen
