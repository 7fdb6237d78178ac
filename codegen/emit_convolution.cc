// Statements of convolutions and window sums, by the shared tiles of codegen/convolution.h.
#include "codegen/convolution.h"
#include "codegen/emit_kernels.h"
#include "ir/check.h"
#include "ir/convolution_scratch.h"
#include "ir/order.h"

namespace gradus::codegen {
namespace {

ContractionContext ContextOf(KernelContext& kernel) {
  return {kernel.builder, kernel.target, kernel.thread, kernel.builder.getInt64(static_cast<uint64_t>(kernel.threads)),
          kernel.scratch};
}

ConvolutionSpec SpecOf(const ir::Statement& s) {
  const bool weights = s.op == ir::Op::kConvolutionWeights;
  return {s.result()->type.element, ir::ConvolutionOf(s), weights ? ir::OrderOfContraction(s).slices : 1};
}

}  // namespace

void EmitConvolution(KernelContext& kernel, const ir::Statement& s, Pointers operands, Pointers results) {
  CHECK(ir::ConvolutionScratchBytes(s, kernel.target) <= kernel.scratch_bytes) << "more scratch than was counted";
  EmitConvolution(ContextOf(kernel), SpecOf(s), operands[0], operands[1], results[0]);
}

void EmitConvolutionWeights(KernelContext& kernel, const ir::Statement& s, Pointers operands, Pointers results) {
  CHECK(ir::ConvolutionScratchBytes(s, kernel.target) <= kernel.scratch_bytes) << "more scratch than was counted";
  EmitConvolutionWeights(ContextOf(kernel), SpecOf(s), operands[0], operands[1], results[0]);
}

void EmitWindowSum(KernelContext& kernel, const ir::Statement& s, Pointers operands, Pointers results) {
  ConvolutionSpec spec{s.result()->type.element, {}};
  spec.shape.axes = ir::WindowAxesOf(s);
  spec.shape.batch = s.result()->type.shape.front();
  spec.shape.groups = s.result()->type.shape.back();
  EmitWindowSums(ContextOf(kernel), spec, operands[0], results[0]);
}

}  // namespace gradus::codegen
