#include "codegen/contraction_tile.h"

#include "absl/strings/str_cat.h"
#include "codegen/counted_loop.h"
#include "codegen/software_fma.h"
#include "codegen/target_machine.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

llvm::Type* VectorType(llvm::IRBuilder<>& builder, const Tile& tile) {
  llvm::Type* element = ElementType(builder, tile.type);
  return tile.lanes == 1 ? element : llvm::FixedVectorType::get(element, static_cast<unsigned>(tile.lanes));
}

Value* At(llvm::IRBuilder<>& builder, Value* pointer, Value* bytes) {
  return builder.CreateGEP(builder.getInt8Ty(), pointer, bytes);
}

Value* LoadVector(llvm::IRBuilder<>& builder, const Tile& tile, Value* pointer, Value* mask) {
  llvm::Type* type = VectorType(builder, tile);
  const llvm::Align align(ir::ByteWidth(tile.type));
  if (mask == nullptr) return builder.CreateAlignedLoad(type, pointer, align);
  return builder.CreateMaskedLoad(type, pointer, align, mask, llvm::Constant::getNullValue(type));
}

// One term: every accumulator gets its product.
void EmitTerm(llvm::IRBuilder<>& builder, const ir::Target& target, const Tile& tile, const TileOperands& operands,
              Value* a, Value* b, absl::Span<Value*> accumulators) {
  const int64_t vector_bytes = tile.lanes * ir::ByteWidth(tile.type);
  std::vector<Value*> right;
  for (int64_t v = 0; v < tile.vectors; ++v) {
    Value* pointer = At(builder, b, builder.getInt64(v * vector_bytes));
    right.push_back(LoadVector(builder, tile, pointer, v + 1 == tile.vectors ? operands.mask : nullptr));
  }
  llvm::Type* element = ElementType(builder, tile.type);
  for (int64_t r = 0; r < tile.rows; ++r) {
    Value* pointer = r == 0 ? a : At(builder, a, builder.CreateNSWMul(operands.a_row, builder.getInt64(r)));
    Value* left = builder.CreateAlignedLoad(element, pointer, llvm::Align(ir::ByteWidth(tile.type)));
    if (tile.lanes > 1) left = builder.CreateVectorSplat(static_cast<unsigned>(tile.lanes), left);
    for (int64_t v = 0; v < tile.vectors; ++v) {
      Value*& accumulator = accumulators[r * tile.vectors + v];
      accumulator = EmitMultiplyAdd(builder, target, left, right[v], accumulator);
    }
  }
}

}  // namespace

llvm::Type* ElementType(llvm::IRBuilder<>& builder, ir::DType type) {
  switch (type) {
    case ir::DType::kBool:
    case ir::DType::kU8:
      return builder.getInt8Ty();
    case ir::DType::kI32:
      return builder.getInt32Ty();
    case ir::DType::kI64:
      return builder.getInt64Ty();
    case ir::DType::kF32:
      return builder.getFloatTy();
    case ir::DType::kF64:
      break;
  }
  return builder.getDoubleTy();
}

Value* EmitMultiplyAdd(llvm::IRBuilder<>& builder, const ir::Target& target, Value* a, Value* b, Value* accumulator) {
  llvm::Type* type = a->getType();
  if (type->isIntOrIntVectorTy()) return builder.CreateAdd(builder.CreateMul(a, b), accumulator);
  return EmitFma(builder, target, a, b, accumulator);
}

Value* EmitLaneMask(llvm::IRBuilder<>& builder, int64_t lanes, Value* valid) {
  // Compared as i32: vectors of i64 would take twice the registers.
  std::vector<llvm::Constant*> indices;
  for (int64_t lane = 0; lane < lanes; ++lane) indices.push_back(builder.getInt32(static_cast<uint32_t>(lane)));
  Value* limit =
      builder.CreateVectorSplat(static_cast<unsigned>(lanes), builder.CreateTrunc(valid, builder.getInt32Ty()));
  return builder.CreateICmpSLT(llvm::ConstantVector::get(indices), limit);
}

std::vector<Value*> EmitTile(llvm::IRBuilder<>& builder, const ir::Target& target, const Tile& tile,
                             const TileOperands& operands, const std::vector<Value*>& initial, int64_t unroll) {
  std::vector<Value*> accumulators = initial;
  if (accumulators.empty()) {
    accumulators.assign(tile.rows * tile.vectors, llvm::Constant::getNullValue(VectorType(builder, tile)));
  }
  const auto* known = llvm::dyn_cast<llvm::ConstantInt>(operands.contracted);
  if (known != nullptr && known->getSExtValue() <= unroll) {
    for (int64_t k = 0; k < known->getSExtValue(); ++k) {
      Value* a = At(builder, operands.a, builder.CreateNSWMul(operands.a_k, builder.getInt64(k)));
      Value* b = At(builder, operands.b, builder.CreateNSWMul(operands.b_k, builder.getInt64(k)));
      EmitTerm(builder, target, tile, operands, a, b, absl::MakeSpan(accumulators));
    }
    return accumulators;
  }
  llvm::Function* function = builder.GetInsertBlock()->getParent();
  llvm::BasicBlock* before = builder.GetInsertBlock();
  llvm::BasicBlock* loop = llvm::BasicBlock::Create(builder.getContext(), "k", function);
  llvm::BasicBlock* after = llvm::BasicBlock::Create(builder.getContext(), "k_after", function);
  builder.CreateBr(loop);
  builder.SetInsertPoint(loop);
  llvm::PHINode* left = builder.CreatePHI(builder.getInt64Ty(), 2);
  llvm::PHINode* a = builder.CreatePHI(builder.getPtrTy(), 2);
  llvm::PHINode* b = builder.CreatePHI(builder.getPtrTy(), 2);
  left->addIncoming(operands.contracted, before);
  a->addIncoming(operands.a, before);
  b->addIncoming(operands.b, before);
  std::vector<llvm::PHINode*> phis;
  for (Value*& accumulator : accumulators) {
    phis.push_back(builder.CreatePHI(accumulator->getType(), 2));
    phis.back()->addIncoming(accumulator, before);
    accumulator = phis.back();
  }
  EmitTerm(builder, target, tile, operands, a, b, absl::MakeSpan(accumulators));
  Value* next_left = builder.CreateNSWSub(left, builder.getInt64(1));
  Value* next_a = At(builder, a, operands.a_k);
  Value* next_b = At(builder, b, operands.b_k);
  llvm::BasicBlock* end = builder.GetInsertBlock();
  builder.CreateCondBr(builder.CreateICmpNE(next_left, builder.getInt64(0)), loop, after);
  left->addIncoming(next_left, end);
  a->addIncoming(next_a, end);
  b->addIncoming(next_b, end);
  for (size_t i = 0; i < phis.size(); ++i) phis[i]->addIncoming(accumulators[i], end);
  builder.SetInsertPoint(after);
  return accumulators;
}

