// Scratch of the native code of convolutions: pure functions of their shape, so that the memory plan knows what it may
// not see.
#pragma once

#include "ir/convolution.h"
#include "ir/target.h"

namespace gradus::ir {

// Whether each panel of the windows of a convolution is first copied next to each other: 1.2 to 2 times as fast where
// its rows lie far apart, which is hard on the TLB and the sets of the caches, and there are outputs enough to share
// the copy.
bool PacksWindows(DType type, const Convolution& shape);

// Of each thread: the copy.
int64_t ConvolutionScratchBytes(DType type, const Convolution& shape, const Target& target);
// Of each thread: the sums of every slice.
int64_t ConvolutionWeightsScratchBytes(DType type, const Convolution& shape, int64_t slices);
// Of a verified Convolution or ConvolutionWeights.
int64_t ConvolutionScratchBytes(const Statement& statement, const Target& target);

}  // namespace gradus::ir
