// Movement that is not a read of a region: concatenation, padding, copies.
#include "codegen/elementwise.h"
#include "codegen/emit_kernels.h"
#include "ir/check.h"

namespace gradus::codegen {
namespace {

using ir::Shape;
using ir::Statement;
using llvm::Value;

constexpr int64_t kCopyLanes = 64;

int64_t Product(Shape::const_iterator first, Shape::const_iterator last) {
  int64_t product = 1;
  for (; first != last; ++first) product *= *first;
  return product;
}

// for this thread's share of [0, count): a vector of `lanes` from each multiple of lanes, the last one masked.
template <typename Body>
void EmitShare(KernelContext& kernel, int64_t count, int lanes, Body body) {
  Builder& b = kernel.builder;
  const Share share = ShareOf(kernel, count, lanes);
  const int64_t whole = count / lanes * lanes;
  Value* end = b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, share.end, b.getInt64(whole));
  EmitFor(b, share.begin, end, lanes, [&](Value* i) { body(i, nullptr); });
  if (whole == count) return;
  Value* mine =
      b.CreateAnd(b.CreateICmpEQ(share.end, b.getInt64(count)), b.CreateICmpSLT(share.begin, b.getInt64(count)));
  EmitIf(b, mine, [&] { body(b.getInt64(whole), FirstLanes(b, lanes, count - whole)); });
}

}  // namespace

void EmitCopy(KernelContext& kernel, int64_t bytes, Value* from, Value* to) {
  Builder& b = kernel.builder;
  EmitShare(kernel, bytes, kCopyLanes, [&](Value* i, Value* mask) {
    const auto at = [&](Value* base) { return b.CreateGEP(b.getInt8Ty(), base, i); };
    if (mask == nullptr) {
      Value* block = EmitLoadElements(b, ir::DType::kU8, at(from), kCopyLanes, nullptr);
      EmitStoreElements(b, ir::DType::kU8, block, at(to), kCopyLanes, nullptr);
      return;
    }
    EmitFor(b, i, b.getInt64(bytes), 1, [&](Value* k) {
      Value* byte = b.CreateLoad(b.getInt8Ty(), b.CreateGEP(b.getInt8Ty(), from, k));
      b.CreateStore(byte, b.CreateGEP(b.getInt8Ty(), to, k));
    });
  });
}

void EmitZeros(KernelContext& kernel, int64_t bytes, Value* to) {
  Builder& b = kernel.builder;
  EmitShare(kernel, bytes, kCopyLanes, [&](Value* i, Value* mask) {
    if (mask == nullptr) {
      Value* zeros = llvm::Constant::getNullValue(llvm::FixedVectorType::get(b.getInt8Ty(), kCopyLanes));
      EmitStoreElements(b, ir::DType::kU8, zeros, b.CreateGEP(b.getInt8Ty(), to, i), kCopyLanes, nullptr);
      return;
    }
    EmitFor(b, i, b.getInt64(bytes), 1,
            [&](Value* k) { b.CreateStore(b.getInt8(0), b.CreateGEP(b.getInt8Ty(), to, k)); });
  });
}

// The operands are rows of [outer, inner] blocks that stand side by side in the rows of the result.
void EmitConcat(KernelContext& kernel, const Statement& s, Pointers operands, Pointers results) {
  Builder& b = kernel.builder;
  const Shape& shape = s.result()->type.shape;
  const int64_t axis = s.Int("axis");
  const int64_t width = ir::ByteWidth(s.result()->type.element);
  const int64_t outer = Product(shape.begin(), shape.begin() + axis);
  const int64_t row = Product(shape.begin() + axis, shape.end()) * width;
  int64_t offset = 0;
  for (size_t k = 0; k < operands.size(); ++k) {
    const Shape& from = s.operands[k]->type.shape;
    const int64_t inner = Product(from.begin() + axis, from.end()) * width;
    const auto copy = [&](KernelContext& share, Value* i) {
      Value* source = b.CreateGEP(b.getInt8Ty(), operands[k], b.CreateMul(i, b.getInt64(inner)));
      Value* place = b.CreateAdd(b.CreateMul(i, b.getInt64(row)), b.getInt64(offset));
      EmitCopy(share, inner, source, b.CreateGEP(b.getInt8Ty(), results[0], place));
    };
    if (outer >= kernel.threads) {
      const Share rows = ShareOf(kernel, outer, 1);
      KernelContext whole = kernel;
      whole.thread = b.getInt64(0);
      whole.threads = 1;
      EmitFor(b, rows.begin, rows.end, 1, [&](Value* i) { copy(whole, i); });
    } else {
      EmitFor(b, b.getInt64(0), b.getInt64(outer), 1, [&](Value* i) { copy(kernel, i); });
    }
    offset += inner;
  }
}

// Every element of the result asks on every axis whether it stands on an element of the operand.
void EmitPad(KernelContext& kernel, const Statement& s, Pointers operands, Pointers results) {
  Builder& b = kernel.builder;
  const ir::DType type = s.result()->type.element;
  const Shape& from = s.operands[0]->type.shape;
  const Shape& to = s.result()->type.shape;
  const Shape strides = ir::RowMajorStrides(from);
  constexpr int kLanes = 16;
  Value* fill = EmitLoadElements(b, type, operands[1], 0, nullptr);
  Value* fills = b.CreateVectorSplat(kLanes, fill);
  int64_t total = 1;
  for (int64_t extent : to) total *= extent;
  EmitShare(kernel, total, kLanes, [&](Value* first, Value* mask) {
    Value* linear = b.CreateVectorSplat(kLanes, first);
    std::vector<llvm::Constant*> steps;
    for (int lane = 0; lane < kLanes; ++lane) steps.push_back(b.getInt64(lane));
    linear = b.CreateAdd(linear, llvm::ConstantVector::get(steps));
    const auto all = [&](int64_t v) { return llvm::ConstantInt::get(linear->getType(), v, /*IsSigned=*/true); };
    Value* inside = mask != nullptr ? mask : FirstLanes(b, kLanes, kLanes);
    Value* source = all(0);
    for (size_t axis = to.size(); axis-- > 0;) {
      Value* index = axis == 0 ? linear : b.CreateURem(linear, all(to[axis]));
      linear = b.CreateUDiv(linear, all(to[axis]));
      index = b.CreateSub(index, all(s.IntList("low")[axis]));
      inside = b.CreateAnd(inside, b.CreateICmpSGE(index, all(0)));
      if (const int64_t step = s.IntList("interior")[axis] + 1; step > 1) {
        inside = b.CreateAnd(inside, b.CreateICmpEQ(b.CreateSRem(index, all(step)), all(0)));
        index = b.CreateSDiv(index, all(step));
      }
      inside = b.CreateAnd(inside, b.CreateICmpSLT(index, all(from[axis])));
      source = b.CreateAdd(source, b.CreateMul(index, all(strides[axis])));
    }
    llvm::Type* memory = MemoryType(b, type, kLanes);
    Value* pointers = b.CreateGEP(MemoryType(b, type, 0), operands[0], source);
    Value* loaded = b.CreateMaskedGather(memory, pointers, llvm::Align(ir::ByteWidth(type)), inside,
                                         llvm::Constant::getNullValue(memory));
    if (type == ir::DType::kBool) loaded = b.CreateICmpNE(loaded, llvm::Constant::getNullValue(memory));
    Value* value = b.CreateSelect(inside, loaded, fills);
    EmitStoreElements(b, type, value, b.CreateGEP(MemoryType(b, type, 0), results[0], first), kLanes, mask);
  });
}

}  // namespace gradus::codegen
