#include <cmath>
#include <limits>

#include "ir/infer.h"
#include "passes/simplify_rules.h"

namespace gradus::passes {

using ir::Op;
using ir::Statement;
using ir::Value;

Value* Rewriter::Shaped(Value* value, const ir::Shape& shape) {
  return value->type.shape == shape ? value : builder.Emit(Op::kBroadcast, {value}, {shape});
}

Value* Rewriter::Uniform(const ir::Type& type, double number) {
  return Shaped(builder.Scalar(type.element, number), type.shape);
}

const Statement* As(const Value* value, Op op) {
  return value->definition != nullptr && value->definition->op == op ? value->definition : nullptr;
}

absl::optional<double> LiteralNumber(const Value* value) {
  const Statement* s = As(value, Op::kConstant);
  if (s == nullptr || value->type.rank() != 0) return absl::nullopt;
  return ir::Dispatch(value->type.element, [&](auto tag) -> absl::optional<double> {
    using T = decltype(tag);
    const T number = s->literal->template data<T>()[0];
    const auto as_double = static_cast<double>(number);
    // An i64 beyond 2⁵³ is no double.
    if (std::is_same_v<T, int64_t> && std::abs(as_double) > 9007199254740992.0) return absl::nullopt;
    return as_double;
  });
}

absl::optional<double> UniformNumber(const Value* value) {
  while (const Statement* s = value->definition) {
    if (s->op != Op::kBroadcast && s->op != Op::kReshape) break;
    value = s->operands[0];
  }
  return LiteralNumber(value);
}

bool IsPowerOfTwo(double x) {
  int exponent = 0;
  return std::isfinite(x) && std::abs(std::frexp(x, &exponent)) == 0.5 && std::abs(exponent) <= 32;
}

namespace {

bool Is(const Value* value, double number) {
  const absl::optional<double> uniform = UniformNumber(value);
  return uniform.has_value() && *uniform == number;
}

Value* Negated(Rewriter& r, Value* value) { return r.builder.Emit(Op::kNeg, {value}); }

Value* SimplifyAdd(Rewriter& r, const Statement& s) {
  Value* a = s.operands[0];
  Value* b = s.operands[1];
  if (Is(b, 0)) return r.Shaped(a, s.result()->type.shape);
  if (Is(a, 0)) return r.Shaped(b, s.result()->type.shape);
  if (const Statement* neg = As(b, Op::kNeg)) return r.builder.Emit(Op::kSub, {a, neg->operands[0]});
  if (const Statement* neg = As(a, Op::kNeg)) return r.builder.Emit(Op::kSub, {b, neg->operands[0]});
  return nullptr;
}

Value* SimplifySub(Rewriter& r, const Statement& s) {
  Value* a = s.operands[0];
  Value* b = s.operands[1];
  if (Is(b, 0)) return r.Shaped(a, s.result()->type.shape);
  if (Is(a, 0)) return r.Shaped(Negated(r, b), s.result()->type.shape);
  if (const Statement* neg = As(b, Op::kNeg)) return r.builder.Emit(Op::kAdd, {a, neg->operands[0]});
  return nullptr;
}

Value* SimplifyNeg(Rewriter& r, const Statement& s) {
  const Value* x = s.operands[0];
  if (const Statement* neg = As(x, Op::kNeg)) return neg->operands[0];
  const Statement* sub = As(x, Op::kSub);
  if (sub != nullptr && r.HasOneUse(x)) return r.builder.Emit(Op::kSub, {sub->operands[1], sub->operands[0]});
  return nullptr;
}

Value* SimplifySelect(Rewriter& r, const Statement& s) {
  Value* condition = s.operands[0];
  Value* a = s.operands[1];
  Value* b = s.operands[2];
  const ir::Shape& shape = s.result()->type.shape;
  if (const absl::optional<double> known = UniformNumber(condition)) return r.Shaped(*known != 0 ? a : b, shape);
  if (a == b) return r.Shaped(a, shape);
  if (const Statement* no = As(condition, Op::kNot)) return r.builder.Emit(Op::kSelect, {no->operands[0], b, a});
  // The same question asked again has the same answer.
  const auto shaped = [&](const Value* x, const Value* y, const Value* z) {
    const auto xy = ir::BroadcastShapes(x->type.shape, y->type.shape);
    const auto xyz = xy.ok() ? ir::BroadcastShapes(*xy, z->type.shape) : xy;
    return xyz.ok() && *xyz == shape;
  };
  const Statement* inner = As(a, Op::kSelect);
  if (inner != nullptr && inner->operands[0] == condition && shaped(condition, inner->operands[1], b)) {
    return r.builder.Emit(Op::kSelect, {condition, inner->operands[1], b});
  }
  inner = As(b, Op::kSelect);
  if (inner != nullptr && inner->operands[0] == condition && shaped(condition, a, inner->operands[2])) {
    return r.builder.Emit(Op::kSelect, {condition, a, inner->operands[2]});
  }
  return nullptr;
}

Value* SimplifyLogic(Rewriter& r, const Statement& s) {
  if (s.op == Op::kNot) {
    const Statement* no = As(s.operands[0], Op::kNot);
    return no != nullptr ? no->operands[0] : nullptr;
  }
  const bool neutral = s.op == Op::kAnd;  // x and true, x or false
  for (int i = 0; i < 2; ++i) {
    const absl::optional<double> known = UniformNumber(s.operands[i]);
    if (!known.has_value()) continue;
    if ((*known != 0) == neutral) return r.Shaped(s.operands[1 - i], s.result()->type.shape);
    return r.Uniform(s.result()->type, *known);
  }
  if (s.operands[0] == s.operands[1]) return s.operands[0];
  return nullptr;
}

// `0 < x` reads `x > 0`.
Value* SimplifyCompare(Rewriter& r, const Statement& s) {
  if (!LiteralNumber(s.operands[0]).has_value() || LiteralNumber(s.operands[1]).has_value()) return nullptr;
  Op mirrored = s.op;
  if (s.op == Op::kLess) mirrored = Op::kGreater;
  if (s.op == Op::kLessEqual) mirrored = Op::kGreaterEqual;
  if (s.op == Op::kGreater) mirrored = Op::kLess;
  if (s.op == Op::kGreaterEqual) mirrored = Op::kLessEqual;
  return r.builder.Emit(mirrored, {s.operands[1], s.operands[0]});
}

// Whether every value of `from` has an equal one in `to`.
bool IsExact(ir::DType from, ir::DType to) {
  using ir::DType;
  if (from == to || from == DType::kBool) return true;
  switch (from) {
    case DType::kU8:
      return to != DType::kBool;
    case DType::kI32:
      return to == DType::kI64 || to == DType::kF64;
    case DType::kF32:
      return to == DType::kF64;
    default:
      return false;
  }
}

Value* SimplifyConvert(Rewriter& r, const Statement& s) {
  Value* x = s.operands[0];
  const ir::DType to = s.TypeAttribute("type");
  if (x->type.element == to) return x;
  const Statement* inner = As(x, Op::kConvert);
  if (inner == nullptr) return nullptr;
  Value* source = inner->operands[0];
  if (!IsExact(source->type.element, x->type.element)) return nullptr;
  if (source->type.element == to) return source;
  return r.builder.Emit(Op::kConvert, {source}, {to});
}

}  // namespace

Value* SimplifyElementwise(Rewriter& r, const Statement& s) {
  switch (s.op) {
    case Op::kAdd:
      return SimplifyAdd(r, s);
    case Op::kSub:
      return SimplifySub(r, s);
    case Op::kNeg:
      return SimplifyNeg(r, s);
    case Op::kSelect:
      return SimplifySelect(r, s);
    case Op::kConvert:
      return SimplifyConvert(r, s);
    default:
      break;
  }
  if (ir::Info(s.op).family == ir::OpFamily::kLogic) return SimplifyLogic(r, s);
  if (ir::Info(s.op).family == ir::OpFamily::kCompare) return SimplifyCompare(r, s);
  return nullptr;
}

Value* SinkBroadcasts(Rewriter& r, const Statement& s) {
  if (!ir::IsElementwise(s.op)) return nullptr;
  std::vector<Value*> operands = s.operands;
  bool found = false;
  for (Value*& operand : operands) {
    while (const Statement* broadcast = As(operand, Op::kBroadcast)) {
      operand = broadcast->operands[0];
      found = true;
    }
  }
  if (!found) return nullptr;
  Value* value = r.builder.Emit(s.op, std::move(operands), s.attributes);
  return r.Shaped(value, s.result()->type.shape);
}

}  // namespace gradus::passes
