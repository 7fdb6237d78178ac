// What a recipe reports: the scalars that the step puts out, and what is computed from their averages.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "frontend/lowering.h"

namespace gradus::frontend {
namespace {

// The names that an expression mentions.
void CollectNames(const ast::Expression& e, std::vector<std::string>& names) {
  const auto collect = [&](const ast::ExpressionPtr& inner) {
    if (inner != nullptr) CollectNames(*inner, names);
  };
  if (const auto* name = e.As<ast::Name>()) names.push_back(name->text);
  if (const auto* unary = e.As<ast::Unary>()) collect(unary->operand);
  if (const auto* binary = e.As<ast::Binary>()) {
    collect(binary->left);
    collect(binary->right);
  }
  if (const auto* call = e.As<ast::Call>()) {
    collect(call->callee);
    for (const ast::Argument& argument : call->arguments) collect(argument.value);
  }
  if (const auto* index = e.As<ast::Index>()) collect(index->object);
  if (const auto* member = e.As<ast::Member>()) collect(member->object);
  if (const auto* list = e.As<ast::List>()) {
    for (const auto& item : list->items) collect(item);
  }
  if (const auto* tuple = e.As<ast::Tuple>()) {
    for (const auto& item : tuple->items) collect(item);
  }
}

}  // namespace

using ir::Op;

void Lowering::LowerMetric(const ast::Metric& metric, SourceRange where) {
  const std::string& name = metric.name.text;
  const auto read = [&](const std::string& from, SourceRange place) -> ir::Value* {
    const Binding* binding = model_scope_.Find(from);
    ir::Value* value = binding == nullptr ? nullptr : AsTensor(LookUp(from, place), place);
    if (binding == nullptr) UnknownName(from, place);
    if (value == nullptr) return nullptr;
    if (value->type.rank() != 0 || !ir::IsFloat(value->type.element)) {
      WithOperands(
          Error(ErrorKind::kMetricNotScalar, place,
                absl::StrCat("a metric is a floating-point scalar, and ", from, " is ", ir::ToString(value->type))),
          {value})
          .Help(absl::StrCat("mean(float(", from, "))"));
      return nullptr;
    }
    return value;
  };
  const bool outputs = entry_ == Entry::kStep || entry_ == Entry::kEvaluate;
  Metric result{name, {}, absl::nullopt};
  if (metric.value == nullptr) {
    ir::Value* value = read(name, metric.name.range);
    if (value == nullptr) return;
    result.reads.push_back(name);
    if (outputs) AddOutput(name, value, where);
    program_.metrics.push_back(std::move(result));
    return;
  }
  // Scalars of the model are averaged before the expression; an expression of anything else is averaged itself.
  std::vector<std::string> names;
  CollectNames(*metric.value, names);
  bool scalars = true;
  for (const std::string& from : names) {
    const Binding* binding = model_scope_.Find(from);
    const TensorItem* tensor = binding == nullptr ? nullptr : binding->item.As<TensorItem>();
    if (tensor == nullptr) continue;
    scalars &= tensor->value->type.rank() == 0 && ir::IsFloat(tensor->value->type.element);
    if (std::find(result.reads.begin(), result.reads.end(), from) == result.reads.end()) result.reads.push_back(from);
  }
  if (result.reads.empty() || !scalars) {
    Restore statement(statement_name_, name);
    ir::Value* value = AsTensor(Evaluate(*metric.value), metric.value->range);
    if (value == nullptr) return;
    if (value->type.rank() != 0 || !ir::IsFloat(value->type.element)) {
      Error(ErrorKind::kMetricNotScalar, metric.value->range,
            absl::StrCat("a metric is a floating-point scalar, found ", ir::ToString(value->type)))
          .Help("mean(…)");
      return;
    }
    result.reads = {name};
    if (outputs) AddOutput(name, value, where);
  } else {
    for (const std::string& from : result.reads) {
      if (outputs) AddOutput(from, model_scope_.Find(from)->item.As<TensorItem>()->value, where);
    }
    if (describe_) {
      Lowering post(module_, options_, Entry::kPredict, diagnostics_);
      post.InheritStatics(*this);
      Restore in_scope(post.scope_, &post.model_scope_);
      for (const std::string& from : result.reads) {
        const ir::Type type = model_scope_.Find(from)->item.As<TensorItem>()->value->type;
        post.names_.Unique(from);
        ir::Value* input = ir::Builder(post.inputs_).Declare(Op::kInput, from, type);
        post.model_scope_.names[from] = {TensorItem{input}, metric.value->range, false};
      }
      Restore statement(post.statement_name_, name);
      ir::Value* value = post.AsTensor(post.Evaluate(*metric.value), metric.value->range);
      if (value == nullptr) return;
      post.AddOutput(name, value, where);
      result.post = post.Finish(absl::StrCat(program_.name, ".", name));
    }
  }
  program_.metrics.push_back(std::move(result));
}

}  // namespace gradus::frontend