llvm::Function* TileFunction(llvm::Module& module, const ir::Target& target, const Tile& tile, bool masked,
                             bool b_padded, bool c_padded) {
  const std::string name =
      absl::StrCat("contraction_", std::string(ir::Name(tile.type)), "_", tile.rows, "x", tile.vectors * tile.lanes,
                   masked ? absl::StrCat("_masked", b_padded ? "" : "_b", c_padded ? "" : "_c") : "");
  if (llvm::Function* existing = module.getFunction(name)) return existing;
  llvm::LLVMContext& context = module.getContext();
  llvm::IRBuilder<> builder(context);
  llvm::SmallVector<llvm::Type*, 11> parameters(3, builder.getPtrTy());
  parameters.append(8, builder.getInt64Ty());
  auto* function = llvm::Function::Create(llvm::FunctionType::get(builder.getVoidTy(), parameters, false),
                                          llvm::Function::InternalLinkage, name, &module);
  SetTargetAttributes(target, *function);
  enum { kA, kB, kC, kContracted, kTiles, kAccumulate, kARow, kAK, kBK, kCRow, kValid };
  auto argument = [&](unsigned i) { return function->getArg(i); };

  builder.SetInsertPoint(llvm::BasicBlock::Create(context, "", function));
  TileOperands operands;
  operands.b = argument(kB);
  operands.a_row = argument(kARow);
  operands.a_k = argument(kAK);
  operands.b_k = argument(kBK);
  operands.contracted = argument(kContracted);
  Value* mask = masked ? EmitLaneMask(builder, tile.lanes, argument(kValid)) : nullptr;
  operands.mask = b_padded ? nullptr : mask;
  Value* c_mask = c_padded ? nullptr : mask;
  llvm::Type* vector = VectorType(builder, tile);
  const int64_t vector_bytes = tile.lanes * ir::ByteWidth(tile.type);
  Value* accumulate = builder.CreateICmpNE(argument(kAccumulate), builder.getInt64(0));
  Value* a_tile = builder.CreateNSWMul(operands.a_row, builder.getInt64(tile.rows));

  EmitLoop(builder, builder.getInt64(0), argument(kTiles), 1, {argument(kA), argument(kC)},
           [&](Value*, llvm::ArrayRef<Value*> carried) {
             operands.a = carried[0];
             // The row pointers of c.
             std::vector<Value*> c_rows{carried[1]};
             for (int64_t r = 1; r <= tile.rows; ++r) c_rows.push_back(At(builder, c_rows.back(), argument(kCRow)));
             auto place = [&](int64_t r, int64_t v) {
               return At(builder, c_rows[r], builder.getInt64(v * vector_bytes));
             };
             auto mask_of = [&](int64_t v) { return v + 1 == tile.vectors ? c_mask : nullptr; };
             llvm::BasicBlock* before = builder.GetInsertBlock();
             llvm::BasicBlock* load = llvm::BasicBlock::Create(context, "load", function);
             llvm::BasicBlock* start = llvm::BasicBlock::Create(context, "start", function);
             builder.CreateCondBr(accumulate, load, start);
             builder.SetInsertPoint(load);
             std::vector<Value*> initial;
             for (int64_t r = 0; r < tile.rows; ++r) {
               for (int64_t v = 0; v < tile.vectors; ++v) {
                 initial.push_back(LoadVector(builder, tile, place(r, v), mask_of(v)));
               }
             }
             llvm::BasicBlock* loaded = builder.GetInsertBlock();
             builder.CreateBr(start);
             builder.SetInsertPoint(start);
             for (Value*& value : initial) {
               llvm::PHINode* phi = builder.CreatePHI(vector, 2);
               phi->addIncoming(llvm::Constant::getNullValue(vector), before);
               phi->addIncoming(value, loaded);
               value = phi;
             }
             const std::vector<Value*> finished = EmitTile(builder, target, tile, operands, initial, 0);
             for (int64_t r = 0; r < tile.rows; ++r) {
               for (int64_t v = 0; v < tile.vectors; ++v) {
                 Value* value = finished[r * tile.vectors + v];
                 const llvm::Align align(ir::ByteWidth(tile.type));
                 if (mask_of(v) != nullptr) {
                   builder.CreateMaskedStore(value, place(r, v), align, mask_of(v));
                 } else {
                   builder.CreateAlignedStore(value, place(r, v), align);
                 }
               }
             }
             return llvm::SmallVector<Value*, 8>{At(builder, carried[0], a_tile), c_rows.back()};
           });
  builder.CreateRetVoid();
  return function;
}

}  // namespace gradus::codegen
