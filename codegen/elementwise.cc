#include "codegen/elementwise.h"

#include "codegen/algebra.h"
#include "ir/check.h"
#include "ir/math.h"

namespace gradus::codegen {
namespace {

using ir::DType;
using ir::TypeSet;
using llvm::Value;

// Calls f with a default object of the algebra's wrapper for `type`: F, I or B over Native. Only the wrappers that the
// column `types` of a row allows are instantiated, since a row need not make sense for the others.
template <TypeSet kTypes, typename Function>
Value* OverTypes(DType type, Function f) {
  if constexpr (kTypes != TypeSet::kBoolean) {
    if (type == DType::kF32) return f(ir::F<Native<32>>());
    if (type == DType::kF64) return f(ir::F<Native<64>>());
  }
  if constexpr (kTypes == TypeSet::kNumeric || kTypes == TypeSet::kAnyType) {
    if (type == DType::kI32) return f(ir::I<Native<32>>());
    if (type == DType::kI64) return f(ir::I<Native<64>>());
    if (type == DType::kU8) return f(ir::I<Native<8, false>>());
  }
  if constexpr (kTypes == TypeSet::kBoolean || kTypes == TypeSet::kAnyType) {
    if (type == DType::kBool) return f(ir::B<Native<32>>());
  }
  CHECK(false) << "an elementwise row does not take " << ir::Name(type);
  return nullptr;
}

}  // namespace

llvm::Type* RegisterType(llvm::IRBuilder<>& b, DType type, int lanes) {
  llvm::Type* scalar = type == DType::kBool ? b.getInt1Ty() : MemoryType(b, type, 0);
  return lanes == 0 ? scalar : llvm::FixedVectorType::get(scalar, lanes);
}

llvm::Type* MemoryType(llvm::IRBuilder<>& b, DType type, int lanes) {
  llvm::Type* scalar = nullptr;
  switch (type) {
    case DType::kBool:
    case DType::kU8:
      scalar = b.getInt8Ty();
      break;
    case DType::kI32:
      scalar = b.getInt32Ty();
      break;
    case DType::kI64:
      scalar = b.getInt64Ty();
      break;
    case DType::kF32:
      scalar = b.getFloatTy();
      break;
    case DType::kF64:
      scalar = b.getDoubleTy();
      break;
  }
  return lanes == 0 ? scalar : llvm::FixedVectorType::get(scalar, lanes);
}

Value* EmitLiteral(llvm::IRBuilder<>& b, const ir::Tensor& literal, int64_t element, int lanes) {
  llvm::Type* type = RegisterType(b, literal.type().element, lanes);
  return ir::Dispatch(literal.type().element, [&](auto tag) -> Value* {
    using T = decltype(tag);
    const T value = literal.data<T>()[element];
    if constexpr (std::is_floating_point_v<T>) {
      // By its bits: a NaN stays one on its way through double, everything else is exact.
      return llvm::ConstantFP::get(type, static_cast<double>(value));
    } else {
      return llvm::ConstantInt::get(type, static_cast<uint64_t>(static_cast<int64_t>(value)), /*IsSigned=*/true);
    }
  });
}

Value* EmitConvert(llvm::IRBuilder<>& b, Value* value, DType from, DType to, int lanes) {
  if (from == to) return value;
  llvm::Type* type = RegisterType(b, to, lanes);
  if (to == DType::kBool) {
    Value* zero = llvm::Constant::getNullValue(value->getType());
    return ir::IsFloat(from) ? b.CreateFCmpUNE(value, zero) : b.CreateICmpNE(value, zero);
  }
  const bool is_unsigned = from == DType::kBool || from == DType::kU8;
  if (ir::IsFloat(from) && ir::IsFloat(to)) return b.CreateFPCast(value, type);
  if (ir::IsFloat(to)) return is_unsigned ? b.CreateUIToFP(value, type) : b.CreateSIToFP(value, type);
  if (ir::IsFloat(from)) {
    const auto id = to == DType::kU8 ? llvm::Intrinsic::fptoui_sat : llvm::Intrinsic::fptosi_sat;
    return b.CreateIntrinsic(id, {type, value->getType()}, {value});
  }
  return is_unsigned ? b.CreateZExtOrTrunc(value, type) : b.CreateSExtOrTrunc(value, type);
}

Value* EmitElementwise(llvm::IRBuilder<>& builder, const ir::Target& target, ir::Op op, DType type, DType result,
                       absl::Span<Value* const> operands, int lanes) {
  using namespace ir;  // the names in the rows  // NOLINT
  const EmitScope scope(builder, target, lanes);
  switch (op) {
#define UNARY(name, mnemonic, types, y, ...)             \
  case Op::k##name:                                      \
    return OverTypes<TypeSet::types>(type, [&](auto t) { \
      using T = decltype(t);                             \
      const T x = T::Of(operands[0]);                    \
      return (y).raw;                                    \
    });
#define PREDICATE(name, mnemonic, types, y, doc) UNARY(name, mnemonic, types, y, doc)
#define BINARY(name, mnemonic, infix, types, y, ...)     \
  case Op::k##name:                                      \
    return OverTypes<TypeSet::types>(type, [&](auto t) { \
      using T = decltype(t);                             \
      const T a = T::Of(operands[0]);                    \
      const T b = T::Of(operands[1]);                    \
      return (y).raw;                                    \
    });
#define COMPARE(name, mnemonic, infix, types, y, doc) BINARY(name, mnemonic, infix, types, y, doc)
#define TERNARY(name, mnemonic, types, y, ...)           \
  case Op::k##name:                                      \
    return OverTypes<TypeSet::types>(type, [&](auto t) { \
      using T = decltype(t);                             \
      const T a = T::Of(operands[0]);                    \
      const T b = T::Of(operands[1]);                    \
      const T c = T::Of(operands[2]);                    \
      return (y).raw;                                    \
    });
#define LOGIC(name, mnemonic, infix, arity, y, doc)                                                  \
  case Op::k##name: {                                                                                \
    using T = B<Native<32>>;                                                                         \
    [[maybe_unused]] const T a = T::Of(operands[0]), x = a, b = T::Of(operands[arity == 2 ? 1 : 0]); \
    return (y).raw;                                                                                  \
  }
#define SELECT(name, ...) \
  case Op::k##name:       \
    return builder.CreateSelect(operands[0], operands[1], operands[2]);
#define CONVERT(name, ...) \
  case Op::k##name:        \
    return EmitConvert(builder, operands[0], type, result, lanes);
#include "ir/ops.def"
    default:
      break;
  }
  CHECK(false) << Info(op).mnemonic << " is not elementwise";
  return nullptr;
}

}  // namespace gradus::codegen
