// Maxima of windows: vectors over the channels, threads over the windows.
#include "codegen/elementwise.h"
#include "codegen/emit_kernels.h"
#include "codegen/index_arithmetic.h"
#include "codegen/window_loops.h"

namespace gradus::codegen {
namespace {

using ir::DType;
using ir::Op;
using ir::Statement;
using llvm::Value;

class WindowEmitter {
 public:
  WindowEmitter(KernelContext& kernel, const Statement& s, Pointers operands, Pointers results)
      : kernel_(kernel),
        b_(kernel.builder),
        axes_(ir::WindowAxesOf(s)),
        x_(operands[0]),
        y_(results[0]),
        type_(s.operands[0]->type.element),
        result_type_(s.result()->type.element),
        channels_(s.result()->type.shape.back()),
        windows_(s.result()->type.elements().value() / channels_) {
    for (const ir::WindowAxis& axis : axes_) inputs_ *= axis.input;
  }

  // Each element of the result is the first of `initial(lanes)` carried through body(x, its index in the example,
  // values, lanes) over the elements of its window, or the last of them.
  void Emit(const std::function<Carried(int lanes)>& initial,
            const std::function<Carried(Value* x, Value* index, const Carried&, int lanes)>& body, size_t kept) {
    const Share share = ShareOf(kernel_, windows_, 1);
    EmitFor(b_, share.begin, share.end, 1, [&](Value* index) {
      const WindowPosition position = EmitWindowPosition(b_, axes_, index);
      Value* example = IndexMultiply(b_, position.example, inputs_ * channels_);
      EmitLaneBlocks(b_, channels_, [&](Value* channel, int lanes, Value* mask) {
        const Carried last =
            EmitTaps(b_, axes_, position.window, initial(lanes), [&](Value* element, Value*, const Carried& values) {
              Value* at = IndexAdd(b_, IndexMultiply(b_, element, channels_), channel);
              Value* x = EmitLoadElements(b_, type_, Place(type_, x_, IndexAdd(b_, example, at)), lanes, mask);
              return body(x, at, values, lanes);
            });
        Value* at = IndexAdd(b_, IndexMultiply(b_, index, channels_), channel);
        EmitStoreElements(b_, result_type_, last[kept], Place(result_type_, y_, at), lanes, mask);
      });
    });
  }

  // The largest element and its index in the example, the first of equal ones and NaN before everything.
  void EmitMaximum(size_t kept) {
    const auto splat = [&](Value* v, int lanes) { return lanes == 0 ? v : b_.CreateVectorSplat(lanes, v); };
    Emit(
        [&](int lanes) {
          return Carried{llvm::Constant::getNullValue(RegisterType(b_, type_, lanes)),
                         splat(b_.getInt32(static_cast<uint32_t>(-1)), lanes)};
        },
        [&](Value* x, Value* index, const Carried& best, int lanes) {
          Value* at = splat(b_.CreateTrunc(index, b_.getInt32Ty()), lanes);
          if (lanes > 0) {
            std::vector<llvm::Constant*> steps;
            for (int lane = 0; lane < lanes; ++lane) steps.push_back(b_.getInt32(lane));
            at = b_.CreateAdd(at, llvm::ConstantVector::get(steps));
          }
          const auto is_nan = [&](Value* v) { return b_.CreateFCmpUNO(v, v); };
          Value* beats =
              b_.CreateAnd(b_.CreateOr(b_.CreateFCmpOGT(x, best[0]), is_nan(x)), b_.CreateNot(is_nan(best[0])));
          Value* first = b_.CreateICmpSLT(best[1], llvm::Constant::getNullValue(best[1]->getType()));
          Value* taken = b_.CreateOr(beats, first);
          return Carried{b_.CreateSelect(taken, x, best[0]), b_.CreateSelect(taken, at, best[1])};
        },
        kept);
  }

 private:
  Value* Place(DType type, Value* base, Value* element) {
    return ElementAt(b_, MemoryType(b_, type, 0), base, element);
  }

  KernelContext& kernel_;
  Builder& b_;
  const std::vector<ir::WindowAxis> axes_;
  Value* x_;
  Value* y_;
  DType type_, result_type_;
  int64_t channels_;
  int64_t windows_;  // of all examples
  int64_t inputs_ = 1;
};

}  // namespace

void EmitWindowMax(KernelContext& kernel, const Statement& s, Pointers operands, Pointers results) {
  WindowEmitter(kernel, s, operands, results).EmitMaximum(0);
}
void EmitWindowArgMax(KernelContext& kernel, const Statement& s, Pointers operands, Pointers results) {
  WindowEmitter(kernel, s, operands, results).EmitMaximum(1);
}

}  // namespace gradus::codegen
