// argsort: each row is sorted by one thread, rows are shared between the threads.
//
// An element becomes an integer whose unsigned order is that of the elements, with its index below it: no two are
// equal, so the order is total and a merge needs neither stability nor floating-point comparisons. The passes of a
// bottom-up merge sort go to and fro between two rows of scratch.
#include "codegen/elementwise.h"
#include "codegen/emit_kernels.h"

namespace gradus::codegen {

using ir::DType;
using llvm::Value;

namespace {

constexpr int kIndexBits = 32;

int64_t ExtentOf(const ir::Statement& s) { return s.operands[0]->type.shape[s.Int("axis")]; }

// Bits of the key and the index together, a power of two.
unsigned EntryBits(DType type) { return ir::ByteWidth(type) <= 4 ? 64 : 128; }

// The element as an unsigned integer of its own width: -0 is 0, NaN is the largest.
Value* OrderedBits(Builder& b, DType type, Value* x) {
  if (type == DType::kU8) return x;
  llvm::Type* integer = b.getIntNTy(static_cast<unsigned>(8 * ir::ByteWidth(type)));
  llvm::Constant* sign = llvm::ConstantInt::get(integer, uint64_t{1} << (8 * ir::ByteWidth(type) - 1));
  if (!ir::IsFloat(type)) return b.CreateXor(x, sign);
  Value* number = b.CreateFCmpORD(x, x);
  Value* zero = b.CreateFCmpOEQ(x, llvm::Constant::getNullValue(x->getType()));
  Value* bits = b.CreateSelect(zero, llvm::Constant::getNullValue(integer), b.CreateBitCast(x, integer));
  Value* negative = b.CreateICmpSLT(bits, llvm::Constant::getNullValue(integer));
  Value* ordered = b.CreateSelect(negative, b.CreateNot(bits), b.CreateXor(bits, sign));
  return b.CreateSelect(number, ordered, llvm::Constant::getAllOnesValue(integer));
}

// Merges the runs of `width` entries of `from` in pairs, into `to`.
void EmitMergePass(Builder& b, llvm::Type* entry, int64_t extent, Value* from, Value* to, Value* width) {
  llvm::Constant* end = b.getInt64(static_cast<uint64_t>(extent));
  llvm::Constant* last = b.getInt64(static_cast<uint64_t>(extent - 1));
  const auto at_most = [&](Value* v, Value* limit) { return b.CreateSelect(b.CreateICmpSLT(v, limit), v, limit); };
  const auto load = [&](Value* i) { return b.CreateLoad(entry, b.CreateGEP(entry, from, at_most(i, last))); };
  Value* pair = b.CreateShl(width, uint64_t{1});
  Value* pairs = b.CreateUDiv(b.CreateAdd(end, b.CreateSub(pair, b.getInt64(1))), pair);
  EmitFor(b, b.getInt64(0), pairs, 1, [&](Value* p) {
    Value* begin = b.CreateMul(p, pair);
    Value* middle = at_most(b.CreateAdd(begin, width), end);
    Value* limit = at_most(b.CreateAdd(begin, pair), end);
    EmitForCarrying(b, begin, limit, 1, {begin, middle}, [&](Value* k, const Carried& at) -> Carried {
      Value *left = load(at[0]), *right = load(at[1]);
      Value* exhausted = b.CreateICmpSGE(at[1], limit);
      Value* take_left =
          b.CreateAnd(b.CreateICmpSLT(at[0], middle), b.CreateOr(exhausted, b.CreateICmpULT(left, right)));
      b.CreateStore(b.CreateSelect(take_left, left, right), b.CreateGEP(entry, to, k));
      Value* step = b.CreateZExt(take_left, b.getInt64Ty());
      return {b.CreateAdd(at[0], step), b.CreateAdd(at[1], b.CreateSub(b.getInt64(1), step))};
    });
  });
}

}  // namespace

int64_t SortScratchBytes(const ir::Statement& s) {
  return 2 * ExtentOf(s) * (EntryBits(s.operands[0]->type.element) / 8);
}

void EmitArgSort(KernelContext& kernel, const ir::Statement& s, Pointers operands, Pointers results) {
  Builder& b = kernel.builder;
  const ir::Type& x = s.operands[0]->type;
  const DType type = x.element;
  const int64_t extent = ExtentOf(s);
  int64_t outer = 1, inner = 1;
  for (int64_t i = 0; i < s.Int("axis"); ++i) outer *= x.shape[i];
  for (int64_t i = s.Int("axis") + 1; i < x.rank(); ++i) inner *= x.shape[i];
  int64_t passes = 0;
  while ((int64_t{1} << passes) < extent) ++passes;

  const auto number = [&](int64_t v) { return b.getInt64(static_cast<uint64_t>(v)); };
  llvm::Type* entry = b.getIntNTy(EntryBits(type));
  Value* first = kernel.scratch;
  Value* second = b.CreateGEP(entry, kernel.scratch, number(extent));
  const Share rows = ShareOf(kernel, outer * inner, 1);
  EmitFor(b, rows.begin, rows.end, 1, [&](Value* row) {
    Value* start = row;  // row / inner * inner * extent + row % inner
    if (inner == 1) {
      start = b.CreateMul(row, number(extent));
    } else {
      Value* block = b.CreateUDiv(row, number(inner));
      start = b.CreateAdd(row, b.CreateMul(block, number(inner * (extent - 1))));
    }
    const auto place = [&](Value* i) { return b.CreateAdd(start, b.CreateMul(i, number(inner))); };
    EmitFor(b, number(0), number(extent), 1, [&](Value* i) {
      Value* element =
          EmitLoadElements(b, type, b.CreateGEP(MemoryType(b, type, 0), operands[0], place(i)), 0, nullptr);
      Value* key = OrderedBits(b, type, element);
      if (s.Int("descending") != 0) key = b.CreateNot(key);
      key = b.CreateShl(b.CreateZExt(key, entry), uint64_t{kIndexBits});
      b.CreateStore(b.CreateOr(key, b.CreateZExtOrTrunc(i, entry)), b.CreateGEP(entry, first, i));
    });
    const Carried sorted = EmitForCarrying(b, number(0), number(passes), 1, {first, second, number(1)},
                                           [&](Value*, const Carried& now) -> Carried {
                                             EmitMergePass(b, entry, extent, now[0], now[1], now[2]);
                                             return {now[1], now[0], b.CreateShl(now[2], uint64_t{1})};
                                           });
    EmitFor(b, number(0), number(extent), 1, [&](Value* i) {
      Value* index = b.CreateTrunc(b.CreateLoad(entry, b.CreateGEP(entry, sorted[0], i)), b.getInt32Ty());
      b.CreateStore(index, b.CreateGEP(b.getInt32Ty(), results[0], place(i)));
    });
  });
}

}  // namespace gradus::codegen
