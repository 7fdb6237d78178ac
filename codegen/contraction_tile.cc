#include "codegen/contraction_tile.h"

#include "absl/types/span.h"
#include "codegen/index_arithmetic.h"
#include "codegen/software_fma.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

llvm::Type* VectorType(llvm::IRBuilder<>& builder, const Tile& tile) {
  llvm::Type* element = ElementType(builder, tile.type);
  return tile.lanes == 1 ? element : llvm::FixedVectorType::get(element, static_cast<unsigned>(tile.lanes));
}

Value* LoadVector(llvm::IRBuilder<>& builder, const Tile& tile, Value* pointer, Value* mask) {
  llvm::Type* type = VectorType(builder, tile);
  const llvm::Align align(ir::ByteWidth(tile.type));
  if (mask == nullptr) return builder.CreateAlignedLoad(type, pointer, align);
  return builder.CreateMaskedLoad(type, pointer, align, mask, llvm::Constant::getNullValue(type));
}

// Columns [first, first + lanes) one by one, zeros beyond the last.
Value* GatherVector(llvm::IRBuilder<>& builder, const Tile& tile, const TileOperands& operands, Value* b,
                    int64_t first) {
  llvm::Type* element = ElementType(builder, tile.type);
  auto load = [&](int64_t column) {
    return builder.CreateAlignedLoad(element, ByteAt(builder, b, builder.getInt64(column * operands.b_column)),
                                     llvm::Align(ir::ByteWidth(tile.type)));
  };
  if (tile.lanes == 1) return load(first);
  Value* vector = llvm::Constant::getNullValue(VectorType(builder, tile));
  for (int64_t lane = 0; lane < tile.lanes && first + lane < operands.columns; ++lane) {
    vector = builder.CreateInsertElement(vector, load(first + lane), builder.getInt64(lane));
  }
  return vector;
}

// Rows of a are reached from one pointer for five rows, so that few registers hold addresses and none depends on the
// one before it: rows 0, 1, 2, 3 and 4 lie at 0, s, 2s, 3s and 4s, which x86 addresses from s and 3s.
constexpr int64_t kRowsPerPointer = 5;

struct RowSteps {
  Value* one;
  Value* three = nullptr;
};

Value* RowPointer(llvm::IRBuilder<>& builder, Value* group, const RowSteps& steps, int64_t row) {
  if (row == 0) return group;
  if (row == 3) return ByteAt(builder, group, steps.three);
  return ByteAt(builder, group, IndexMultiply(builder, steps.one, row));
}

// Which pointer leads to a row, and how many steps further it lies.
struct RowPlace {
  int64_t pointer;
  int64_t step;
};

RowPlace PlaceOf(const TileOperands& operands, const Tile& tile, int64_t row) {
  const int64_t group_rows = operands.group_rows == 0 ? tile.rows : operands.group_rows;
  const int64_t pointers = (group_rows + kRowsPerPointer - 1) / kRowsPerPointer;
  const int64_t in_group = row % group_rows;
  return {row / group_rows * pointers + in_group / kRowsPerPointer, in_group % kRowsPerPointer};
}

// Which rows have term `t`, a mask or a bool each; nothing where all have every term.
std::vector<Value*> EmitRowsOfTerm(llvm::IRBuilder<>& builder, const Tile& tile, const TileOperands& operands,
                                   Value* t) {
  std::vector<Value*> exists;
  const auto lanes = static_cast<unsigned>(tile.lanes);
  // Compared lane by lane, and as i32: a mask register selects for less than a bool, and no vector of i64 is needed.
  const auto distance = [&](Value* bound) -> Value* {
    if (bound == nullptr) return nullptr;
    Value* terms = IndexMax(builder, IndexSubtract(builder, t, bound), builder.getInt64(static_cast<uint64_t>(-1)));
    terms = builder.CreateTrunc(IndexMin(builder, terms, builder.getInt64(static_cast<uint64_t>(tile.rows))),
                                builder.getInt32Ty());
    return tile.lanes == 1 ? terms : builder.CreateVectorSplat(lanes, terms);
  };
  Value *above = distance(operands.lower), *below = distance(operands.upper);
  if (above == nullptr && below == nullptr) return exists;
  for (int64_t r = 0; r < tile.rows; ++r) {
    llvm::Constant* row = builder.getInt32(static_cast<uint32_t>(r));
    if (tile.lanes > 1) row = llvm::ConstantVector::getSplat(llvm::ElementCount::getFixed(lanes), row);
    Value* begun = above == nullptr ? nullptr : builder.CreateICmpSGE(above, row);
    Value* open = below == nullptr ? nullptr : builder.CreateICmpSLE(below, row);
    exists.push_back(begun == nullptr ? open : open == nullptr ? begun : builder.CreateAnd(begun, open));
  }
  return exists;
}

