// Expressions of printed graphs.
#include "absl/strings/str_cat.h"
#include "frontend/graph_reader.h"
#include "frontend/suggest.h"
#include "ir/op.h"

namespace gradus::frontend {

std::optional<Operand> GraphReader::Result(const ast::Expression& e, ir::Value* value) {
  if (!value) return std::nullopt;
  return Operand{value, e.range, ""};
}

std::optional<Operand> GraphReader::ReadExpression(const ast::Expression& e) {
  if (const auto* node = e.As<ast::Name>()) return ReadName(e, *node);
  if (const auto* node = e.As<ast::Bool>()) return Operand{Number::Bool(node->value), e.range, ""};
  if (const auto* node = e.As<ast::String>()) return Operand{node->value, e.range, ""};
  if (const auto* node = e.As<ast::Number>()) {
    absl::StatusOr<Number> number = ReadNumber(*node);
    if (number.ok()) return Operand{*std::move(number), e.range, ""};
    diagnostics_.Error(e.range, number.status());
    return std::nullopt;
  }
  if (const auto* node = e.As<ast::Unary>()) {
    std::optional<Operand> x = ReadExpression(*node->operand);
    if (!x) return std::nullopt;
    // `-2` is a literal; a negated literal is printed as -f32(2).
    if (node->op == ast::UnaryOperator::kNegate && x->number() && x->number()->kind != Number::Kind::kBool) {
      return Operand{x->number()->Negated(), e.range, ""};
    }
    return Result(e, expressions_.Unary(node->op, node->op_range, *x));
  }
  if (const auto* node = e.As<ast::Binary>()) return ReadBinary(e, *node);
  if (const auto* node = e.As<ast::Call>()) return ReadCall(e, *node);
  if (const auto* node = e.As<ast::Index>()) return ReadIndex(e, *node);
  if (const auto* node = e.As<ast::Member>()) {
    if (node->member.text != "T") {
      diagnostics_.Error(ErrorKind::kGraphSyntax, node->member.range,
                         absl::StrCat("a value of a graph has no `.", node->member.text, "`"));
      return std::nullopt;
    }
    std::optional<Operand> x = ReadTyped(*node->object);
    if (!x) return std::nullopt;
    return Result(e, expressions_.Transpose(e.range, *x));
  }
  if (const auto* node = e.As<ast::List>()) {
    Operand::List items;
    for (const ast::ExpressionPtr& item : node->items) {
      std::optional<Operand> operand = ReadExpression(*item);
      if (!operand) return std::nullopt;
      items.push_back(*std::move(operand));
    }
    return Operand{std::move(items), e.range, ""};
  }
  if (const auto* node = e.As<ast::Region>()) {
    diagnostics_.Error(
        ErrorKind::kGraphSyntax, node->kind.range,
        absl::StrCat("`", node->kind.text, "` with a block stands alone: name = ", node->kind.text, "(…) { … }"));
    return std::nullopt;
  }
  if (e.As<ast::Scan>() || e.As<ast::While>()) {
    diagnostics_.Error(ErrorKind::kGraphSyntax, e.range, "a loop stands alone: name = scan … { … }");
    return std::nullopt;
  }
  if (e.As<ast::Cond>()) {
    diagnostics_.Error(ErrorKind::kGraphSyntax, e.range, "`cond` belongs into a program")
        .Help("a graph has y = branch(p, x, …) { …; yield … }, which is zeros where p does not hold");
    return std::nullopt;
  }
  diagnostics_.Error(ErrorKind::kGraphSyntax, e.range, "this has no meaning in a graph");
  return std::nullopt;
}

std::optional<Operand> GraphReader::ReadTyped(const ast::Expression& e) {
  std::optional<Operand> operand = ReadExpression(e);
  if (operand && operand->number() && operand->number()->kind == Number::Kind::kBool) {
    operand->value = expressions_.Literal(*operand, ir::DType::kBool);
  }
  return operand;
}

std::optional<Operand> GraphReader::ReadName(const ast::Expression& e, const ast::Name& name) {
  const auto found = scope_->values.find(name.text);
  if (found != scope_->values.end()) return Operand{found->second, e.range, ""};
  if (const absl::optional<ir::DType> type = ir::ParseDType(name.text)) return Operand{*type, e.range, ""};
  const auto dim = dims_.find(name.text);
  if (dim != dims_.end()) return Operand{Number::Integer(dim->second), e.range, ""};
  return Result(e, Find(name.text, e.range));
}

ir::Value* GraphReader::Find(const std::string& name, SourceRange where) {
  const auto found = scope_->values.find(name);
  if (found != scope_->values.end()) return found->second;
  if (scope_->failed.contains(name)) return nullptr;
  Diagnostic& error =
      diagnostics_.Error(ErrorKind::kUndefinedValue, where, absl::StrCat("`", name, "` is not defined"));
  if (scope_->region && body_.values.contains(name)) {
    error.Help(
        absl::StrCat("a region sees nothing but its operands and its own values: add ", name, " to the operands"));
    return nullptr;
  }
  const auto later = later_.find(name);
  if (!scope_->region && later != later_.end()) {
    error.Note("it is defined only", later->second);
    return nullptr;
  }
  std::vector<std::string> names;
  for (const auto& [other, value] : scope_->values) names.push_back(other);
  const std::string nearest = Nearest(name, names);
  if (!nearest.empty()) error.Help(absl::StrCat("did you mean `", nearest, "`?"));
  return nullptr;
}

ir::Value* GraphReader::ReadValue(const ast::Expression& e, absl::string_view what) {
  if (const auto* name = e.As<ast::Name>()) return Find(name->text, e.range);
  diagnostics_.Error(ErrorKind::kGraphSyntax, e.range, absl::StrCat(what, " takes values by name"));
  return nullptr;
}

std::optional<Operand> GraphReader::ReadBinary(const ast::Expression& e, const ast::Binary& binary) {
  const bool product = binary.op == ast::BinaryOperator::kMatrixMultiply;
  // `.T` directly under `@` belongs to the contraction.
  auto read = [&](const ast::Expression& side, bool& transposed) -> std::optional<Operand> {
    const auto* member = side.As<ast::Member>();
    transposed = product && member && member->member.text == "T";
    return ReadExpression(transposed ? *member->object : side);
  };
  bool transpose_a = false;
  bool transpose_b = false;
  std::optional<Operand> a = read(*binary.left, transpose_a);
  std::optional<Operand> b = read(*binary.right, transpose_b);
  if (!a || !b) return std::nullopt;
  if (product) return Result(e, expressions_.MatrixMultiply(binary.op_range, *a, transpose_a, *b, transpose_b));
  return Result(e, expressions_.Binary(binary.op, binary.op_range, *a, *b));
}

std::optional<Operand> GraphReader::ReadCall(const ast::Expression& e, const ast::Call& call) {
  const auto* name = call.callee->As<ast::Name>();
  if (!name) {
    diagnostics_.Error(ErrorKind::kGraphSyntax, call.callee->range, "only operations can be called in a graph");
    return std::nullopt;
  }
  const SourceRange callee = call.callee->range;
  std::vector<Operand> arguments;
  for (const ast::Argument& argument : call.arguments) {
    std::optional<Operand> operand = ReadExpression(*argument.value);
    if (!operand) return std::nullopt;
    operand->name = argument.name.text;
    if (!operand->name.empty()) operand->range = argument.name.range.To(argument.value->range);
    arguments.push_back(*std::move(operand));
  }
  if (const absl::optional<ir::DType> type = ir::ParseDType(name->text)) {
    if (arguments.size() == 1 && arguments[0].name.empty())
      return Result(e, expressions_.Cast(callee, *type, arguments[0]));
    diagnostics_.Error(ErrorKind::kConversionArguments, callee, absl::StrCat(name->text, "(x) converts one value"));
    return std::nullopt;
  }
  const absl::optional<ir::Op> op = ir::FindMnemonic(name->text);
  if (!op) {
    std::vector<std::string> mnemonics;
    for (const ir::OpInfo& info : ir::AllOps()) mnemonics.emplace_back(info.mnemonic);
    Diagnostic& error = diagnostics_.Error(ErrorKind::kUnknownOperation, callee,
                                           absl::StrCat("there is no operation `", name->text, "`"));
    const std::string nearest = Nearest(name->text, mnemonics);
    if (!nearest.empty()) error.Help(absl::StrCat("did you mean `", nearest, "`?"));
    return std::nullopt;
  }
  if (ir::Info(*op).family == ir::OpFamily::kSpecial || *op == ir::Op::kConstant) {
    diagnostics_.Error(ErrorKind::kGraphSyntax, callee,
                       absl::StrCat("`", name->text, "` cannot be called inside an expression"));
    return std::nullopt;
  }
  return Result(e, expressions_.Call(callee, *op, std::move(arguments)));
}

std::optional<Operand> GraphReader::ReadIndex(const ast::Expression& e, const ast::Index& index) {
  std::optional<Operand> object = ReadTyped(*index.object);
  if (!object) return std::nullopt;
  std::vector<IndexEntry> entries;
  for (const ast::IndexItem& item : index.items) {
    IndexEntry& entry = entries.emplace_back();
    entry.range = item.range;
    if (!item.is_slice) {
      if (item.value->As<ast::None>()) {
        entry.kind = IndexEntry::Kind::kNewAxis;
      } else if (item.value->As<ast::Ellipsis>()) {
        entry.kind = IndexEntry::Kind::kEllipsis;
      } else {
        const std::optional<int64_t> at = ReadInteger(*item.value, "an index");
        if (!at) return std::nullopt;
        entry.kind = IndexEntry::Kind::kAt;
        entry.at = *at;
      }
      continue;
    }
    for (const auto& [bound, value] :
         {std::make_pair(&item.lower, &entry.lower), std::make_pair(&item.upper, &entry.upper)}) {
      if (!*bound) continue;
      const std::optional<int64_t> number = ReadInteger(**bound, "the bound of a slice");
      if (!number) return std::nullopt;
      *value = *number;
    }
    if (item.step) {
      const std::optional<int64_t> step = ReadInteger(*item.step, "the step of a slice");
      if (!step) return std::nullopt;
      entry.step = *step;
    }
  }
  return Result(e, expressions_.Index(e.range, *object, entries));
}

std::optional<int64_t> GraphReader::ReadInteger(const ast::Expression& e, absl::string_view what) {
  const bool negative = e.As<ast::Unary>() && e.As<ast::Unary>()->op == ast::UnaryOperator::kNegate;
  const ast::Expression& magnitude = negative ? *e.As<ast::Unary>()->operand : e;
  std::optional<int64_t> value;
  if (const auto* literal = magnitude.As<ast::Number>()) {
    const absl::StatusOr<Number> number = ReadNumber(*literal);
    if (!number.ok()) {
      diagnostics_.Error(e.range, number.status());
      return std::nullopt;
    }
    if (number->kind == Number::Kind::kInteger) value = number->integer;
  } else if (const auto* name = magnitude.As<ast::Name>()) {
    const auto dim = dims_.find(name->text);
    if (dim != dims_.end()) value = dim->second;
  }
  if (!value) {
    diagnostics_.Error(ErrorKind::kNotStatic, e.range, absl::StrCat(what, " is a whole number or a dim in a graph"));
    return std::nullopt;
  }
  return negative ? -*value : *value;
}

}  // namespace gradus::frontend
