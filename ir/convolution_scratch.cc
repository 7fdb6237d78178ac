#include "ir/convolution_scratch.h"

#include "ir/blocking.h"
#include "ir/order.h"

namespace gradus::ir {
namespace {

constexpr int64_t kFarApart = 512;        // bytes from row to row of the windows
constexpr int64_t kOutputsForCopy = 192;  // places of the result from which on a copy pays

}  // namespace

bool PacksWindows(DType type, const Convolution& shape) {
  return shape.groups == 1 && shape.out * ByteWidth(type) >= kFarApart &&
         shape.batch * shape.outputs() >= kOutputsForCopy;
}

int64_t ConvolutionScratchBytes(DType type, const Convolution& shape, const Target& target) {
  if (!PacksWindows(type, shape)) return 0;
  return shape.taps() * shape.in * PackedPanelColumns(type, shape.out, target) * ByteWidth(type);
}

int64_t ConvolutionWeightsScratchBytes(DType type, const Convolution& shape, int64_t slices) {
  return slices == 1 ? 0 : slices * shape.taps() * shape.in * shape.groups * shape.out * ByteWidth(type);
}

int64_t ConvolutionScratchBytes(const Statement& statement, const Target& target) {
  const DType type = statement.result()->type.element;
  if (statement.op == Op::kConvolution) return ConvolutionScratchBytes(type, ConvolutionOf(statement), target);
  return ConvolutionWeightsScratchBytes(type, ConvolutionOf(statement), OrderOfContraction(statement).slices);
}

}  // namespace gradus::ir
