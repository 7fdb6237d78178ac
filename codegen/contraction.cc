#include "codegen/contraction.h"

#include "codegen/contraction_emit.h"
#include "codegen/control.h"
#include "codegen/index_arithmetic.h"
#include "codegen/masked_store.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

void Emit(const ContractionContext& context, const ContractionSpec& spec, Value* a, Value* b, const Epilogue& epilogue,
          Value* c) {
  const ContractionLoops loops = Normalize(spec, context.target, c != nullptr);
  if (loops.swapped) std::swap(a, b);
  const ContractionJob job{context, spec, loops, a, b, epilogue, loops.blocking.block_tiles == 0 ? c : nullptr};
  if (loops.method == ContractionMethod::kTiles) {
    EmitTiles(job);
  } else if (loops.method == ContractionMethod::kInline) {
    EmitInline(job);
  } else if (loops.method == ContractionMethod::kLanes) {
    EmitLanes(job);
  } else {
    EmitElements(job);
  }
}

}  // namespace

void EmitContraction(const ContractionContext& context, const ContractionSpec& spec, Value* a, Value* b,
                     const Epilogue& epilogue) {
  Emit(context, spec, a, b, epilogue, nullptr);
}

void EmitContraction(const ContractionContext& context, const ContractionSpec& spec, Value* a, Value* b, Value* c) {
  CHECK(spec.outputs == 1) << "a plain store has one output";
  const Epilogue store = [&](const FinishedVector& finished) {
    llvm::IRBuilder<>& builder = finished.builder;
    const llvm::Align align(ir::ByteWidth(spec.type));
    llvm::Type* element = finished.value->getType()->getScalarType();
    Value* pointer = EmitAdvance(builder, spec.type, c, finished.offsets[0]);
    if (finished.lanes > 1 && finished.steps[0] != 1) {
      for (int lane = 0; lane < finished.lanes; ++lane) {
        Value* valid = finished.mask == nullptr ? builder.getTrue()
                                                : builder.CreateExtractElement(finished.mask, builder.getInt64(lane));
        EmitIf(builder, valid, [&] {
          builder.CreateAlignedStore(builder.CreateExtractElement(finished.value, builder.getInt64(lane)),
                                     builder.CreateGEP(element, pointer, builder.getInt64(lane * finished.steps[0])),
                                     align);
        });
      }
    } else if (finished.mask != nullptr) {
      EmitMaskedStore(builder, finished.value, pointer, align, finished.mask);
    } else {
      builder.CreateAlignedStore(finished.value, pointer, align);
    }
  };
  Emit(context, spec, a, b, store, c);
}

int64_t ContractionScratchBytes(const ContractionSpec& spec, const ir::Target& target, bool has_epilogue) {
  const ContractionLoops loops = Normalize(spec, target, !has_epilogue);
  return loops.method == ContractionMethod::kTiles ? loops.blocking.scratch_bytes() : 0;
}

void EmitShare(const ContractionContext& context, int64_t items, bool one_thread,
               const std::function<void(Value*, Value*)>& body) {
  llvm::IRBuilder<>& builder = context.builder;
  Value* all = builder.getInt64(items);
  if (one_thread || items == 1) {
    EmitIf(builder, builder.CreateICmpEQ(context.thread, builder.getInt64(0)), [&] { body(builder.getInt64(0), all); });
    return;
  }
  Value* next = builder.CreateNSWAdd(context.thread, builder.getInt64(1));
  Value* first = builder.CreateUDiv(builder.CreateNSWMul(all, context.thread), context.threads);
  Value* last = builder.CreateUDiv(builder.CreateNSWMul(all, next), context.threads);
  body(first, last);
}

std::vector<Value*> EmitIndices(llvm::IRBuilder<>& builder, const std::vector<ContractionLoop>& loops, Value* flat) {
  std::vector<Value*> indices(loops.size());
  for (size_t i = loops.size(); i-- > 0;) {
    indices[i] = i == 0 ? flat : IndexRemainder(builder, flat, loops[i].extent);
    if (i > 0) flat = IndexDivide(builder, flat, loops[i].extent);
  }
  return indices;
}

Value* EmitAdvance(llvm::IRBuilder<>& builder, ir::DType type, Value* pointer, Value* elements) {
  return ElementAt(builder, ElementType(builder, type), pointer, elements);
}

}  // namespace gradus::codegen
