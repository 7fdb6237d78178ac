#include <algorithm>

#include "codegen/elementwise.h"
#include "codegen/emit_kernels.h"

namespace gradus::codegen {

using ir::Shape;
using llvm::Value;

// Updates [batch, outer, count, inner] are added to results [batch, outer, extent, inner] at indices [batch, count],
// in ascending count. Each thread owns a range of destinations: of inner elements where these are many, else of places
// along the extent; it walks all indices and adds what is its own.
void EmitScatterAdd(KernelContext& kernel, const ir::Statement& s, Pointers operands, Pointers results) {
  Builder& b = kernel.builder;
  const ir::DType type = s.result()->type.element;
  const Shape& shape = s.result()->type.shape;
  const Shape& index_shape = s.operands[1]->type.shape;
  const int64_t axis = s.Int("axis"), batch_axes = s.Int("batch");
  int64_t batch = 1, outer = 1, inner = 1, count = 1;
  const int64_t extent = shape[axis];
  for (int64_t i = 0; i < batch_axes; ++i) batch *= shape[i];
  for (int64_t i = batch_axes; i < axis; ++i) outer *= shape[i];
  for (size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  for (size_t i = batch_axes; i < index_shape.size(); ++i) count *= index_shape[i];

  constexpr int kLanes = 16;
  llvm::Type* element = MemoryType(b, type, 0);
  const bool by_row = batch * outer >= 4 * kernel.threads;
  const bool by_inner = !by_row && inner >= kLanes * kernel.threads;
  const Share rows = by_row ? ShareOf(kernel, batch * outer, 1) : Share{b.getInt64(0), b.getInt64(batch * outer)};
  const Share columns = by_inner ? ShareOf(kernel, inner, kLanes) : Share{b.getInt64(0), b.getInt64(inner)};
  const Share places = by_row || by_inner ? Share{b.getInt64(0), b.getInt64(extent)} : ShareOf(kernel, extent, 1);
  const auto at = [&](Value* base, Value* index) { return b.CreateGEP(element, base, index); };
  const auto scaled = [&](Value* v, int64_t factor) {
    return b.CreateMul(v, b.getInt64(static_cast<uint64_t>(factor)));
  };

  // for (k in the columns of this thread) body(k, lanes)
  const auto over_columns = [&](const std::function<void(Value*, int)>& body) {
    Value* length = b.CreateSub(columns.end, columns.begin);
    Value* whole = b.CreateAdd(columns.begin, b.CreateAnd(length, b.getInt64(~uint64_t{kLanes - 1})));
    if (inner >= kLanes) EmitFor(b, columns.begin, whole, kLanes, [&](Value* k) { body(k, kLanes); });
    EmitFor(b, inner >= kLanes ? whole : columns.begin, columns.end, 1, [&](Value* k) { body(k, 0); });
  };

  EmitFor(b, rows.begin, rows.end, 1, [&](Value* row) {
    Value* target = at(results[0], scaled(row, extent * inner));
    EmitFor(b, places.begin, places.end, 1, [&](Value* place) {
      Value* destination = at(target, scaled(place, inner));
      over_columns([&](Value* k, int lanes) {
        EmitStoreElements(b, type, llvm::Constant::getNullValue(RegisterType(b, type, lanes)), at(destination, k),
                          lanes, nullptr);
      });
    });
    Value* indices = outer == 1 ? row : b.CreateUDiv(row, b.getInt64(outer));
    indices = scaled(indices, count);
    Value* updates = at(operands[0], scaled(row, count * inner));
    const ir::DType index_type = s.operands[1]->type.element;
    EmitFor(b, b.getInt64(0), b.getInt64(count), 1, [&](Value* i) {
      Value* pointer = b.CreateGEP(MemoryType(b, index_type, 0), operands[1], b.CreateAdd(indices, i));
      Value* index = EmitLoadElements(b, index_type, pointer, 0, nullptr);
      index = index_type == ir::DType::kU8 ? b.CreateZExt(index, b.getInt64Ty()) : b.CreateSExt(index, b.getInt64Ty());
      EmitFault(kernel, s, b.CreateICmpUGE(index, b.getInt64(static_cast<uint64_t>(extent))), index, extent);
      Value* mine = b.CreateAnd(b.CreateICmpSGE(index, places.begin), b.CreateICmpSLT(index, places.end));
      EmitIf(b, mine, [&] {
        Value* destination = at(target, scaled(index, inner));
        Value* source = at(updates, scaled(i, inner));
        over_columns([&](Value* k, int lanes) {
          Value* sum = EmitElementwise(b, kernel.target, ir::Op::kAdd, type, type,
                                       {EmitLoadElements(b, type, at(destination, k), lanes, nullptr),
                                        EmitLoadElements(b, type, at(source, k), lanes, nullptr)},
                                       lanes);
          EmitStoreElements(b, type, sum, at(destination, k), lanes, nullptr);
        });
      });
    });
  });
}

}  // namespace gradus::codegen
