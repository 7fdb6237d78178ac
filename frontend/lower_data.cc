// Where the inputs of a recipe come from: files, literals, and expressions of files, which are graphs of their own.
#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/lowering.h"

namespace gradus::frontend {

using ir::Op;

void Lowering::InheritStatics(const Lowering& other) {
  model_scope_.unit = other.model_scope_.unit;
  for (const auto& [name, binding] : other.model_scope_.names) {
    if (binding.item.As<TensorItem>() == nullptr && binding.item.As<std::shared_ptr<Instance>>() == nullptr) {
      model_scope_.names[name] = binding;
    }
  }
}

ir::Value* Lowering::AddSource(Source source) {
  const std::string name = absl::StrCat("source", sources_->size());
  sources_->push_back(std::move(source));
  names_.Unique(name);
  return ir::Builder(inputs_).Declare(Op::kInput, name, source_type_);
}

Item Lowering::TextSource(const Items& arguments, SourceRange where) {
  if (sources_ == nullptr) {
    return Fail(ErrorKind::kMisplacedStatement, where, "text(…) is a source of `data` and `validate`");
  }
  const auto text = [&](const Item& item, absl::string_view what) -> absl::optional<std::string> {
    if (const std::string* string = item.As<std::string>()) return *string;
    Error(ErrorKind::kDataWithoutFile, where,
          absl::StrCat(what, " of text is a name in quotes, found ", Describe(item)));
    return absl::nullopt;
  };
  const auto whole = [&](const Item& item, absl::string_view what, int64_t absent, int64_t least) {
    auto value = item.none() ? absl::optional<int64_t>(absent) : AsInteger(item, where, what);
    if (value && (*value < least || *value > std::numeric_limits<int32_t>::max())) {
      Error(ErrorKind::kExtentTooSmall, where, absl::StrCat(what, " must be at least ", least, ", found ", *value));
      value.reset();
    }
    return value;
  };
  const auto file = text(arguments[0], "the file");
  const auto window = whole(arguments[1], "the window", 1, 1);
  const auto shift = whole(arguments[2], "the shift", 0, 0);
  const auto stride = whole(arguments[3], "the stride", window.value_or(1), 1);
  const auto from = arguments[4].none() ? absl::optional<double>(0) : AsReal(arguments[4], where, "from");
  const auto to = arguments[5].none() ? absl::optional<double>(1) : AsReal(arguments[5], where, "to");
  const auto vocabulary = arguments[6].none() ? absl::optional<std::string>("") : text(arguments[6], "the vocabulary");
  const auto bytes = arguments[7].none() ? absl::optional<bool>(false) : AsBool(arguments[7], where, "bytes");
  if (!file || !window || !shift || !stride || !from || !to || !vocabulary || !bytes) return Poison();
  if (!(*from >= 0 && *from < *to && *to <= 1)) {
    return Fail(ErrorKind::kIndexRange, where,
                absl::StrCat("from and to are shares of the file, 0 <= from < to <= 1, found ", *from, " and ", *to));
  }
  TextWindows windows{*window, *shift, *stride, *from, *to, *vocabulary, *bytes};
  return TensorItem{AddSource({*file, absl::nullopt, ToString(where), std::move(windows)})};
}

Item Lowering::AsSource(const Item& item, SourceRange where) {
  if (!sources_are_lists_ || item.As<ListItem>() == nullptr) return item;
  auto literal = LiteralTensor(item, source_type_.element, where);
  if (!literal) return Poison();
  if (literal->type().rank() < source_type_.rank()) return item;
  return TensorItem{AddSource({"", *std::move(literal), ToString(where)})};
}

void Lowering::LowerData(const ast::Data& data, SourceRange where) {
  const auto input = std::find_if(program_.inputs.begin(), program_.inputs.end(),
                                  [&](const ProgramInput& i) { return i.name == data.input.text; });
  if (input == program_.inputs.end()) {
    std::vector<std::string> names;
    for (const ProgramInput& i : program_.inputs) names.push_back(i.name);
    Diagnostic& diagnostic = Error(ErrorKind::kUnknownInput, data.input.range,
                                   absl::StrCat("the model ", program_.model, " has no input ", data.input.text));
    const std::string nearest = Nearest(data.input.text, names);
    diagnostic.Help(nearest.empty() ? absl::StrCat("its inputs are ", absl::StrJoin(names, ", "))
                                    : absl::StrCat("did you mean ", nearest, "?"));
    return;
  }
  DataBinding binding{data.input.text, {}, absl::nullopt};
  const ast::Expression& expression = *data.source;
  const std::string place = ToString(expression.range);
  if (expression.As<ast::List>() != nullptr) {
    Restore in_scope(scope_, &model_scope_);
    const Item literal = Evaluate(expression);
    if (literal.poisoned()) return;
    auto tensor = LiteralTensor(literal, input->type.element, expression.range);
    if (!tensor) return;
    binding.sources.push_back({"", *std::move(tensor), place});
  } else if (const auto* file = expression.As<ast::String>()) {
    binding.sources.push_back({file->value, absl::nullopt, place});
  } else {
    Lowering transform(module_, options_, Entry::kPredict, diagnostics_);
    transform.InheritStatics(*this);
    transform.sources_ = &binding.sources;
    transform.source_type_ = input->type;
    Restore in_scope(transform.scope_, &transform.model_scope_);
    Restore statement(transform.statement_name_, data.input.text);
    // A quotation is a file. Beside one a list is a constant, such as the mean of every column.
    transform.sources_are_lists_ = expression.range.text().find('"') == absl::string_view::npos;
    const Item item = transform.Evaluate(expression);
    ir::Value* value =
        transform.AsTensor(transform.AsSource(item, expression.range), expression.range, input->type.element);
    if (value == nullptr) return;
    if (binding.sources.empty()) {
      Error(ErrorKind::kDataWithoutFile, expression.range, absl::StrCat("data ", data.input.text, " names no file"))
          .Help("a file is written in quotes, as in \"x.npy\"; a literal array is a list");
      return;
    }
    if (value->type != input->type) {
      Error(ErrorKind::kDataType, expression.range,
            absl::StrCat("the data of ", data.input.text, " are ", ir::ToString(value->type), ", but the input is ",
                         ir::ToString(input->type)));
      return;
    }
    transform.AddOutput(data.input.text, value, where);
    const bool alone = value->definition != nullptr && value->definition->op == Op::kInput;
    if (!alone) binding.transform = transform.Finish(absl::StrCat(program_.name, ".", data.input.text));
  }
  auto& bindings = data.validate ? program_.validate : program_.data;
  const bool twice =
      std::any_of(bindings.begin(), bindings.end(), [&](const DataBinding& b) { return b.input == data.input.text; });
  if (twice) {
    Error(ErrorKind::kDataTwice, data.input.range, absl::StrCat("the data of ", data.input.text, " are given twice"));
    return;
  }
  bindings.push_back(std::move(binding));
}

}  // namespace gradus::frontend
