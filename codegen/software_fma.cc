#include "codegen/software_fma.h"

#include "ir/check.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {
namespace {

using llvm::Value;
using Builder = llvm::IRBuilder<>;

llvm::Function* DeclareRoutine(llvm::Module& module, llvm::Type* type, llvm::StringRef name) {
  llvm::Function* f = llvm::Function::Create(llvm::FunctionType::get(type, {type, type, type}, false),
                                             llvm::Function::InternalLinkage, name, module);
  f->setDoesNotThrow();
  f->setDoesNotAccessMemory();
  llvm::BasicBlock::Create(module.getContext(), "entry", f);
  return f;
}

// f32, four at a time. The product of two floats is exact in double. The sum is rounded to odd there (the neighbour
// with the odd last bit wherever it is inexact), after which rounding to float is as good as rounding once, because
// double has more than two bits to spare (Boldo, Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
llvm::Function* SingleRoutine(llvm::Module& module) {
  constexpr char kName[] = "gradus.fma.f32x4";
  if (llvm::Function* f = module.getFunction(kName)) return f;
  llvm::LLVMContext& context = module.getContext();
  llvm::Function* f = DeclareRoutine(module, llvm::FixedVectorType::get(llvm::Type::getFloatTy(context), 4), kName);
  Builder b(&f->getEntryBlock());
  llvm::Type* wide = llvm::FixedVectorType::get(b.getDoubleTy(), 4);
  llvm::Type* bits_type = llvm::FixedVectorType::get(b.getInt64Ty(), 4);
  Value* product = b.CreateFMul(b.CreateFPExt(f->getArg(0), wide), b.CreateFPExt(f->getArg(1), wide));
  Value* addend = b.CreateFPExt(f->getArg(2), wide);
  Value* sum = b.CreateFAdd(product, addend);
  Value* part = b.CreateFSub(sum, product);
  Value* error = b.CreateFAdd(b.CreateFSub(product, b.CreateFSub(sum, part)), b.CreateFSub(addend, part));
  Value* zero = llvm::Constant::getNullValue(wide);
  Value* one = llvm::ConstantInt::get(bits_type, 1);
  Value* bits = b.CreateBitCast(sum, bits_type);
  Value* inexact = b.CreateFCmpONE(error, zero);  // false where the sum is infinite or NaN
  Value* even = b.CreateICmpEQ(b.CreateAnd(bits, one), llvm::Constant::getNullValue(bits_type));
  Value* outwards = b.CreateNot(b.CreateXor(b.CreateFCmpOGT(error, zero), b.CreateFCmpOGT(sum, zero)));
  Value* moved = b.CreateSelect(outwards, b.CreateAdd(bits, one), b.CreateSub(bits, one));
  Value* odd = b.CreateSelect(b.CreateAnd(inexact, even), moved, bits);
  b.CreateRet(b.CreateFPTrunc(b.CreateBitCast(odd, wide), f->getReturnType()));
  return f;
}

// f64, one at a time, in integers of 128 bits: the exact product and the addend are aligned with a sticky last bit,
// added, and rounded to nearest even at the place where the result's last bit lies.
llvm::Function* DoubleRoutine(llvm::Module& module) {
  constexpr char kName[] = "gradus.fma.f64";
  if (llvm::Function* f = module.getFunction(kName)) return f;
  llvm::LLVMContext& context = module.getContext();
  llvm::Type* type = llvm::Type::getDoubleTy(context);
  llvm::Function* f = DeclareRoutine(module, type, kName);
  Builder b(&f->getEntryBlock());
  llvm::Type* i64 = b.getInt64Ty();
  llvm::Type* i128 = b.getInt128Ty();
  const auto narrow = [&](uint64_t v) { return b.getInt64(v); };
  const auto wide = [&](uint64_t v) { return llvm::ConstantInt::get(i128, v); };

  struct Number {
    Value* value;
    Value* mantissa;  // i64 in [2^52, 2^53)
    Value* exponent;  // i64: value = mantissa * 2^exponent
    Value* negative;  // i1
    Value* zero;
    Value* finite;
  };
  const auto decompose = [&](Value* x) {
    Number n;
    n.value = x;
    Value* original = b.CreateBitCast(x, i64);
    Value* field = b.CreateAnd(b.CreateLShr(original, narrow(52)), narrow(0x7ff));
    n.negative = b.CreateICmpSLT(original, narrow(0));
    n.finite = b.CreateICmpNE(field, narrow(0x7ff));
    n.zero = b.CreateFCmpOEQ(x, llvm::ConstantFP::get(type, 0.0));
    Value* denormal = b.CreateICmpEQ(field, narrow(0));
    Value* scaled = b.CreateBitCast(b.CreateFMul(x, llvm::ConstantFP::get(type, 0x1p63)), i64);
    Value* bits = b.CreateSelect(denormal, scaled, original);
    Value* biased = b.CreateAnd(b.CreateLShr(bits, narrow(52)), narrow(0x7ff));
    n.exponent = b.CreateSub(biased, b.CreateSelect(denormal, narrow(1075 + 63), narrow(1075)));
    n.mantissa = b.CreateOr(b.CreateAnd(bits, narrow((uint64_t{1} << 52) - 1)), narrow(uint64_t{1} << 52));
    return n;
  };
  const Number x = decompose(f->getArg(0)), y = decompose(f->getArg(1)), z = decompose(f->getArg(2));

  // Both get their first bit between 2^122 and 2^123; shifting right loses bits only where the other one is so much
  // larger that they lie far below the result's last bit.
  const auto shift_sticky = [&](Value* v, Value* amount) {
    Value* by = b.CreateZExt(b.CreateBinaryIntrinsic(llvm::Intrinsic::umin, amount, narrow(127)), i128);
    Value* shifted = b.CreateLShr(v, by);
    Value* lost = b.CreateICmpNE(b.CreateShl(shifted, by), v);
    return b.CreateOr(shifted, b.CreateZExt(lost, i128));
  };
  Value* product = b.CreateShl(b.CreateMul(b.CreateZExt(x.mantissa, i128), b.CreateZExt(y.mantissa, i128)), wide(18));
  Value* addend = b.CreateShl(b.CreateZExt(z.mantissa, i128), wide(70));
  Value* product_exponent = b.CreateSub(b.CreateAdd(x.exponent, y.exponent), narrow(18));
  Value* addend_exponent = b.CreateSub(z.exponent, narrow(70));
  Value* exponent = b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, product_exponent, addend_exponent);
  product = shift_sticky(product, b.CreateSub(exponent, product_exponent));
  addend = shift_sticky(addend, b.CreateSub(exponent, addend_exponent));

