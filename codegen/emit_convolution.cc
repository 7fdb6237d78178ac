// Convolutions and the gradient of their windows: vectors over the channels out, threads over the windows or the taps.
#include "codegen/elementwise.h"
#include "codegen/emit_kernels.h"
#include "codegen/index_arithmetic.h"
#include "codegen/window_loops.h"
#include "ir/order.h"

namespace gradus::codegen {
namespace {

using ir::Convolution;
using ir::DType;
using ir::Statement;
using llvm::Value;

class ConvolutionEmitter {
 public:
  ConvolutionEmitter(KernelContext& kernel, const Statement& s)
      : kernel_(kernel), b_(kernel.builder), c_(ir::ConvolutionOf(s)), type_(s.result()->type.element) {}

  void EmitForward(Value* x, Value* w, Value* y) {
    const Share share = ShareOf(kernel_, c_.batch * c_.outputs(), 1);
    EmitFor(b_, share.begin, share.end, 1, [&](Value* index) {
      const WindowPosition position = EmitWindowPosition(b_, c_.axes, index);
      Value* example = IndexMultiply(b_, position.example, c_.inputs() * channels_in());
      EmitFor(b_, b_.getInt64(0), b_.getInt64(c_.groups), 1, [&](Value* group) {
        Value* first_in = IndexAdd(b_, example, IndexMultiply(b_, group, c_.in));
        EmitLaneBlocks(b_, c_.out, [&](Value* out, int lanes, Value* mask) {
          Value* channel = IndexAdd(b_, IndexMultiply(b_, group, c_.out), out);
          const auto term = [&](Value* element, Value* tap, const Carried& sum) {
            Value* row = IndexAdd(b_, first_in, IndexMultiply(b_, element, channels_in()));
            Value* windows = IndexMultiply(b_, tap, c_.in);
            return EmitForCarrying(b_, b_.getInt64(0), b_.getInt64(c_.in), 1, sum, [&](Value* in, const Carried& c) {
              Value* at = IndexAdd(b_, IndexMultiply(b_, IndexAdd(b_, windows, in), channels_out()), channel);
              return Carried{
                  MultiplyAdd(Load(x, IndexAdd(b_, row, in), 0, nullptr), Load(w, at, lanes, mask), c[0], lanes)};
            });
          };
          const Carried sum = EmitTaps(b_, c_.axes, position.window, Zero(lanes), term);
          Store(sum[0], y, IndexAdd(b_, IndexMultiply(b_, index, channels_out()), channel), lanes, mask);
        });
      });
    });
  }

  void EmitWeights(const ir::ContractionOrder& order, Value* x, Value* g, Value* w) {
    const Share share = ShareOf(kernel_, c_.taps() * c_.in, 1);
    EmitFor(b_, share.begin, share.end, 1, [&](Value* index) {
      Value* in = IndexRemainder(b_, index, c_.in);
      std::vector<Value*> taps(c_.axes.size());
      Value* rest = IndexDivide(b_, index, c_.in);
      for (size_t i = c_.axes.size(); i-- > 0;) {
        taps[i] = IndexRemainder(b_, rest, c_.axes[i].taps);
        rest = IndexDivide(b_, rest, c_.axes[i].taps);
      }
      EmitFor(b_, b_.getInt64(0), b_.getInt64(c_.groups), 1, [&](Value* group) {
        EmitLaneBlocks(b_, c_.out, [&](Value* out, int lanes, Value* mask) {
          Value* from = IndexAdd(b_, IndexMultiply(b_, group, c_.in), in);
          Value* channel = IndexAdd(b_, IndexMultiply(b_, group, c_.out), out);
          const auto chain = [&](Value* begin, Value* end) {
            return EmitForCarrying(b_, begin, end, 1, Zero(lanes), [&](Value* term, const Carried& sum) {
              return Term(taps, term, from, channel, x, g, lanes, mask, sum);
            })[0];
          };
          const int64_t terms = c_.batch * c_.outputs(), length = std::min(order.slice_length, terms);
          Value* first = chain(b_.getInt64(0), b_.getInt64(length));
          const Carried sum = EmitForCarrying(
              b_, b_.getInt64(length), b_.getInt64(terms), length, {first}, [&](Value* begin, const Carried& before) {
                Value* end = IndexMin(b_, IndexAdd(b_, begin, b_.getInt64(length)), b_.getInt64(terms));
                return Carried{b_.CreateFAdd(before[0], chain(begin, end))};
              });
          Store(sum[0], w, IndexAdd(b_, IndexMultiply(b_, index, channels_out()), channel), lanes, mask);
        });
      });
    });
  }

 private:
  // One term of the sum over examples and windows: none where the tap sees no element.
  Carried Term(absl::Span<Value* const> taps, Value* term, Value* from, Value* channel, Value* x, Value* g, int lanes,
               Value* mask, const Carried& sum) {
    const WindowPosition position = EmitWindowPosition(b_, c_.axes, term);
    Value* exists = b_.getTrue();
    Value* element = position.example;
    for (size_t i = 0; i < c_.axes.size(); ++i) {
      const WindowSource source = EmitWindowSource(b_, c_.axes[i], position.window[i], taps[i]);
      exists = b_.CreateAnd(exists, source.exists);
      element = IndexAdd(b_, IndexMultiply(b_, element, c_.axes[i].input), source.element);
    }
    return EmitIfCarrying(b_, exists, sum, [&] {
      Value* at = IndexAdd(b_, IndexMultiply(b_, element, channels_in()), from);
      Value* adjoint = IndexAdd(b_, IndexMultiply(b_, term, channels_out()), channel);
      return Carried{MultiplyAdd(Load(x, at, 0, nullptr), Load(g, adjoint, lanes, mask), sum[0], lanes)};
    });
  }

  int64_t channels_in() const { return c_.groups * c_.in; }
  int64_t channels_out() const { return c_.groups * c_.out; }

  Carried Zero(int lanes) { return {llvm::Constant::getNullValue(RegisterType(b_, type_, lanes))}; }
  Value* Load(Value* base, Value* element, int lanes, Value* mask) {
    return EmitLoadElements(b_, type_, ElementAt(b_, MemoryType(b_, type_, 0), base, element), lanes, mask);
  }
  void Store(Value* value, Value* base, Value* element, int lanes, Value* mask) {
    EmitStoreElements(b_, type_, value, ElementAt(b_, MemoryType(b_, type_, 0), base, element), lanes, mask);
  }
  Value* MultiplyAdd(Value* one, Value* vector, Value* sum, int lanes) {
    Value* all = lanes == 0 ? one : b_.CreateVectorSplat(lanes, one);
    return EmitElementwise(b_, kernel_.target, ir::Op::kFma, type_, type_, {all, vector, sum}, lanes);
  }

  KernelContext& kernel_;
  Builder& b_;
  const Convolution c_;
  DType type_;
};

}  // namespace

void EmitConvolution(KernelContext& kernel, const Statement& s, Pointers operands, Pointers results) {
  ConvolutionEmitter(kernel, s).EmitForward(operands[0], operands[1], results[0]);
}

void EmitConvolutionWeights(KernelContext& kernel, const Statement& s, Pointers operands, Pointers results) {
  ConvolutionEmitter(kernel, s).EmitWeights(ir::OrderOfContraction(s), operands[0], operands[1], results[0]);
}

}  // namespace gradus::codegen
