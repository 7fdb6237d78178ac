// Statements that hold a region, and `grad`.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "frontend/graph_reader.h"
#include "ir/check.h"
#include "ir/infer.h"

namespace gradus::frontend {

std::optional<int64_t> GraphReader::NamedInteger(SourceRange where, const std::vector<ast::Argument>& arguments,
                                                 absl::string_view name) {
  for (const ast::Argument& argument : arguments) {
    if (argument.name.text == name) return ReadInteger(*argument.value, name);
  }
  diagnostics_.Error(ErrorKind::kMissingArgument, where, absl::StrCat(where.text(), " needs `", name, "=`"));
  return std::nullopt;
}

ir::Statement* GraphReader::Append(SourceRange where, std::unique_ptr<ir::Statement> statement,
                                   const std::vector<Operand>& operands) {
  ir::Builder& builder = scope_->builder;
  statement->note = builder.note();
  statement->section = builder.section();
  absl::StatusOr<std::vector<ir::Type>> types = ir::InferTypes(*statement);
  if (!types.ok()) {
    expressions_.Explain(diagnostics_.Error(where, types.status()), operands);
    return nullptr;
  }
  for (ir::Type& type : *types)
    statement->results.push_back(std::make_unique<ir::Value>(ir::Value{.type = std::move(type)}));
  return builder.Append(std::move(statement));
}

// grad(y, [x, …], number=1)
ir::Statement* GraphReader::ReadGrad(const ast::Expression& e, const ast::Call& call) {
  const SourceRange where = call.callee->range;
  const auto* list = call.arguments.size() >= 2 ? call.arguments[1].value->As<ast::List>() : nullptr;
  if (!list || !call.arguments[0].name.text.empty() || !call.arguments[1].name.text.empty() ||
      call.arguments.size() != 3) {
    diagnostics_.Error(ErrorKind::kGraphSyntax, e.range,
                       "the gradient of a graph reads grad(scalar, [x, …], number=k)");
    return nullptr;
  }
  auto statement = std::make_unique<ir::Statement>();
  statement->op = ir::Op::kGrad;
  std::vector<Operand> operands;
  const std::optional<int64_t> number = NamedInteger(where, call.arguments, "number");
  auto add = [&](const ast::Expression& operand) {
    ir::Value* value = ReadValue(operand, "grad");
    statement->operands.push_back(value);
    operands.push_back({value, operand.range, ""});
    return value != nullptr;
  };
  bool ok = number.has_value() && add(*call.arguments[0].value);
  for (const ast::ExpressionPtr& item : list->items) ok = add(*item) && ok;
  if (!ok) return nullptr;
  statement->attributes = {*number};
  return Append(where, std::move(statement), operands);
}

bool GraphReader::ReadRegionBody(const ast::Block& block, bool one_line, ir::Region& region) {
  Scope scope(region);
  scope.region = true;
  for (const auto& parameter : region.parameters) {
    scope.values[parameter->name] = parameter.get();
  }
  Scope* const outer = std::exchange(scope_, &scope);
  expressions_.SetBuilder(scope.builder);
  const ir::Note holder = outer->builder.note();
  const size_t errors = diagnostics_.size();
  bool yielded = false;
  for (const ast::Statement& s : block) {
    if (yielded) {
      diagnostics_.Error(ErrorKind::kRegionYield, s.range, "nothing can follow the `yield` of a region");
      break;
    }
    // On one line with their holder, statements have its origin.
    scope.builder.SetNote(one_line && !s.note ? holder : NoteOf(s.note));
    if (const auto* yield = s.As<ast::Yield>()) {
      scope.builder.SetNote(holder);
      yielded = true;
      for (const ast::ExpressionPtr& value : yield->values) {
        const std::optional<Operand> operand = ReadTyped(*value);
        if (!operand) continue;
        if (operand->tensor()) {
          region.yields.push_back(operand->tensor());
        } else {
          diagnostics_.Error(ErrorKind::kRegionYield, value->range,
                             "a region yields values; a number needs a type, as in f32(0)");
        }
      }
    } else if (s.As<ast::Assignment>()) {
      ReadStatement(s);
    } else {
      diagnostics_.Error(ErrorKind::kRegionYield, s.range, "a region holds values and one `yield`");
    }
  }
  if (!yielded) {
    diagnostics_.Error(ErrorKind::kRegionYield, block.empty() ? SourceRange() : block.back().range,
                       "a region ends in `yield`");
  }
  scope_ = outer;
  expressions_.SetBuilder(outer->builder);
  return diagnostics_.size() == errors;
}

// fused(x, b) { …; yield … } and custom_vjp(y, x, …, arguments=k) vjp(g) { …; yield … }
ir::Statement* GraphReader::ReadRegion(const ast::Expression& e, const ast::Region& region) {
  const SourceRange where = region.kind.range;
  const bool fused = region.kind.text == "fused" && region.body && !region.vjp;
  const bool custom =
      region.kind.text == "custom_vjp" && !region.body && region.vjp && region.vjp_parameters.size() == 1;
  if (!fused && !custom) {
    diagnostics_.Error(ErrorKind::kGraphSyntax, where, absl::StrCat("`", region.kind.text, "` takes no such block"))
        .Help("a graph has fused(x, …) { … } and custom_vjp(y, x, …, arguments=k) vjp(g) { … }");
    return nullptr;
  }
  auto statement = std::make_unique<ir::Statement>();
  statement->op = fused ? ir::Op::kFused : ir::Op::kCustomVjp;
  statement->region = std::make_unique<ir::Region>();
  std::vector<Operand> operands;
  std::string rule;
  bool ok = true;
  auto add_parameter = [&](std::string name, const ir::Value& value) {
    auto parameter = std::make_unique<ir::Value>(ir::Value{.type = value.type, .name = std::move(name)});
    parameter->index = static_cast<int>(statement->region->parameters.size());
    const SourceRange place = places_[&value];
    places_[parameter.get()] = place;
    statement->region->parameters.push_back(std::move(parameter));
  };
  for (const ast::Argument& argument : region.arguments) {
    const bool value_of_custom = custom && operands.empty();
    if (custom && argument.name.text == "arguments") continue;
    if (custom && argument.name.text == "rule") {
      const std::optional<Operand> text = ReadExpression(*argument.value);
      const std::string* written = text ? std::get_if<std::string>(&text->value) : nullptr;
      if (written == nullptr) {
        diagnostics_.Error(ErrorKind::kAttributeValue, argument.value->range, "the rule of custom_vjp is a text");
        return nullptr;
      }
      rule = *written;
      continue;
    }
    if (!argument.name.text.empty()) {
      diagnostics_.Error(ErrorKind::kUnknownArgument, argument.name.range,
                         absl::StrCat(region.kind.text, " has no argument `", argument.name.text, "`"));
      return nullptr;
    }
    ir::Value* value = nullptr;
    if (value_of_custom) {
      const std::optional<Operand> operand = ReadExpression(*argument.value);
      if (operand && !operand->tensor())
        diagnostics_.Error(ErrorKind::kNotATensor, argument.value->range, "custom_vjp takes values");
      value = operand ? operand->tensor() : nullptr;
    } else {
      value = ReadValue(*argument.value, region.kind.text);
    }
    if (!value) {
      ok = false;
      continue;
    }
    const bool repeated =
        !value_of_custom && std::any_of(operands.begin() + (custom ? 1 : 0), operands.end(),
                                        [&](const Operand& other) { return other.tensor() == value; });
    if (repeated) {
      diagnostics_.Error(ErrorKind::kOperandRepeated, argument.value->range,
                         absl::StrCat("the operand ", value->name, " is repeated"));
      ok = false;
    }
    operands.push_back({value, argument.value->range, ""});
    statement->operands.push_back(value);
    add_parameter(value_of_custom ? region.vjp_parameters[0].name.text : value->name, *value);
  }
  if (custom) {
    const std::optional<int64_t> arguments = NamedInteger(where, region.arguments, "arguments");
    if (!arguments) return nullptr;
    statement->attributes = {*arguments, std::move(rule)};
  }
  if (!ok) return nullptr;
  const bool one_line = !absl::StrContains(e.range.text(), "\n");
  if (!ReadRegionBody(fused ? *region.body : *region.vjp, one_line, *statement->region)) return nullptr;
  return Append(where, std::move(statement), operands);
}

}  // namespace gradus::frontend
