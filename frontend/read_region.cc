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

void GraphReader::AddParameter(ir::Region& region, std::string name, ir::Type type, SourceRange place) {
  auto parameter = std::make_unique<ir::Value>(ir::Value{.type = std::move(type), .name = std::move(name)});
  parameter->index = static_cast<int>(region.parameters.size());
  places_[parameter.get()] = place;
  region.parameters.push_back(std::move(parameter));
}

bool GraphReader::ReadYield(const ast::Expression& e, std::vector<ir::Value*>& yields) {
  const std::optional<Operand> operand = ReadTyped(e);
  if (!operand) return false;
  if (!operand->tensor()) {
    diagnostics_.Error(ErrorKind::kRegionYield, e.range, "a region yields values; a number needs a type, as in f32(0)");
    return false;
  }
  yields.push_back(operand->tensor());
  return true;
}

bool GraphReader::ReadRegionBody(const ast::Block& block, bool one_line, ir::Region& region,
                                 const std::vector<ast::Carry>& nexts, const ast::Expression* until) {
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
  std::map<std::string, ir::Value*> next;
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
      for (const ast::ExpressionPtr& value : yield->values) ReadYield(*value, region.yields);
    } else if (const auto* carried = s.As<ast::Next>(); carried && !nexts.empty()) {
      scope.builder.SetNote(holder);
      std::vector<ir::Value*> value;
      const bool known = std::any_of(nexts.begin(), nexts.end(),
                                     [&](const ast::Carry& c) { return c.name.text == carried->name.text; });
      if (!known) {
        diagnostics_.Error(ErrorKind::kLoopCarry, carried->name.range,
                           absl::StrCat("the loop carries no `", carried->name.text, "`"));
      } else if (ReadYield(*carried->value, value) && !next.emplace(carried->name.text, value[0]).second) {
        diagnostics_.Error(ErrorKind::kLoopCarry, carried->name.range,
                           absl::StrCat("`", carried->name.text, "` has a next already"));
      }
    } else if (s.As<ast::Assignment>()) {
      ReadStatement(s);
    } else if (s.As<ast::Barrier>()) {
      ReadBarrier(s);
    } else {
      diagnostics_.Error(ErrorKind::kRegionYield, s.range, "a region holds values and one `yield`");
    }
  }
  if (until != nullptr) {
    scope.builder.SetNote(holder);
    std::vector<ir::Value*> predicate;
    if (ReadYield(*until, predicate)) region.yields.insert(region.yields.begin(), predicate[0]);
  }
  for (const ast::Carry& carry : nexts) {
    if (diagnostics_.size() != errors) break;
    const auto found = next.find(carry.name.text);
    if (found != next.end()) {
      region.yields.push_back(found->second);
    } else {
      diagnostics_
          .Error(ErrorKind::kLoopCarry, carry.name.range, absl::StrCat("`", carry.name.text, "` has no next value"))
          .Help(absl::StrCat("write next ", carry.name.text, " = … in the block"));
    }
  }
  if (!yielded && nexts.empty()) {
    diagnostics_.Error(ErrorKind::kRegionYield, block.empty() ? SourceRange() : block.back().range,
                       "a region ends in `yield`");
  }
  scope_ = outer;
  expressions_.SetBuilder(outer->builder);
  return diagnostics_.size() == errors;
}

// fused(x, b) { …; yield … }, branch(p, x) { …; yield … } and custom_vjp(y, x, …, arguments=k) vjp(g) { …; yield … }
ir::Statement* GraphReader::ReadRegion(const ast::Expression& e, const ast::Region& region) {
  const SourceRange where = region.kind.range;
  const bool fused = region.kind.text == "fused" && region.body && !region.vjp;
  const bool branch = region.kind.text == "branch" && region.body && !region.vjp;
  const bool custom =
      region.kind.text == "custom_vjp" && !region.body && region.vjp && region.vjp_parameters.size() == 1;
  if (!fused && !custom && !branch) {
    diagnostics_.Error(ErrorKind::kGraphSyntax, where, absl::StrCat("`", region.kind.text, "` takes no such block"))
        .Help("a graph has fused(x, …) { … }, branch(p, x, …) { … } and custom_vjp(y, x, …, arguments=k) vjp(g) { … }");
    return nullptr;
  }
  auto statement = std::make_unique<ir::Statement>();
  statement->op = fused ? ir::Op::kFused : branch ? ir::Op::kBranch : ir::Op::kCustomVjp;
  statement->region = std::make_unique<ir::Region>();
  std::vector<Operand> operands;
  std::string rule;
  bool ok = true;
  for (const ast::Argument& argument : region.arguments) {
    const bool by_expression = !fused && operands.empty();  // the value of a custom vjp, the predicate of a branch
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
    if (by_expression) {
      const std::optional<Operand> operand = ReadTyped(*argument.value);
      if (operand && !operand->tensor())
        diagnostics_.Error(ErrorKind::kNotATensor, argument.value->range,
                           absl::StrCat(region.kind.text, " takes values"));
      value = operand ? operand->tensor() : nullptr;
    } else {
      value = ReadValue(*argument.value, region.kind.text);
    }
    if (!value) {
      ok = false;
      continue;
    }
    const bool repeated = !by_expression && std::any_of(operands.begin() + (fused ? 0 : 1), operands.end(),
                                                        [&](const Operand& other) { return other.tensor() == value; });
    if (repeated) {
      diagnostics_.Error(ErrorKind::kOperandRepeated, argument.value->range,
                         absl::StrCat("the operand ", value->name, " is repeated"));
      ok = false;
    }
    operands.push_back({value, argument.value->range, ""});
    statement->operands.push_back(value);
    if (branch && by_expression) continue;
    AddParameter(*statement->region, by_expression ? region.vjp_parameters[0].name.text : value->name, value->type,
                 places_[value]);
  }
  if (custom) {
    const std::optional<int64_t> arguments = NamedInteger(where, region.arguments, "arguments");
    if (!arguments) return nullptr;
    statement->attributes = {*arguments, std::move(rule)};
  }
  if (!ok) return nullptr;
  const bool one_line = !absl::StrContains(e.range.text(), "\n");
  if (!ReadRegionBody(custom ? *region.vjp : *region.body, one_line, *statement->region)) return nullptr;
  return Append(where, std::move(statement), operands);
}

}  // namespace gradus::frontend
