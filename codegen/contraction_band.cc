#include "codegen/contraction_band.h"

#include "codegen/index_arithmetic.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

// Of the banded axis.
int64_t SideOf(const ContractionLoops& loops) {
  switch (loops.banded) {
    case BandedAxis::kTerms:
      return loops.contracted.side;
    case BandedAxis::kColumns:
      return loops.column.side;
    case BandedAxis::kRows:
      return loops.row.side;
    default:
      return 1;
  }
}

// Whether the bounds rise with the row.
bool Rises(const ContractionLoops& loops) { return loops.banded != BandedAxis::kRows && loops.row.side != 0; }

}  // namespace

// lower <= outside + side * x - side * r <= upper, where the row has a side, the other one.
BandBounds EmitBandBounds(llvm::IRBuilder<>& builder, const ContractionSpec& spec, const ContractionLoops& loops,
                          Value* outside) {
  const int64_t side = SideOf(loops);
  const auto bound = [&](int64_t number) -> Value* {
    if (number == ir::kNoBound || number == -ir::kNoBound) return nullptr;
    Value* constant = builder.getInt64(static_cast<uint64_t>(number));
    return side > 0 ? IndexSubtract(builder, constant, outside) : IndexSubtract(builder, outside, constant);
  };
  if (side > 0) return {bound(spec.lower), bound(spec.upper)};
  return {bound(spec.upper), bound(spec.lower)};
}

TileBand TileBandOf(const ContractionSpec& spec, const ContractionLoops& loops) {
  const bool below = spec.lower != -ir::kNoBound, above = spec.upper != ir::kNoBound;
  const bool same = SideOf(loops) > 0;
  return {.level = !Rises(loops), .has_lower = same ? below : above, .has_upper = same ? above : below};
}

Value* EmitSides(llvm::IRBuilder<>& builder, const std::vector<ContractionLoop>& loops,
                 const std::vector<Value*>& indices) {
  Value* sum = builder.getInt64(0);
  for (size_t i = 0; i < loops.size(); ++i) {
    sum = IndexAdd(builder, sum, IndexMultiply(builder, indices[i], loops[i].side));
  }
  return sum;
}

std::pair<Value*, Value*> EmitRowsWithElements(llvm::IRBuilder<>& builder, const ContractionLoops& loops,
                                               const BandBounds& bounds, Value* column, int64_t columns) {
  Value *none = builder.getInt64(0), *all = builder.getInt64(static_cast<uint64_t>(loops.row.extent));
  const auto clamp = [&](Value* row) { return IndexMin(builder, IndexMax(builder, row, none), all); };
  const bool from = bounds.lower != nullptr, to = bounds.upper != nullptr;
  if (loops.banded == BandedAxis::kRows) {
    return {from ? clamp(bounds.lower) : none, to ? clamp(IndexAdd(builder, bounds.upper, builder.getInt64(1))) : all};
  }
  if (loops.banded == BandedAxis::kOuter) {
    column = none;
    columns = 1;
  }
  Value* behind = IndexAdd(builder, column, builder.getInt64(static_cast<uint64_t>(columns)));
  if (Rises(loops)) {
    return {to ? clamp(IndexSubtract(builder, column, bounds.upper)) : none,
            from ? clamp(IndexSubtract(builder, behind, bounds.lower)) : all};
  }
  Value* some = builder.getTrue();
  if (from) some = builder.CreateAnd(some, builder.CreateICmpSLT(bounds.lower, behind));
  if (to) some = builder.CreateAnd(some, builder.CreateICmpSGE(bounds.upper, column));
  return {none, builder.CreateSelect(some, all, none)};
}

Value* EmitExisting(llvm::IRBuilder<>& builder, const ContractionLoops& loops, const BandBounds& bounds, Value* row,
                    Value* column, Value* vector) {
  const auto lanes = llvm::cast<llvm::FixedVectorType>(vector->getType())->getNumElements();
  Value* zero = llvm::Constant::getNullValue(vector->getType());
  if (loops.banded != BandedAxis::kColumns) {
    Value* place = loops.banded == BandedAxis::kRows ? row : builder.getInt64(0);
    Value* exists = builder.getTrue();
    if (bounds.lower != nullptr) exists = builder.CreateAnd(exists, builder.CreateICmpSGE(place, bounds.lower));
    if (bounds.upper != nullptr) exists = builder.CreateAnd(exists, builder.CreateICmpSLE(place, bounds.upper));
    return builder.CreateSelect(builder.CreateVectorSplat(lanes, exists), vector, zero);
  }
  Value* first = Rises(loops) ? IndexSubtract(builder, column, row) : column;
  // Lanes from and to, as numbers that fit their compare.
  const auto lane = [&](Value* bound) {
    Value* distance = IndexSubtract(builder, bound, first);
    distance = IndexMin(builder, IndexMax(builder, distance, builder.getInt64(static_cast<uint64_t>(-1))),
                        builder.getInt64(lanes));
    return builder.CreateVectorSplat(lanes, builder.CreateTrunc(distance, builder.getInt32Ty()));
  };
  std::vector<llvm::Constant*> indices;
  for (unsigned i = 0; i < lanes; ++i) indices.push_back(builder.getInt32(i));
  Value* index = llvm::ConstantVector::get(indices);
  if (bounds.lower != nullptr) {
    vector = builder.CreateSelect(builder.CreateICmpSGE(index, lane(bounds.lower)), vector, zero);
  }
  if (bounds.upper != nullptr) {
    vector = builder.CreateSelect(builder.CreateICmpSLE(index, lane(bounds.upper)), vector, zero);
  }
  return vector;
}

}  // namespace gradus::codegen