// Term `t`: every accumulator gets its product. `a` are the pointers to rows.
void EmitTerm(llvm::IRBuilder<>& builder, const ir::Target& target, const Tile& tile, const TileOperands& operands,
              const RowSteps& steps, llvm::ArrayRef<Value*> a, Value* b, Value* t, absl::Span<Value*> accumulators) {
  const std::vector<Value*> exists = EmitRowsOfTerm(builder, tile, operands, t);
  const int64_t vector_bytes = tile.lanes * ir::ByteWidth(tile.type);
  std::vector<Value*> right;
  for (int64_t v = 0; v < tile.vectors && operands.terms != TileTerms::kSums; ++v) {
    if (operands.b_column != 0) {
      right.push_back(GatherVector(builder, tile, operands, b, v * tile.lanes));
      continue;
    }
    Value* pointer = ByteAt(builder, b, builder.getInt64(v * vector_bytes));
    right.push_back(LoadVector(builder, tile, pointer, v + 1 == tile.vectors ? operands.mask : nullptr));
  }
  llvm::Type* element = ElementType(builder, tile.type);
  for (int64_t r = 0; r < tile.rows; ++r) {
    const RowPlace place = PlaceOf(operands, tile, r);
    Value* pointer = RowPointer(builder, a[place.pointer], steps, place.step);
    if (operands.terms != TileTerms::kProducts) {
      for (int64_t v = 0; v < tile.vectors; ++v) {
        Value* mask = v + 1 == tile.vectors ? operands.mask : nullptr;
        Value* left = LoadVector(builder, tile, ByteAt(builder, pointer, builder.getInt64(v * vector_bytes)), mask);
        Value*& accumulator = accumulators[r * tile.vectors + v];
        accumulator = operands.terms == TileTerms::kSums
                          ? builder.CreateFAdd(accumulator, left)
                          : EmitMultiplyAdd(builder, target, left, right[v], accumulator);
      }
      continue;
    }
    Value* left = builder.CreateAlignedLoad(element, pointer, llvm::Align(ir::ByteWidth(tile.type)));
    if (tile.lanes > 1) left = builder.CreateVectorSplat(static_cast<unsigned>(tile.lanes), left);
    for (int64_t v = 0; v < tile.vectors; ++v) {
      Value*& accumulator = accumulators[r * tile.vectors + v];
      Value* next = EmitMultiplyAdd(builder, target, left, right[v], accumulator);
      accumulator = exists.empty() ? next : builder.CreateSelect(exists[r], next, accumulator);
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
  // Frozen, the steps are opaque to loop strength reduction, which would otherwise chain the row addresses in one sum.
  auto opaque = [&](Value* value) { return llvm::isa<llvm::Constant>(value) ? value : builder.CreateFreeze(value); };
  RowSteps steps{opaque(operands.a_row)};
  const int64_t group_rows = operands.group_rows == 0 ? tile.rows : operands.group_rows;
  if (group_rows > 3) steps.three = opaque(IndexMultiply(builder, operands.a_row, 3));
  llvm::SmallVector<Value*, 8> a_groups;
  for (int64_t group = 0; group < tile.rows / group_rows; ++group) {
    Value* begin =
        group == 0 ? operands.a : ByteAt(builder, operands.a, opaque(IndexMultiply(builder, operands.a_group, group)));
    for (int64_t r = 0; r < group_rows; r += kRowsPerPointer) {
      a_groups.push_back(ByteAt(builder, begin, opaque(IndexMultiply(builder, operands.a_row, r))));
    }
  }
  const auto* known = llvm::dyn_cast<llvm::ConstantInt>(operands.contracted);
  if (known != nullptr && known->getSExtValue() <= unroll) {
    for (int64_t k = 0; k < known->getSExtValue(); ++k) {
      llvm::SmallVector<Value*, 8> a;
      for (Value* group : a_groups) a.push_back(ByteAt(builder, group, IndexMultiply(builder, operands.a_k, k)));
      Value* b = ByteAt(builder, operands.b, IndexMultiply(builder, operands.b_k, k));
      EmitTerm(builder, target, tile, operands, steps, a, b, builder.getInt64(k), absl::MakeSpan(accumulators));
    }
    return accumulators;
  }
  llvm::Function* function = builder.GetInsertBlock()->getParent();
  llvm::BasicBlock* before = builder.GetInsertBlock();
  llvm::BasicBlock* loop = llvm::BasicBlock::Create(builder.getContext(), "k", function);
  llvm::BasicBlock* after = llvm::BasicBlock::Create(builder.getContext(), "k_after", function);
  builder.CreateBr(loop);
  builder.SetInsertPoint(loop);
  auto phi_of = [&](Value* initial_value) {
    llvm::PHINode* phi = builder.CreatePHI(initial_value->getType(), 2);
    phi->addIncoming(initial_value, before);
    return phi;
  };
  llvm::PHINode* left = phi_of(operands.contracted);
  llvm::PHINode* b = phi_of(operands.b);
  llvm::SmallVector<Value*, 8> a;
  for (Value* group : a_groups) a.push_back(phi_of(group));
  std::vector<llvm::PHINode*> phis;
  for (Value*& accumulator : accumulators) {
    phis.push_back(phi_of(accumulator));
    accumulator = phis.back();
  }
  const bool partial = operands.lower != nullptr || operands.upper != nullptr;
  Value* t = partial ? IndexSubtract(builder, operands.contracted, left) : nullptr;
  EmitTerm(builder, target, tile, operands, steps, a, b, t, absl::MakeSpan(accumulators));
  Value* next_left = builder.CreateNSWSub(left, builder.getInt64(1));
  Value* next_b = ByteAt(builder, b, operands.b_k);
  llvm::BasicBlock* end = builder.GetInsertBlock();
  left->addIncoming(next_left, end);
  b->addIncoming(next_b, end);
  for (Value* group : a) {
    llvm::cast<llvm::PHINode>(group)->addIncoming(ByteAt(builder, group, operands.a_k), end);
  }
  builder.CreateCondBr(builder.CreateICmpNE(next_left, builder.getInt64(0)), loop, after);
  for (size_t i = 0; i < phis.size(); ++i) phis[i]->addIncoming(accumulators[i], end);
  builder.SetInsertPoint(after);
  return accumulators;
}

}  // namespace gradus::codegen
