// A contraction one element at a time: the fallback of bands and of operands in panels that no tile serves.
#include "codegen/contraction_band.h"
#include "codegen/contraction_emit.h"
#include "codegen/control.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

class ElementEmitter {
 public:
  explicit ElementEmitter(const ContractionJob& job)
      : job_(job),
        builder_(job.context.builder),
        element_(ElementType(builder_, job.spec.type)),
        free_(job.loops.outer),
        contracted_(job.loops.contracted_outer) {
    free_.push_back(job_.loops.row);
    free_.push_back(job_.loops.column);
    contracted_.push_back(job_.loops.contracted);
  }

  void Emit() {
    int64_t elements = 1;
    for (const ContractionLoop& loop : free_) elements *= loop.extent;
    EmitShare(job_.context, elements, job_.loops.blocking.one_thread, [&](Value* first, Value* last) {
      EmitFor(builder_, first, last, 1, [&](Value* flat) {
        const std::vector<Value*> indices = EmitIndices(builder_, free_, flat);
        Value* a = EmitOffsets(builder_, free_, indices, [](const ContractionLoop& l) { return l.a; });
        Value* b = EmitOffsets(builder_, free_, indices, [](const ContractionLoop& l) { return l.b; });
        if (job_.spec.banded()) band_ = EmitSides(builder_, free_, indices);
        Value* finished =
            Finish(EmitAdvance(builder_, job_.spec.type, job_.a, a), EmitAdvance(builder_, job_.spec.type, job_.b, b));
        std::vector<Value*> offsets;
        for (int o = 0; o < job_.spec.outputs; ++o) {
          offsets.push_back(
              EmitOffsets(builder_, free_, indices, [o](const ContractionLoop& l) { return l.outputs[o]; }));
        }
        const std::vector<int64_t> steps(job_.spec.outputs, 0);
        job_.epilogue({builder_, finished, 1, nullptr, offsets, steps});
      });
    });
  }

 private:
  Value* Finish(Value* a, Value* b) {
    int64_t terms = 1;
    for (const ContractionLoop& loop : contracted_) terms *= loop.extent;
    Value* sum = nullptr;
    for (int64_t slice = 0; slice < job_.spec.slices; ++slice) {
      const auto [begin, end] = SliceOf(terms, job_.spec.slices, slice);
      Value* chain = Chain(a, b, begin, end);
      sum = sum == nullptr ? chain : Add(sum, chain);
    }
    return sum;
  }

  Value* Add(Value* x, Value* y) {
    return x->getType()->isIntOrIntVectorTy() ? builder_.CreateAdd(x, y) : builder_.CreateFAdd(x, y);
  }

  // Whether the term at these indices of the contracted axes exists.
  Value* Exists(const std::vector<Value*>& indices) {
    Value* sum = IndexAdd(builder_, band_, EmitSides(builder_, contracted_, indices));
    return builder_.CreateAnd(builder_.CreateICmpSGE(sum, builder_.getInt64(job_.spec.lower)),
                              builder_.CreateICmpSLE(sum, builder_.getInt64(job_.spec.upper)));
  }

  Value* Load(const std::vector<Value*>& indices, bool left, Value* p) {
    Value* offset =
        EmitOffsets(builder_, contracted_, indices, [left](const ContractionLoop& l) { return left ? l.a : l.b; });
    return builder_.CreateAlignedLoad(element_, EmitAdvance(builder_, job_.spec.type, p, offset),
                                      llvm::Align(ir::ByteWidth(job_.spec.type)));
  }

  Value* Chain(Value* a, Value* b, int64_t begin, int64_t end) {
    auto term = [&](Value* k, Value* sum) {
      const std::vector<Value*> indices = EmitIndices(builder_, contracted_, k);
      Value* next =
          EmitMultiplyAdd(builder_, job_.context.target, Load(indices, true, a), Load(indices, false, b), sum);
      return job_.spec.banded() ? builder_.CreateSelect(Exists(indices), next, sum) : next;
    };
    return EmitForCarrying(builder_, builder_.getInt64(begin), builder_.getInt64(end), 1,
                           {llvm::Constant::getNullValue(element_)},
                           [&](Value* k, const Carried& carried) { return Carried{term(k, carried[0])}; })[0];
  }

  const ContractionJob& job_;
  llvm::IRBuilder<>& builder_;
  llvm::Type* element_;
  std::vector<ContractionLoop> free_, contracted_;
  Value* band_ = nullptr;  // the sum of sides over the free axes
};

}  // namespace

void EmitElements(const ContractionJob& job) { ElementEmitter(job).Emit(); }

}  // namespace gradus::codegen