  Value* negative = b.CreateXor(x.negative, y.negative);
  Value* opposite = b.CreateXor(negative, z.negative);
  Value* sum = b.CreateSelect(opposite, b.CreateSub(product, addend), b.CreateAdd(product, addend));
  Value* crossed = b.CreateICmpSLT(sum, wide(0));
  sum = b.CreateSelect(crossed, b.CreateNeg(sum), sum);
  negative = b.CreateXor(negative, crossed);
  Value* cancelled = b.CreateICmpEQ(sum, wide(0));

  // The result's last bit: 52 below its first, but never below 2^-1074.
  Value* first =
      b.CreateSub(narrow(127), b.CreateTrunc(b.CreateBinaryIntrinsic(llvm::Intrinsic::ctlz, sum, b.getFalse()), i64));
  Value* shift = b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, b.CreateSub(first, narrow(52)),
                                         b.CreateSub(narrow(-1074), exponent));
  Value* right = b.CreateBinaryIntrinsic(llvm::Intrinsic::smin,
                                         b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, shift, narrow(0)), narrow(127));
  Value* left = b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, b.CreateNeg(shift), narrow(0));
  left = b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, left, narrow(127));
  Value* by = b.CreateZExt(right, i128);
  Value* kept = b.CreateLShr(sum, by);
  Value* rest = b.CreateSub(sum, b.CreateShl(kept, by));
  Value* half = b.CreateLShr(b.CreateShl(wide(1), by), wide(1));
  Value* tie = b.CreateAnd(b.CreateICmpEQ(rest, half), b.CreateICmpNE(b.CreateAnd(kept, wide(1)), wide(0)));
  Value* up = b.CreateAnd(b.CreateOr(b.CreateICmpUGT(rest, half), tie), b.CreateICmpSGT(right, narrow(0)));
  kept = b.CreateShl(b.CreateAdd(kept, b.CreateZExt(up, i128)), b.CreateZExt(left, i128));
  Value* field = b.CreateShl(b.CreateAdd(b.CreateAdd(exponent, shift), narrow(1074)), narrow(52));
  Value* bits = b.CreateAdd(field, b.CreateTrunc(kept, i64));
  bits = b.CreateBinaryIntrinsic(llvm::Intrinsic::umin, bits, narrow(uint64_t{0x7ff} << 52));
  bits = b.CreateOr(bits, b.CreateShl(b.CreateZExt(negative, i64), narrow(63)));
  Value* result = b.CreateBitCast(bits, type);

  // Zeros and infinities follow from rounding twice.
  Value* plain = b.CreateFAdd(b.CreateFMul(x.value, y.value), z.value);
  Value* finite_product = b.CreateAnd(x.finite, y.finite);
  Value* zero_product = b.CreateOr(x.zero, y.zero);
  Value* special = b.CreateOr(b.CreateOr(zero_product, cancelled), b.CreateNot(finite_product));
  result = b.CreateSelect(special, plain, result);
  // A product that underflows keeps its sign beside a zero addend.
  Value* product_alone = b.CreateAnd(z.zero, b.CreateAnd(finite_product, b.CreateNot(zero_product)));
  result = b.CreateSelect(product_alone, b.CreateFMul(x.value, y.value), result);
  // A huge product must not meet an infinite addend.
  b.CreateRet(b.CreateSelect(b.CreateAnd(finite_product, b.CreateNot(z.finite)), z.value, result));
  return f;
}

