// Calls by mnemonic: arguments to operands and attributes, by the schema of the operation.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/expression_builder.h"
#include "ir/convolution.h"
#include "ir/op.h"

namespace gradus::frontend {
namespace {

using ir::AttributeForm;
using ir::AttributeKind;
using ir::AttributeSchema;
using ir::AttributeValue;
using ir::Op;

absl::string_view Describe(AttributeKind kind) {
  switch (kind) {
    case AttributeKind::kInt:
      return "a whole number";
    case AttributeKind::kInts:
      return "a list of whole numbers";
    case AttributeKind::kText:
      return "a string";
    case AttributeKind::kType:
      return "a type";
    case AttributeKind::kKey:
      return "a key";
  }
  return "";
}

// The literals of these families take the type of the other operands; the first operand of `where` is no such operand.
absl::optional<size_t> FirstOfOneType(Op op) {
  switch (ir::Info(op).family) {
    case ir::OpFamily::kBinary:
    case ir::OpFamily::kTernary:
    case ir::OpFamily::kCompare:
      return 0;
    case ir::OpFamily::kSelect:
      return 1;
    default:
      break;
  }
  if (op == Op::kPad) return 0;
  return absl::nullopt;
}

const int64_t* Whole(const Operand& argument) {
  const Number* number = argument.number();
  return number && number->kind == Number::Kind::kInteger ? &number->integer : nullptr;
}

}  // namespace

absl::optional<AttributeValue> ExpressionBuilder::ConvertAttribute(Op op, const AttributeSchema& schema,
                                                                   const Operand& argument, int64_t rank) {
  const bool axis = schema.name == "axis";
  auto from_end = [&](int64_t value) { return axis && value < 0 ? value + rank : value; };
  switch (schema.kind) {
    case AttributeKind::kInt:
      if (const int64_t* whole = Whole(argument)) return AttributeValue(from_end(*whole));
      break;
    case AttributeKind::kInts: {
      if (const int64_t* whole = Whole(argument)) return AttributeValue(ir::Ints{from_end(*whole)});
      const auto* list = std::get_if<Operand::List>(&argument.value);
      if (!list) break;
      ir::Ints values;
      for (const Operand& item : *list) {
        const int64_t* whole = Whole(item);
        if (!whole) {
          diagnostics_->Error(ErrorKind::kAttributeValue, item.range,
                              absl::StrCat(schema.name, " of ", ir::Info(op).mnemonic, " takes whole numbers"));
          return absl::nullopt;
        }
        values.push_back(from_end(*whole));
      }
      if (axis) std::sort(values.begin(), values.end());
      return AttributeValue(std::move(values));
    }
    case AttributeKind::kText:
      if (const auto* text = std::get_if<std::string>(&argument.value)) return AttributeValue(*text);
      break;
    case AttributeKind::kType:
      if (const auto* type = std::get_if<ir::DType>(&argument.value)) return AttributeValue(*type);
      break;
    case AttributeKind::kKey:
      if (const int64_t* whole = Whole(argument)) return AttributeValue(static_cast<uint64_t>(*whole));
      break;
  }
  diagnostics_->Error(ErrorKind::kAttributeValue, argument.range,
                      absl::StrCat(schema.name, " of ", ir::Info(op).mnemonic, " must be ", Describe(schema.kind)));
  return absl::nullopt;
}

absl::optional<AttributeValue> ExpressionBuilder::DefaultAttribute(Op op, const AttributeSchema& schema, int64_t rank) {
  if (ir::IsReduction(op) && schema.name == "axis") {
    ir::Ints all;
    for (int64_t i = 0; i < rank; ++i) all.push_back(i);
    return AttributeValue(std::move(all));
  }
  if (op == Op::kConcat && schema.name == "axis") return AttributeValue(int64_t{0});
  const int64_t axes = ir::HasWindows(op) ? std::max<int64_t>(rank - 2, 0) : rank;
  return ir::DefaultOf(schema, static_cast<size_t>(axes));
}

ir::Value* ExpressionBuilder::Call(SourceRange callee, Op op, std::vector<Operand> arguments) {
  const ir::OpInfo& info = ir::Info(op);
  const absl::string_view mnemonic = info.mnemonic;
  size_t positional = 0;
  while (positional < arguments.size() && arguments[positional].name.empty()) ++positional;
  size_t next = 0;
  std::vector<const Operand*> given(info.attributes.size());
  auto take_positional = [&](bool text) {
    for (size_t i = 0; i < info.attributes.size(); ++i) {
      const AttributeSchema& schema = info.attributes[i];
      if (schema.form != AttributeForm::kPositional || (schema.kind == AttributeKind::kText) != text) continue;
      if (next < positional) given[i] = &arguments[next++];
    }
  };
  take_positional(true);

  std::vector<Operand> operands;
  if (info.arity == ir::kVariadic) {
    const auto* list = next < positional ? std::get_if<Operand::List>(&arguments[next].value) : nullptr;
    if (!list) {
      diagnostics_->Error(ErrorKind::kTakesAList, callee,
                          absl::StrCat(mnemonic, " takes a list: ", mnemonic, "([a, b])"));
      return nullptr;
    }
    operands = *list;
    ++next;
  } else {
    for (int i = 0; i < info.arity; ++i) {
      if (next == positional) {
        Diagnostic& error =
            diagnostics_->Error(ErrorKind::kOperandCount, callee,
                                absl::StrCat(mnemonic, " takes ", info.arity,
                                             info.arity == 1 ? " operand" : " operands", ", found ", operands.size()));
        Explain(error, operands);
        return nullptr;
      }
      operands.push_back(arguments[next++]);
    }
  }
  take_positional(false);
  if (next < positional) {
    Diagnostic& error =
        diagnostics_->Error(ErrorKind::kTooManyArguments, arguments[next].range,
                            absl::StrCat(mnemonic, " takes ", next, next == 1 ? " argument" : " arguments",
                                         " without a name, found ", positional));
    if (!info.attributes.empty())
      error.Help(absl::StrCat("attributes are given by name, as in ", info.attributes[0].name, "=…"));
    return nullptr;
  }
  for (size_t i = positional; i < arguments.size(); ++i) {
    const auto schema = std::find_if(info.attributes.begin(), info.attributes.end(),
                                     [&](const AttributeSchema& s) { return s.name == arguments[i].name; });
    if (schema == info.attributes.end()) {
      std::vector<std::string> names;
      for (const AttributeSchema& s : info.attributes) names.emplace_back(s.name);
      Diagnostic& error = diagnostics_->Error(ErrorKind::kUnknownArgument, arguments[i].range,
                                              absl::StrCat(mnemonic, " has no argument `", arguments[i].name, "`"));
      if (!names.empty()) error.Help(absl::StrCat("it has ", absl::StrJoin(names, ", ")));
      return nullptr;
    }
    given[schema - info.attributes.begin()] = &arguments[i];
  }

  const absl::optional<size_t> first = FirstOfOneType(op);
  if (!TypeLiterals(callee, mnemonic, operands, first.value_or(operands.size()))) return nullptr;
  const int64_t rank = !operands.empty() && operands[0].tensor() ? operands[0].tensor()->type.rank() : 0;
  std::vector<AttributeValue> attributes;
  for (size_t i = 0; i < info.attributes.size(); ++i) {
    const AttributeSchema& schema = info.attributes[i];
    absl::optional<AttributeValue> value =
        given[i] ? ConvertAttribute(op, schema, *given[i], rank) : DefaultAttribute(op, schema, rank);
    if (!value) {
      if (!given[i]) {
        diagnostics_
            ->Error(ErrorKind::kMissingArgument, callee,
                    absl::StrCat(mnemonic, " needs ", schema.name, ", ", Describe(schema.kind)))
            .Help(std::string(info.doc));
      }
      return nullptr;
    }
    attributes.push_back(*std::move(value));
  }
  if (ir::IsReduction(op) && rank == 0) {
    Explain(diagnostics_->Error(ErrorKind::kReduceOfScalar, callee,
                                absl::StrCat(mnemonic, " reduces axes, and a scalar has none")),
            operands);
    return nullptr;
  }
  return Emit(callee, op, operands, std::move(attributes));
}

}  // namespace gradus::frontend
