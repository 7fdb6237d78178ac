// The algebra of ir/algebra.h over LLVM values: Native<bits, signed>, where one formula emits scalar or vector code.
//
// The instruction builder, the target and the number of lanes are those of the innermost EmitScope of the thread;
// lanes 0 means scalars. Masks are i1 or <lanes x i1>. Constants fold with IEEE arithmetic in LLVM.
#pragma once

#include "codegen/software_fma.h"
#include "ir/target.h"
#include "ir/type.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Intrinsics.h"

namespace gradus::codegen {

class EmitScope {
 public:
  EmitScope(llvm::IRBuilder<>& builder, const ir::Target& target, int lanes)
      : builder_(builder), target_(target), lanes_(lanes), outer_(current_) {
    current_ = this;
  }
  ~EmitScope() { current_ = outer_; }
  EmitScope(const EmitScope&) = delete;

  static llvm::IRBuilder<>& builder() { return current_->builder_; }
  static const ir::Target& target() { return current_->target_; }
  // `scalar`, or a vector of it.
  static llvm::Type* OfLanes(llvm::Type* scalar) {
    return current_->lanes_ == 0 ? scalar : llvm::FixedVectorType::get(scalar, current_->lanes_);
  }

 private:
  llvm::IRBuilder<>& builder_;
  const ir::Target& target_;
  int lanes_;
  EmitScope* outer_;
  static inline thread_local EmitScope* current_ = nullptr;
};

template <int kWidth, bool kIsSigned = true>
struct Native {
  using V = llvm::Value*;
  using Float = V;
  using Integer = V;
  using Mask = V;
  static constexpr int kBits = kWidth;
  static constexpr bool kSigned = kIsSigned;

  static llvm::IRBuilder<>& b() { return EmitScope::builder(); }
  static llvm::Type* FloatType() { return EmitScope::OfLanes(kBits == 32 ? b().getFloatTy() : b().getDoubleTy()); }
  static llvm::Type* IntegerType() { return EmitScope::OfLanes(b().getIntNTy(kBits)); }
  static V Call(llvm::Intrinsic::ID id, V x) { return b().CreateUnaryIntrinsic(id, x); }

  static V MaskLiteral(bool value) { return llvm::ConstantInt::get(EmitScope::OfLanes(b().getInt1Ty()), value); }
  static V MaskAnd(V x, V y) { return b().CreateAnd(x, y); }
  static V MaskOr(V x, V y) { return b().CreateOr(x, y); }
  static V MaskXor(V x, V y) { return b().CreateXor(x, y); }
  static V MaskNot(V x) { return b().CreateNot(x); }

  static V Literal(double value) {
    return llvm::ConstantFP::get(FloatType(), kBits == 32 ? static_cast<double>(static_cast<float>(value)) : value);
  }
  static V Add(V x, V y) { return b().CreateFAdd(x, y); }
  static V Subtract(V x, V y) { return b().CreateFSub(x, y); }
  static V Multiply(V x, V y) { return b().CreateFMul(x, y); }
  // LLVM 22 takes a lane where both operands are known to be 0 for a quotient of 0, not NaN (its instruction selection,
  // SimplifyDemandedVectorElts), and drops the mask of such lanes. The fence, which is no instruction, hides what is
  // known of the divisor.
  static V Divide(V x, V y) {
    if (!y->getType()->isVectorTy() || llvm::isa<llvm::Constant>(y)) return b().CreateFDiv(x, y);
    return b().CreateFDiv(x, b().CreateIntrinsic(llvm::Intrinsic::arithmetic_fence, {y->getType()}, {y}));
  }
  static V Negate(V x) { return b().CreateFNeg(x); }
  static V Abs(V x) { return Call(llvm::Intrinsic::fabs, x); }
  static V Fma(V x, V y, V z) { return EmitFma(b(), EmitScope::target(), x, y, z); }
  static V Sqrt(V x) { return Call(llvm::Intrinsic::sqrt, x); }
  static V Floor(V x) { return Call(llvm::Intrinsic::floor, x); }
  static V Ceil(V x) { return Call(llvm::Intrinsic::ceil, x); }
  static V RoundEven(V x) { return Call(llvm::Intrinsic::roundeven, x); }
  static V Less(V x, V y) { return b().CreateFCmpOLT(x, y); }
  static V LessEqual(V x, V y) { return b().CreateFCmpOLE(x, y); }
  static V Equal(V x, V y) { return b().CreateFCmpOEQ(x, y); }
  static V Select(V c, V x, V y) { return b().CreateSelect(c, x, y); }
  static V ToBits(V x) { return b().CreateBitCast(x, IntegerType()); }
  static V FromBits(V x) { return b().CreateBitCast(x, FloatType()); }

  static V IntegerLiteral(int64_t value) {
    return llvm::ConstantInt::get(IntegerType(), llvm::APInt(64, static_cast<uint64_t>(value)).trunc(kBits));
  }
  static V IntegerAdd(V x, V y) { return b().CreateAdd(x, y); }
  static V IntegerSubtract(V x, V y) { return b().CreateSub(x, y); }
  static V IntegerMultiply(V x, V y) { return b().CreateMul(x, y); }
  static V Quotient(V x, V y) { return kSigned ? b().CreateSDiv(x, y) : b().CreateUDiv(x, y); }
  static V IntegerAnd(V x, V y) { return b().CreateAnd(x, y); }
  static V IntegerOr(V x, V y) { return b().CreateOr(x, y); }
  static V IntegerXor(V x, V y) { return b().CreateXor(x, y); }
  static V ShiftLeft(V x, int bits) { return b().CreateShl(x, bits); }
  static V ShiftRight(V x, int bits) { return kSigned ? b().CreateAShr(x, bits) : b().CreateLShr(x, bits); }
  static V ShiftRightLogical(V x, int bits) { return b().CreateLShr(x, bits); }
  static V IntegerLess(V x, V y) { return kSigned ? b().CreateICmpSLT(x, y) : b().CreateICmpULT(x, y); }
  static V IntegerEqual(V x, V y) { return b().CreateICmpEQ(x, y); }
  static V IntegerSelect(V c, V x, V y) { return b().CreateSelect(c, x, y); }
};

}  // namespace gradus::codegen
