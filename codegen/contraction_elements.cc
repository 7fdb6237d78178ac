// A contraction one element at a time: the fallback of every shape and stride.
#include "codegen/contraction_emit.h"
#include "codegen/control.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

class ElementEmitter {
 public:
  explicit ElementEmitter(const ContractionJob& job)
      : job_(job), builder_(job.context.builder), element_(ElementType(builder_, job.spec.type)) {}

  void Emit() {
    std::vector<ContractionLoop> free = job_.loops.outer;
    free.push_back(job_.loops.row);
    free.push_back(job_.loops.column);
    int64_t elements = 1;
    for (const ContractionLoop& loop : free) elements *= loop.extent;
    EmitShare(job_.context, elements, job_.loops.blocking.one_thread, [&](Value* first, Value* last) {
      EmitFor(builder_, first, last, 1, [&](Value* flat) {
        const std::vector<Value*> indices = EmitIndices(builder_, free, flat);
        Value* a = EmitOffsets(builder_, free, indices, [](const ContractionLoop& l) { return l.a; });
        Value* b = EmitOffsets(builder_, free, indices, [](const ContractionLoop& l) { return l.b; });
        Value* finished =
            Finish(EmitAdvance(builder_, job_.spec.type, job_.a, a), EmitAdvance(builder_, job_.spec.type, job_.b, b));
        std::vector<Value*> offsets;
        for (int o = 0; o < job_.spec.outputs; ++o) {
          offsets.push_back(
              EmitOffsets(builder_, free, indices, [o](const ContractionLoop& l) { return l.outputs[o]; }));
        }
        const std::vector<int64_t> steps(job_.spec.outputs, 0);
        job_.epilogue({builder_, finished, 1, nullptr, offsets, steps});
      });
    });
  }

 private:
  Value* Finish(Value* a, Value* b) {
    std::vector<ContractionLoop> contracted = job_.loops.contracted_outer;
    contracted.push_back(job_.loops.contracted);
    int64_t terms = 1;
    for (const ContractionLoop& loop : contracted) terms *= loop.extent;
    Value* sum = nullptr;
    for (int64_t slice = 0; slice < job_.spec.slices; ++slice) {
      const auto [begin, end] = SliceOf(terms, job_.spec.slices, slice);
      Value* chain = Chain(a, b, contracted, begin, end);
      sum = sum == nullptr ? chain : Add(sum, chain);
    }
    return sum;
  }

  Value* Add(Value* x, Value* y) {
    return x->getType()->isIntOrIntVectorTy() ? builder_.CreateAdd(x, y) : builder_.CreateFAdd(x, y);
  }

  Value* Load(const std::vector<ContractionLoop>& contracted, const std::vector<Value*>& indices, bool left, Value* p) {
    Value* offset =
        EmitOffsets(builder_, contracted, indices, [left](const ContractionLoop& l) { return left ? l.a : l.b; });
    return builder_.CreateAlignedLoad(element_, EmitAdvance(builder_, job_.spec.type, p, offset),
                                      llvm::Align(ir::ByteWidth(job_.spec.type)));
  }

  Value* Chain(Value* a, Value* b, const std::vector<ContractionLoop>& contracted, int64_t begin, int64_t end) {
    auto term = [&](Value* k, Value* sum) {
      const std::vector<Value*> indices = EmitIndices(builder_, contracted, k);
      return EmitMultiplyAdd(builder_, job_.context.target, Load(contracted, indices, true, a),
                             Load(contracted, indices, false, b), sum);
    };
    return EmitForCarrying(builder_, builder_.getInt64(begin), builder_.getInt64(end), 1,
                           {llvm::Constant::getNullValue(element_)},
                           [&](Value* k, const Carried& carried) { return Carried{term(k, carried[0])}; })[0];
  }

  const ContractionJob& job_;
  llvm::IRBuilder<>& builder_;
  llvm::Type* element_;
};

}  // namespace

void EmitElements(const ContractionJob& job) { ElementEmitter(job).Emit(); }

}  // namespace gradus::codegen
