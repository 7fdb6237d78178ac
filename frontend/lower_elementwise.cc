#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/lowering.h"
#include "frontend/static_math.h"
#include "ir/infer.h"

namespace gradus::frontend {
namespace {

// `add f32[2] and f32[3]`: how a sentence says it.
std::string Sentence(ir::Op op, absl::Span<ir::Value* const> values) {
  const auto type = [&](size_t i) { return ir::ToString(values[i]->type); };
  switch (op) {
    case ir::Op::kAdd:
      return absl::StrCat("add ", type(0), " and ", type(1));
    case ir::Op::kSub:
      return absl::StrCat("subtract ", type(1), " from ", type(0));
    case ir::Op::kMul:
      return absl::StrCat("multiply ", type(0), " and ", type(1));
    case ir::Op::kDiv:
    case ir::Op::kFloorDiv:
      return absl::StrCat("divide ", type(0), " by ", type(1));
    default:
      break;
  }
  if (ir::Info(op).family == ir::OpFamily::kCompare) return absl::StrCat("compare ", type(0), " with ", type(1));
  return absl::StrCat("apply ", ir::Info(op).mnemonic, " to ",
                      absl::StrJoin(values, " and ", [](std::string* out, const ir::Value* v) {
                        absl::StrAppend(out, ir::ToString(v->type));
                      }));
}

}  // namespace

void Lowering::Added(ir::Value* value) {
  level_[value] = regions_.size();
  serial_[value] = created_++;
  defined_.emplace(value, UserPlace(place_));
}

ir::Value* Lowering::Emit(Op op, std::vector<ir::Value*> operands, std::vector<ir::AttributeValue> attributes) {
  for (ir::Value*& operand : operands) {
    if (operand == nullptr) return nullptr;
    operand = Import(operand);
  }
  builder_.SetNote(NoteAt(place_));
  auto value = builder_.Add(op, operands, std::move(attributes));
  if (!value.ok()) {
    WithOperands(Error(place_, value.status()), operands);
    return nullptr;
  }
  Added(*value);
  return *value;
}

Operand Lowering::AsOperand(ir::Value* value, SourceRange where) {
  // What stands in the library says nothing to the reader of the message; the value's name does.
  return {Import(value), IsLibrary(where) ? SourceRange() : where, ""};
}

Item Lowering::Made(ir::Value* value) {
  auto& statements = builder_.region().statements;
  for (auto it = statements.rbegin();
       it != statements.rend() && !(*it)->results.empty() && level_.count((*it)->result()) == 0; ++it) {
    Added((*it)->result());
  }
  return value == nullptr ? Item(Poison()) : Item(TensorItem{value});
}

Item Lowering::EmitItem(Op op, std::vector<ir::Value*> operands, std::vector<ir::AttributeValue> attributes) {
  ir::Value* value = Emit(op, std::move(operands), std::move(attributes));
  return value == nullptr ? Item(Poison()) : Item(TensorItem{value});
}

ir::Value* Lowering::Constant(ir::Tensor value) {
  builder_.SetNote(NoteAt(place_));
  ir::Value* constant = builder_.Constant(std::move(value));
  Added(constant);
  return constant;
}

ir::Value* Lowering::ConvertTo(ir::Value* value, ir::DType type) {
  if (value == nullptr || value->type.element == type) return value;
  return Emit(Op::kConvert, {value}, {type});
}

ir::Value* Lowering::Import(ir::Value* value) { return ImportAt(value, regions_.size()); }

ir::Value* Lowering::ImportAt(ir::Value* value, size_t level) {
  const auto known = level_.find(value);
  if (level == 0 || (known != level_.end() && known->second == level)) return value;
  if (value->definition != nullptr && value->definition->op == Op::kConstant && value->type.rank() == 0 &&
      level == regions_.size()) {
    return Constant(*value->definition->literal);
  }
  RegionContext& context = regions_[level - 1];
  if (const auto found = context.captured.find(value); found != context.captured.end()) return found->second;
  ir::Value* outer = ImportAt(value, level - 1);
  context.statement->operands.push_back(outer);
  context.region->parameters.push_back(std::make_unique<ir::Value>(
      ir::Value{.index = static_cast<int>(context.region->parameters.size()), .type = value->type}));
  ir::Value* parameter = context.region->parameters.back().get();
  level_[parameter] = level;
  context.captured[value] = parameter;
  return parameter;
}

namespace {

// What would make two shapes fit that do not.
std::string ShapeHelp(const ir::Shape& a, const ir::Shape& b) {
  const auto column_of = [](const ir::Shape& x, const ir::Shape& y) {
    return x.size() == 2 && x[1] == 1 && !y.empty() && y.back() == x[0];
  };
  if (column_of(b, a)) return absl::StrCat("as a row the second operand would fit: .T, or declared [", b[0], "]");
  if (column_of(a, b)) return absl::StrCat("as a row the first operand would fit: .T, or declared [", a[0], "]");
  if (a.size() == 2 && b.size() == 2 && a[0] == b[1] && a[1] == b[0]) return "one of them transposed would fit: .T";
  const auto elements = [](const ir::Shape& shape) {
    ir::Size size = 1;
    for (const int64_t extent : shape) size = size * ir::Size(extent);
    return size;
  };
  if (elements(a).ok() && elements(a) == elements(b)) {
    return absl::StrCat("both have ", elements(a).value(), " elements: reshape(…, ", ir::ToString(a), ") would fit");
  }
  return "";
}

}  // namespace

Item Lowering::ReportBroadcast(Op op, absl::Span<ir::Value* const> values, SourceRange where) {
  ir::Shape shape = values[0]->type.shape;
  for (const ir::Value* value : values) {
    const ir::Shape& other = value->type.shape;
    auto both = ir::BroadcastShapes(shape, other);
    if (both.ok()) {
      shape = *both;
      continue;
    }
    Diagnostic& diagnostic = Error(ErrorKind::kBroadcastMismatch, where,
                                   absl::StrCat("cannot ", Sentence(op, values), ": ", both.status().message()));
    WithOperands(diagnostic, values);
    const auto from_argmax = [](const ir::Value* value) {
      return value->definition != nullptr && value->definition->op == Op::kArgMax;
    };
    if (values.size() == 2 && from_argmax(values[0]) && other.size() == shape.size() + 1) {
      diagnostic.Help("labels with a number for each class have the number of theirs in argmax(labels, axis=-1)");
      return Poison();
    }
    if (op == Op::kMul && values.size() == 2 && shape.size() == 2 && other.size() == 2 && shape[1] == other[0]) {
      diagnostic.Help("`*` multiplies element by element; the product of matrices is @, and would fit");
      return Poison();
    }
    // The likely cause: a row of numbers an example meets one number an example.
    if (values.size() == 2 && shape.size() == 2 && other.size() == 1 && shape[0] == other[0]) {
      diagnostic.Help("a new last axis would fit: the second operand with [:, none]");
    } else if (values.size() == 2 && other.size() == 2 && shape.size() == 1 && other[0] == shape[0]) {
      diagnostic.Help("a new last axis would fit: the first operand with [:, none]");
    } else if (values.size() == 2) {
      const std::string help = ShapeHelp(shape, other);
      if (!help.empty()) diagnostic.Help(help);
    }
    return Poison();
  }
  return Poison();
}

Item Lowering::Elementwise(Op op, const Items& operands, SourceRange where) {
  const ir::OpInfo& info = ir::Info(op);
  const bool select = op == Op::kSelect;
  bool all_static = true, any_strong = false;
  absl::optional<ir::DType> element;
  std::vector<Number> numbers;
  for (size_t i = 0; i < operands.size(); ++i) {
    const Item& operand = operands[i];
    if (operand.poisoned()) return Poison();
    if (const Number* number = operand.As<Number>()) {
      numbers.push_back(*number);
    } else {
      all_static = false;
    }
    const TensorItem* tensor = operand.As<TensorItem>();
    if (tensor == nullptr || (select && i == 0)) continue;
    if (!tensor->weak && !any_strong) element = tensor->value->type.element;
    any_strong |= !tensor->weak;
  }
  if (all_static && !select) {
    auto result = EvaluateStatic(op, numbers);
    if (!result.ok()) return Fail(where, result.status());
    return *std::move(result);
  }
  if (select && operands[0].As<bool>() != nullptr) return *operands[0].As<bool>() ? operands[1] : operands[2];
  bool weak = false;
  if (!element) {
    // A weak bool is the condition of a `where` between numbers that depend on the step.
    for (const Item& operand : operands) {
      const TensorItem* tensor = operand.As<TensorItem>();
      weak |= tensor != nullptr && tensor->weak && (select || tensor->value->type.element == ir::DType::kF64);
    }
    if (weak) element = ir::DType::kF64;
  }
  if (!element) {
    // Literals alone: a float among them decides.
    for (size_t i = select ? 1 : 0; i < operands.size(); ++i) {
      const auto natural = NaturalType(operands[i]);
      if (natural && (!element || ir::IsFloat(*natural))) element = natural;
    }
  }
  Restore place(place_, place_.file != nullptr ? place_ : where);
  std::vector<ir::Value*> values;
  for (size_t i = 0; i < operands.size(); ++i) {
    const bool condition = select && i == 0;
    values.push_back(AsTensor(operands[i], where, condition ? absl::optional<ir::DType>(ir::DType::kBool) : element));
    if (values.back() == nullptr) return Poison();
  }
  const absl::Span<ir::Value* const> typed = absl::MakeConstSpan(values).subspan(select ? 1 : 0);
  for (const ir::Value* value : typed) {
    if (!ir::Contains(info.types, value->type.element)) {
      Diagnostic& diagnostic = Error(
          op == Op::kDiv ? ErrorKind::kIntegerDivision : ErrorKind::kNumberTypeNeeded, where,
          absl::StrCat("cannot ", Sentence(op, values), ": ", info.mnemonic, " needs ", ir::Describe(info.types)));
      WithOperands(diagnostic, values);
      if (op == Op::kDiv && ir::IsInteger(value->type.element)) {
        diagnostic.Help("`//` divides integers and rounds down; float(x) converts");
      } else if (info.types == ir::TypeSet::kFloating) {
        diagnostic.Help("float(x) converts");
      }
      return Poison();
    }
    if (value->type.element != typed[0]->type.element) {
      Diagnostic& error =
          WithOperands(Error(ErrorKind::kElementTypesDiffer, where,
                             absl::StrCat("cannot ", Sentence(op, values), ": the element types differ")),
                       values);
      const bool first = ir::IsFloat(value->type.element) && !ir::IsFloat(typed[0]->type.element);
      const ir::Value& narrow = first ? *typed[0] : *value;
      const ir::Value& wide = first ? *value : *typed[0];
      if (const LoopScope::Carry* carry = WholeCarry(narrow); carry != nullptr && ir::IsFloat(wide.type.element)) {
        error.Help(BeginAsFloat(*carry));
      } else {
        error.Help(absl::StrCat("convert one of them, as in ", ir::Name(wide.type.element), "(",
                                narrow.name.empty() ? "…" : narrow.name, ")"));
      }
      return Poison();
    }
  }
  if (select && values[0]->type.element != ir::DType::kBool) {
    return Fail(ErrorKind::kConditionNotBool, where,
                absl::StrCat("where needs a bool condition, found ", ir::ToString(values[0]->type)));
  }
  ir::Shape shape;
  for (const ir::Value* value : values) {
    auto both = ir::BroadcastShapes(shape, value->type.shape);
    if (!both.ok()) return ReportBroadcast(op, values, where);
    shape = *std::move(both);
  }
  WarnOfPairs(values, where);
  ir::Value* result = Emit(op, values);
  if (result == nullptr) return Poison();
  bool of_step = false;
  for (const Item& operand : operands) of_step |= operand.As<TensorItem>() != nullptr && operand.As<TensorItem>()->weak;
  const bool stays_weak = result->type.element == ir::DType::kBool ? of_step && !any_strong
                                                                   : weak && result->type.element == ir::DType::kF64;
  return TensorItem{result, stays_weak};
}

ir::Value* Lowering::IntegerPower(ir::Value* base, int64_t exponent) {
  // By squaring, the highest bit first: x ** 5 = (x²)² · x.
  ir::Value* result = base;
  int bit = 62;
  while (((exponent >> bit) & 1) == 0) --bit;
  for (--bit; bit >= 0; --bit) {
    result = Emit(Op::kMul, {result, result});
    if (result != nullptr) hints_.emplace(result, statement_name_);
    if ((exponent >> bit) & 1) result = Emit(Op::kMul, {result, base});
    if (result == nullptr) return nullptr;
  }
  return result;
}

Item Lowering::Power(const Item& base, const Item& exponent, SourceRange where) {
  const Number* number = exponent.As<Number>();
  const TensorItem* tensor = base.As<TensorItem>();
  if (number == nullptr || tensor == nullptr || number->kind != Number::Kind::kInteger)
    return Elementwise(Op::kPow, {base, exponent}, where);
  ir::Value* value = tensor->value;
  Hint(base, absl::StrCat(statement_name_, ".base"));
  const int64_t n = number->integer;
  if (!ir::Contains(ir::TypeSet::kNumeric, value->type.element)) {
    return Fail(ErrorKind::kNumberTypeNeeded, where,
                absl::StrCat("cannot raise ", ir::ToString(value->type), " to a power: it is no number type"));
  }
  if (n == std::numeric_limits<int64_t>::min())
    return Fail(ErrorKind::kNumberRange, where, "the exponent is out of range");
  if (n == 1) return base;
  if (n == 0) {
    Restore place(place_, where);
    ir::Value* one = Literal(Number::Integer(1), value->type.element, where);
    if (value->type.rank() == 0) return TensorItem{one, tensor->weak};
    return EmitItem(Op::kBroadcast, {one}, {value->type.shape});
  }
  if (n < 0 && ir::IsInteger(value->type.element)) {
    return Fail(ErrorKind::kNegativeIntegerPower, where,
                absl::StrCat("cannot raise ", ir::ToString(value->type), " to the negative power ", n));
  }
  ir::Value* power = IntegerPower(value, n < 0 ? -n : n);
  if (power == nullptr) return Poison();
  const TensorItem result{power, tensor->weak};
  return n > 0 ? Item(result) : Elementwise(Op::kDiv, {Number::Integer(1), result}, where);
}

}  // namespace gradus::frontend
