#include "codegen/reduction.h"

#include <limits>

#include "codegen/algebra.h"
#include "codegen/elementwise.h"
#include "ir/check.h"

namespace gradus::codegen {

using ir::DType;
using ir::Op;
using llvm::Value;

Reduction::Reduction(const ir::Statement& statement, const ir::Target& target)
    : statement_(&statement),
      target_(target),
      is_arg_(statement.op == Op::kArgMax || statement.op == Op::kArgMin),
      greatest_(statement.op == Op::kArgMax || statement.op == Op::kReduceMax),
      type_(statement.operands[0]->type.element) {}

Carried Reduction::Neutral(Builder& b, int lanes) const {
  llvm::Type* type = RegisterType(b, type_, lanes);
  if (statement_->op == Op::kReduceSum) return {llvm::Constant::getNullValue(type)};
  Value* value = nullptr;
  if (ir::IsFloat(type_)) {
    value = llvm::ConstantFP::getInfinity(type, /*Negative=*/greatest_);
  } else {
    const unsigned bits = type->getScalarSizeInBits();
    const bool is_unsigned = type_ == DType::kU8 || type_ == DType::kBool;
    const llvm::APInt least = is_unsigned ? llvm::APInt::getMinValue(bits) : llvm::APInt::getSignedMinValue(bits);
    const llvm::APInt greatest = is_unsigned ? llvm::APInt::getMaxValue(bits) : llvm::APInt::getSignedMaxValue(bits);
    value = llvm::ConstantInt::get(type, greatest_ ? least : greatest);
  }
  if (!is_arg_) return {value};
  return {value, llvm::ConstantInt::get(RegisterType(b, DType::kI32, lanes), std::numeric_limits<int32_t>::max())};
}

Carried Reduction::Element(Value* value, Value* index) const {
  if (is_arg_) return {value, index};
  return {value};
}

Carried Reduction::Join(Builder& b, const Carried& left, const Carried& right, Value* mask, int lanes) const {
  if (!is_arg_) {
    const Op op = statement_->op == Op::kReduceSum ? Op::kAdd : greatest_ ? Op::kMaximum : Op::kMinimum;
    Value* joined = EmitElementwise(b, target_, op, type_, type_, {left[0], right[0]}, lanes);
    return {mask == nullptr ? joined : b.CreateSelect(mask, joined, left[0])};
  }
  // Not a number comes first, then the greatest (least); among equals the first index.
  Value* better = nullptr;
  Value* same = nullptr;
  if (ir::IsFloat(type_)) {
    Value* left_nan = b.CreateFCmpUNO(left[0], left[0]);
    Value* right_nan = b.CreateFCmpUNO(right[0], right[0]);
    better = greatest_ ? b.CreateFCmpOGT(right[0], left[0]) : b.CreateFCmpOLT(right[0], left[0]);
    better = b.CreateOr(better, b.CreateAnd(right_nan, b.CreateNot(left_nan)));
    same = b.CreateOr(b.CreateFCmpOEQ(left[0], right[0]), b.CreateAnd(left_nan, right_nan));
  } else {
    const bool is_unsigned = type_ == DType::kU8 || type_ == DType::kBool;
    const auto greater = is_unsigned ? llvm::CmpInst::ICMP_UGT : llvm::CmpInst::ICMP_SGT;
    better = greatest_ ? b.CreateICmp(greater, right[0], left[0]) : b.CreateICmp(greater, left[0], right[0]);
    same = b.CreateICmpEQ(left[0], right[0]);
  }
  Value* take = b.CreateOr(better, b.CreateAnd(same, b.CreateICmpSLT(right[1], left[1])));
  if (mask != nullptr) take = b.CreateAnd(take, mask);
  return {b.CreateSelect(take, right[0], left[0]), b.CreateSelect(take, right[1], left[1])};
}

Carried Reduction::Tree(Builder& b, const Carried& lanes) const {
  Carried current = lanes;
  for (int width = 8; width >= 1; width /= 2) {
    Carried low, high;
    for (Value* v : current) {
      if (width == 1) {
        low.push_back(b.CreateExtractElement(v, uint64_t{0}));
        high.push_back(b.CreateExtractElement(v, uint64_t{1}));
        continue;
      }
      std::vector<int> first, second;
      for (int i = 0; i < width; ++i) {
        first.push_back(i);
        second.push_back(i + width);
      }
      low.push_back(b.CreateShuffleVector(v, first));
      high.push_back(b.CreateShuffleVector(v, second));
    }
    current = Join(b, low, high, nullptr, width == 1 ? 0 : width);
  }
  return current;
}

}  // namespace gradus::codegen