// Applies a routine over `width` elements to a vector of any length, or to a scalar.
Value* CallInPieces(Builder& b, llvm::Function* routine, unsigned width, Value* x, Value* y, Value* z) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(x->getType());
  const unsigned lanes = vector ? vector->getNumElements() : 1;
  const auto element = [&](Value* v, unsigned lane) { return vector ? b.CreateExtractElement(v, uint64_t{lane}) : v; };
  Value* result = vector ? llvm::PoisonValue::get(vector) : nullptr;
  for (unsigned first = 0; first < lanes; first += width) {
    const auto piece = [&](Value* v) -> Value* {
      if (width == 1) return element(v, first);
      if (vector && lanes % width == 0) {
        llvm::SmallVector<int, 8> indices;
        for (unsigned i = 0; i < width; ++i) indices.push_back(static_cast<int>(first + i));
        return b.CreateShuffleVector(v, indices);
      }
      Value* p = llvm::Constant::getNullValue(llvm::FixedVectorType::get(v->getType()->getScalarType(), width));
      for (unsigned i = 0; i < width && first + i < lanes; ++i)
        p = b.CreateInsertElement(p, element(v, first + i), uint64_t{i});
      return p;
    };
    Value* r = b.CreateCall(routine, {piece(x), piece(y), piece(z)});
    if (!vector) return width == 1 ? r : b.CreateExtractElement(r, uint64_t{0});
    for (unsigned i = 0; i < width && first + i < lanes; ++i) {
      Value* e = width == 1 ? r : b.CreateExtractElement(r, uint64_t{i});
      result = b.CreateInsertElement(result, e, uint64_t{first + i});
    }
  }
  return result;
}

}  // namespace

Value* EmitFma(Builder& builder, const ir::Target& target, Value* a, Value* b, Value* c) {
  if (target.has_fma()) return builder.CreateIntrinsic(llvm::Intrinsic::fma, {a->getType()}, {a, b, c});
  llvm::Module& module = *builder.GetInsertBlock()->getModule();
  if (a->getType()->getScalarType()->isFloatTy()) return CallInPieces(builder, SingleRoutine(module), 4, a, b, c);
  CHECK(a->getType()->getScalarType()->isDoubleTy()) << "fma of a type that is not a float";
  return CallInPieces(builder, DoubleRoutine(module), 1, a, b, c);
}

}  // namespace gradus::codegen
