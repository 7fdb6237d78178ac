#include "ir/infer.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ir/control.h"
#include "ir/error.h"
#include "ir/shape_rules.h"

namespace gradus::ir {
namespace {

using InferFunction = absl::StatusOr<Type> (*)(const Statement&);

InferFunction StructuralRule(Op op) {
  switch (op) {
#define STRUCTURAL(name, ...) \
  case Op::k##name:           \
    return Infer##name;
#include "ir/ops.def"
    default:
      return nullptr;
  }
}

absl::Status CheckAttributes(const Statement& s) {
  const OpInfo& info = Info(s.op);
  if (s.attributes.size() != info.attributes.size()) {
    return ErrorStatus(ErrorKind::kAttributeValue, info.mnemonic, " has ", info.attributes.size(), " attributes (",
                       absl::StrJoin(info.attributes, ", ",
                                     [](std::string* out, const AttributeSchema& a) { absl::StrAppend(out, a.name); }),
                       "), found ", s.attributes.size());
  }
  for (size_t i = 0; i < s.attributes.size(); ++i) {
    if (s.attributes[i].index() != static_cast<size_t>(info.attributes[i].kind)) {
      return ErrorStatus(ErrorKind::kAttributeValue, "attribute ", info.attributes[i].name, " of ", info.mnemonic,
                         " is of another kind");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Type> InferElementwise(const Statement& s) {
  const OpInfo& info = Info(s.op);
  const bool select = s.op == Op::kSelect;
  if (select && s.operands[0]->type.element != DType::kBool) {
    return ErrorStatus(ErrorKind::kConditionNotBool, "where needs a bool condition, found ",
                       ToString(s.operands[0]->type));
  }
  const size_t first = select ? 1 : 0;
  const DType element = s.operands[first]->type.element;
  for (size_t i = first; i < s.operands.size(); ++i) {
    const Type& type = s.operands[i]->type;
    if (!Contains(info.types, type.element)) {
      absl::string_view hint;
      if (s.op == Op::kDiv) hint = "; // divides integers, and float(x) converts";
      return ErrorStatus(ErrorKind::kNumberTypeNeeded, info.mnemonic, " needs ", Describe(info.types), ", found ",
                         ToString(type), hint);
    }
    if (type.element != element) {
      return ErrorStatus(ErrorKind::kElementTypesDiffer, "cannot apply ",
                         info.infix.empty() ? info.mnemonic : info.infix, " to ", ToString(s.operands[first]->type),
                         " and ", ToString(type), ": element types differ; convert one, as in ", Name(element), "(…)");
    }
  }
  Shape shape;
  for (const Value* operand : s.operands) {
    absl::StatusOr<Shape> both = BroadcastShapes(shape, operand->type.shape);
    if (!both.ok()) {
      return ErrorStatus(
          ErrorKind::kBroadcastMismatch, "cannot apply ", info.infix.empty() ? info.mnemonic : info.infix, " to ",
          absl::StrJoin(s.operands, " and ",
                        [](std::string* out, const Value* v) { absl::StrAppend(out, ToString(v->type)); }),
          ": ", both.status().message());
    }
    shape = *std::move(both);
  }
  const bool boolean = info.family == OpFamily::kCompare || info.family == OpFamily::kPredicate;
  DType result = boolean ? DType::kBool : element;
  if (s.op == Op::kConvert) result = s.TypeAttribute("type");
  return Type{result, std::move(shape)};
}

absl::StatusOr<std::vector<Type>> InferGrad(const Statement& s) {
  if (s.operands.size() < 2)
    return ErrorStatus(ErrorKind::kOperandCount, "grad needs a scalar and what to differentiate by");
  const Type& scalar = s.operands[0]->type;
  if (scalar.rank() != 0 || !IsFloat(scalar.element)) {
    return ErrorStatus(ErrorKind::kGradOfNonScalar, "grad needs a floating-point scalar, found ", ToString(scalar),
                       "; sum or mean makes one");
  }
  std::vector<Type> types;
  for (size_t i = 1; i < s.operands.size(); ++i) {
    types.push_back(s.operands[i]->type);
    if (!IsFloat(types.back().element)) {
      return ErrorStatus(ErrorKind::kGradByInteger, "grad differentiates by floating-point values, found ",
                         ToString(types.back()));
    }
  }
  return types;
}

absl::StatusOr<std::vector<Type>> InferCustomVjp(const Statement& s) {
  if (s.operands.empty()) return ErrorStatus(ErrorKind::kOperandCount, "custom_vjp needs a value");
  RETURN_IF_ERROR(CheckParameters(s));
  const int64_t arguments = s.Int("arguments");
  if (arguments < 1 || arguments >= static_cast<int64_t>(s.operands.size())) {
    return ErrorStatus(ErrorKind::kOperandCount, "custom_vjp with arguments=", arguments, " has ",
                       s.operands.size() - 1, " operands after its value");
  }
  if (s.region->parameters[0]->type != s.operands[0]->type) {
    return ErrorStatus(ErrorKind::kVjpShape, "the incoming gradient of custom_vjp has another type than its value");
  }
  std::vector<const Value*> differentiable;
  for (int64_t i = 1; i <= arguments; ++i) {
    if (IsFloat(s.operands[i]->type.element)) differentiable.push_back(s.operands[i]);
  }
  if (differentiable.size() != s.region->yields.size()) {
    return ErrorStatus(ErrorKind::kVjpShape, "vjp returns ", s.region->yields.size(), " gradients for ",
                       differentiable.size(), " floating-point arguments");
  }
  for (size_t i = 0; i < differentiable.size(); ++i) {
    if (s.region->yields[i]->type != differentiable[i]->type) {
      return ErrorStatus(ErrorKind::kVjpShape, "vjp returns ", ToString(s.region->yields[i]->type),
                         " as the gradient of ", differentiable[i]->name, ", which is ",
                         ToString(differentiable[i]->type));
    }
  }
  return std::vector<Type>{s.operands[0]->type};
}

absl::StatusOr<std::vector<Type>> InferSpecial(const Statement& s) {
  switch (s.op) {
    case Op::kNext:
      if (s.operands[0]->definition == nullptr ||
          (s.operands[0]->definition->op != Op::kParam && s.operands[0]->definition->op != Op::kState)) {
        return ErrorStatus(ErrorKind::kNextOfNoState, "next is for a param or a state");
      }
      if (s.operands[0]->type != s.operands[1]->type) {
        return ErrorStatus(ErrorKind::kNextType, "next ", s.operands[0]->name, " is ", ToString(s.operands[0]->type),
                           " but its value is ", ToString(s.operands[1]->type));
      }
      return std::vector<Type>();
    case Op::kBarrier:
      return std::vector<Type>();
    case Op::kGrad:
      return InferGrad(s);
    case Op::kCustomVjp:
      return InferCustomVjp(s);
    case Op::kScan:
      return InferScan(s);
    case Op::kWhile:
      return InferWhile(s);
    case Op::kBranch:
      return InferBranch(s);
    case Op::kFused: {
      RETURN_IF_ERROR(CheckParameters(s));
      std::vector<Type> types;
      for (const Value* yield : s.region->yields) types.push_back(yield->type);
      if (types.empty()) return ErrorStatus(ErrorKind::kRegionYield, "fused yields nothing");
      return types;
    }
    default:
      break;
  }
  CHECK(IsDeclaration(s.op) && s.results.size() == 1) << "a declaration has its type";
  return std::vector<Type>{s.result()->type};
}

absl::Status CheckLimits(const Type& type) {
  if (type.rank() > kMaxRank) {
    return ErrorStatus(ErrorKind::kRankLimit, "rank ", type.rank(), " is above the limit of ", kMaxRank,
                       " (rank limit)");
  }
  for (int64_t extent : type.shape) {
    if (extent < 1) {
      return ErrorStatus(ErrorKind::kExtentTooSmall, "every extent must be at least 1, found ", ToString(type));
    }
  }
  const Size bytes = type.bytes();
  if (!bytes.ok() || bytes.value() > kMaxTensorBytes) {
    return ErrorStatus(ErrorKind::kTensorLimit, ToString(type), " is above the limit of ", kMaxTensorBytes,
                       " bytes a tensor (tensor limit)");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Shape> BroadcastShapes(absl::Span<const int64_t> a, absl::Span<const int64_t> b) {
  Shape shape(std::max(a.size(), b.size()));
  for (size_t i = 0; i < shape.size(); ++i) {  // from the last axis
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) {
      return ErrorStatus(ErrorKind::kBroadcastMismatch, "extents ", x, " and ", y, " of axis -", i + 1, " differ");
    }
    shape[shape.size() - 1 - i] = x == 1 ? y : x;
  }
  return shape;
}

absl::StatusOr<std::vector<Type>> InferTypes(const Statement& statement) {
  const OpInfo& info = Info(statement.op);
  if (info.arity != kVariadic && static_cast<size_t>(info.arity) != statement.operands.size()) {
    return ErrorStatus(ErrorKind::kOperandCount, info.mnemonic, " takes ", info.arity, " operand",
                       info.arity == 1 ? "" : "s", ", found ", statement.operands.size());
  }
  RETURN_IF_ERROR(CheckAttributes(statement));
  std::vector<Type> types;
  if (IsElementwise(statement.op)) {
    ASSIGN_OR_RETURN(Type type, InferElementwise(statement));
    types.push_back(std::move(type));
  } else if (const InferFunction rule = StructuralRule(statement.op)) {
    ASSIGN_OR_RETURN(Type type, rule(statement));
    types.push_back(std::move(type));
  } else {
    ASSIGN_OR_RETURN(types, InferSpecial(statement));
  }
  for (const Type& type : types) RETURN_IF_ERROR(CheckLimits(type));
  return types;
}

}  // namespace gradus::ir
