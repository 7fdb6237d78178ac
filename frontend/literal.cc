#include "frontend/literal.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "frontend/expression_builder.h"

namespace gradus::frontend {
namespace {

absl::StatusOr<Number> ReadSigned(const ast::Expression& e) {
  if (const auto* boolean = e.As<ast::Bool>()) return Number::Bool(boolean->value);
  if (const auto* number = e.As<ast::Number>()) return ReadNumber(*number);
  absl::StatusOr<Number> number = ReadNumber(*e.As<ast::Unary>()->operand->As<ast::Number>());
  return number.ok() ? number->Negated() : number;
}

bool AddNumbers(const ast::Expression& e, ir::DType element, absl::Span<const int64_t> shape, std::byte*& out,
                Diagnostics& diagnostics) {
  const auto* list = e.As<ast::List>();
  if (shape.empty() != (list == nullptr)) {
    diagnostics.Error(ErrorKind::kRaggedLiteral, e.range,
                      list ? "this list is nested more deeply than the others" : "a number where the others are lists");
    return false;
  }
  if (list) {
    if (static_cast<int64_t>(list->items.size()) != shape[0]) {
      diagnostics.Error(ErrorKind::kRaggedLiteral, e.range,
                        absl::StrCat("this list has ", list->items.size(), " items where the first has ", shape[0]));
      return false;
    }
    return std::all_of(list->items.begin(), list->items.end(), [&](const ast::ExpressionPtr& item) {
      return AddNumbers(*item, element, shape.subspan(1), out, diagnostics);
    });
  }
  absl::StatusOr<Number> number = ReadSigned(e);
  absl::StatusOr<ir::Tensor> scalar = number.ok() ? RoundTo(*number, element) : number.status();
  if (!scalar.ok()) {
    diagnostics.Error(e.range, scalar.status());
    return false;
  }
  std::memcpy(out, scalar->bytes(), scalar->byte_size());
  out += scalar->byte_size();
  return true;
}

}  // namespace

bool IsLiteral(const ast::Expression& e) {
  if (e.As<ast::Number>() || e.As<ast::Bool>()) return true;
  if (const auto* unary = e.As<ast::Unary>())
    return unary->op == ast::UnaryOperator::kNegate && unary->operand->As<ast::Number>();
  const auto* list = e.As<ast::List>();
  return list && std::all_of(list->items.begin(), list->items.end(),
                             [](const ast::ExpressionPtr& item) { return IsLiteral(*item); });
}

absl::optional<ir::Tensor> ReadLiteral(const ast::Expression& expression, ir::DType element, Diagnostics& diagnostics) {
  ir::Type type{element, {}};
  for (const ast::Expression* e = &expression; e->As<ast::List>();) {
    const auto& items = e->As<ast::List>()->items;
    if (items.empty() || type.rank() == ir::kMaxRank) {
      diagnostics.Error(items.empty() ? ErrorKind::kEmptyList : ErrorKind::kRankLimit, e->range,
                        items.empty() ? "an empty list has no elements for a tensor"
                                      : absl::StrCat("a literal of more axes than the rank limit of ", ir::kMaxRank));
      return absl::nullopt;
    }
    type.shape.push_back(static_cast<int64_t>(items.size()));
    e = items.front().get();
  }
  // Elements are written, so a literal of a type this large has a text as large, unless its lists are ragged.
  const ir::Size bytes = type.bytes();
  if (!bytes.ok() || bytes.value() > static_cast<int64_t>(expression.range.text().size()) * 8) {
    diagnostics.Error(ErrorKind::kRaggedLiteral, expression.range, "the lists of this literal differ in length");
    return absl::nullopt;
  }
  ir::Tensor tensor(type);
  std::byte* out = tensor.bytes();
  if (!AddNumbers(expression, element, type.shape, out, diagnostics)) return absl::nullopt;
  return tensor;
}

}  // namespace gradus::frontend
