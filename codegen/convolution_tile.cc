#include "codegen/convolution_tile.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "codegen/control.h"
#include "codegen/index_arithmetic.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {

using llvm::Value;

std::vector<Value*> EmitNest(llvm::IRBuilder<>& builder, const ir::Target& target, const Tile& tile,
                             const TileOperands& operands, absl::Span<const NestLevel> levels,
                             const std::vector<Value*>& initial) {
  if (levels.empty()) return EmitTile(builder, target, tile, operands, initial, 0);
  const NestLevel& level = levels.front();
  Carried carried = initial;
  carried.push_back(operands.a);
  carried.push_back(operands.b);
  carried =
      EmitForCarrying(builder, builder.getInt64(0), level.count, 1, std::move(carried), [&](Value*, const Carried& at) {
        TileOperands inner = operands;
        inner.a = at[at.size() - 2];
        inner.b = at[at.size() - 1];
        Carried next = EmitNest(builder, target, tile, inner, levels.subspan(1), {at.begin(), at.end() - 2});
        next.push_back(ByteAt(builder, inner.a, level.a_step));
        next.push_back(ByteAt(builder, inner.b, level.b_step));
        return next;
      });
  return {carried.begin(), carried.end() - 2};
}

TileTerms TermsOf(const ir::Convolution& shape) {
  const bool depthwise = shape.in == 1 && shape.out == 1 && shape.groups > 1;
  return depthwise ? TileTerms::kPaired : TileTerms::kProducts;
}

bool operator<(const ConvolutionTile& x, const ConvolutionTile& y) {
  const auto key = [](const ConvolutionTile& t) {
    return std::make_tuple(t.tile.type, t.tile.lanes, t.tile.vectors, t.tile.rows, t.masked, t.terms, t.levels,
                           t.groups);
  };
  return key(x) < key(y);
}

std::string Name(const ConvolutionTile& t) {
  static constexpr absl::string_view kTerms[] = {"", "_paired", "_sums"};
  return absl::StrCat(std::string(ir::Name(t.tile.type)), "_", t.tile.rows, "x", t.tile.vectors * t.tile.lanes,
                      t.masked ? "_masked" : "", kTerms[static_cast<size_t>(t.terms)], "_", t.levels,
                      t.groups > 1 ? absl::StrCat("_of_", t.groups) : "");
}

int64_t LanesFor(int64_t columns, ir::DType type, const ir::Target& target) {
  constexpr int64_t kShortestBytes = 16;
  const int64_t bytes = ir::ByteWidth(type);
  const auto needed = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(columns)));
  return std::clamp(needed, kShortestBytes / bytes, target.vector_bytes() / bytes);
}

int64_t TallestTile(int64_t vectors, const ir::Target& target) {
  if (target.isa == ir::Isa::kAvx512) return vectors >= 4 ? 6 : vectors == 3 ? 8 : vectors == 2 ? 12 : 16;
  if (target.isa == ir::Isa::kAvx2) return vectors == 2 ? 6 : 10;
  return 2;  // every multiply-add is a call
}

int64_t TermCost(int64_t rows, int64_t vectors) { return std::max({rows * vectors, rows + vectors, int64_t{8}}); }

TileEmitter::TileEmitter(llvm::IRBuilder<>& builder, const ir::Target& target, const ConvolutionTile& tile,
                         Value* valid)
    : builder_(builder),
      tile_(tile.tile),
      groups_(tile.groups),
      vector_(llvm::FixedVectorType::get(ElementType(builder, tile.tile.type), static_cast<unsigned>(tile.tile.lanes))),
      align_(ir::ByteWidth(tile.tile.type)),
      mask_(tile.masked ? EmitLaneMask(builder, tile.tile.lanes, valid) : nullptr) {
  CHECK(tile_.lanes > 1 && tile_.lanes * ir::ByteWidth(tile_.type) <= target.vector_bytes());
}

Value* TileEmitter::Place(Value* row, int64_t vector) {
  return ByteAt(builder_, row, builder_.getInt64(vector * tile_.lanes * ir::ByteWidth(tile_.type)));
}

std::vector<Value*> TileEmitter::Zeros() const {
  return std::vector<Value*>(tile_.rows * tile_.vectors, llvm::Constant::getNullValue(vector_));
}

Value* TileEmitter::LoadVector(Value* row, int64_t vector) {
  if (!Partial(vector)) return builder_.CreateAlignedLoad(vector_, Place(row, vector), align_);
  return builder_.CreateMaskedLoad(vector_, Place(row, vector), align_, mask_, llvm::Constant::getNullValue(vector_));
}

void TileEmitter::StoreVector(Value* value, Value* row, int64_t vector) {
  if (Partial(vector)) {
    builder_.CreateMaskedStore(value, Place(row, vector), align_, mask_);
  } else {
    builder_.CreateAlignedStore(value, Place(row, vector), align_);
  }
}

std::vector<Value*> TileEmitter::Rows(Value* c, Value* c_row, Value* c_group) {
  std::vector<Value*> rows;
  for (int64_t group = 0; group < groups_; ++group) {
    Value* row = group == 0 ? c : ByteAt(builder_, c, IndexMultiply(builder_, c_group, group));
    for (int64_t r = 0; r < tile_.rows / groups_; ++r) {
      rows.push_back(row);
      row = ByteAt(builder_, row, c_row);
    }
  }
  return rows;
}

std::vector<Value*> TileEmitter::Load(Value* c, Value* c_row, Value* c_group) {
  std::vector<Value*> values;
  for (Value* row : Rows(c, c_row, c_group)) {
    for (int64_t v = 0; v < tile_.vectors; ++v) values.push_back(LoadVector(row, v));
  }
  return values;
}

void TileEmitter::Store(const std::vector<Value*>& values, Value* c, Value* c_row, Value* skip, Value* c_group) {
  const std::vector<Value*> rows = Rows(c, c_row, c_group);
  for (int64_t r = 0; r < tile_.rows; ++r) {
    const auto store = [&] {
      for (int64_t v = 0; v < tile_.vectors; ++v) StoreVector(values[r * tile_.vectors + v], rows[r], v);
    };
    if (r + 1 == tile_.rows) {
      store();  // a tile has at least one row of its own
    } else {
      EmitIf(builder_, builder_.CreateICmpSLE(skip, builder_.getInt64(r)), store);
    }
  }
}

llvm::Constant* EmitTable(llvm::Module& module, const std::vector<int64_t>& numbers) {
  std::vector<uint64_t> words(numbers.begin(), numbers.end());
  llvm::Constant* data = llvm::ConstantDataArray::get(module.getContext(), words);
  auto* global = new llvm::GlobalVariable(module, data->getType(), /*isConstant=*/true,
                                          llvm::GlobalValue::PrivateLinkage, data, "convolution");
  global->setAlignment(llvm::Align(64));
  return global;
}

Value* LoadNumber(llvm::IRBuilder<>& builder, Value* table, int64_t index) {
  return builder.CreateAlignedLoad(builder.getInt64Ty(), ByteAt(builder, table, builder.getInt64(8 * index)),
                                   llvm::Align(8));
}

}  // namespace gradus::codegen
