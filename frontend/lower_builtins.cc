#include <algorithm>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "frontend/builtins.h"
#include "frontend/lowering.h"

namespace gradus::frontend {
namespace {

const Builtin* FindRow(absl::string_view name) {
  const auto rows = Builtins();
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const Builtin& r) { return r.name == name; });
  return row == rows.end() ? nullptr : &*row;
}

absl::optional<ir::Op> ElementwiseNamed(absl::string_view name) {
  const auto op = ir::FindMnemonic(name);
  if (!op || !ir::IsElementwise(*op) || *op == ir::Op::kConvert) return absl::nullopt;
  return op;
}

std::vector<std::string> Words(absl::string_view text) { return absl::StrSplit(text, ' ', absl::SkipEmpty()); }

}  // namespace

Item Lowering::CallBuiltin(const std::string& name, const ast::Call& call, SourceRange range) {
  std::vector<std::string> parameters;
  if (const frontend::Builtin* row = FindRow(name)) {
    parameters = Words(row->parameters);
  } else {
    const std::string operands[] = {"x", "a b", "condition a b"};
    const ir::OpInfo& info = ir::Info(*ElementwiseNamed(name));
    parameters = Words(info.family == ir::OpFamily::kTernary ? "a b c" : operands[info.arity - 1]);
  }
  Items arguments(parameters.size(), None());
  std::vector<bool> given(parameters.size(), false);
  size_t position = 0;
  size_t required = 0;
  bool by_name = false;
  std::vector<std::string> names;
  std::vector<bool> keyword_only;
  for (const std::string& parameter : parameters) {
    const bool optional = absl::EndsWith(parameter, "=");
    required += !optional;
    names.push_back(optional ? parameter.substr(0, parameter.size() - 1) : parameter);
    by_name |= parameter == "axis=";
    keyword_only.push_back(by_name);
  }
  bool ok = true;
  // The strings of text(…) are its arguments, not sources of their own.
  std::vector<Source>* const sources = sources_;
  for (const ast::Argument& argument : call.arguments) {
    Restore of_text(sources_, name == "text" ? nullptr : sources);
    Item item = Evaluate(*argument.value);
    ok &= !item.poisoned();
    size_t at = position;
    if (argument.name.text.empty()) {
      if (position >= names.size() || keyword_only[position]) {
        Diagnostic& diagnostic =
            Error(ErrorKind::kTooManyArguments, argument.value->range,
                  absl::StrCat(name, " takes ", required, required == 1 ? " argument" : " arguments",
                               required < names.size() ? " without a name" : ""));
        if (position < names.size() && names[position] == "axis") {
          diagnostic.Help(absl::StrCat(
              "the axis is given by name: axis=", std::string(argument.value->range.text()),
              name == "max" || name == "min" ? absl::StrCat("; ", name, "imum(a, b) is elementwise") : ""));
        }
        return Poison();
      }
      ++position;
    } else {
      at = std::find(names.begin(), names.end(), argument.name.text) - names.begin();
      if (at == names.size()) {
        Diagnostic& diagnostic = Error(ErrorKind::kUnknownArgument, argument.name.range,
                                       absl::StrCat(name, " has no parameter ", argument.name.text));
        const std::string nearest = Nearest(argument.name.text, names);
        if (!nearest.empty()) diagnostic.Help(absl::StrCat("did you mean ", nearest, "?"));
        return Poison();
      }
    }
    if (given[at])
      return Fail(ErrorKind::kArgumentTwice, argument.value->range,
                  absl::StrCat(name, " gets its argument ", names[at], " twice"));
    given[at] = true;
    arguments[at] = std::move(item);
  }
  if (!ok) return Poison();
  for (size_t i = 0; i < names.size(); ++i) {
    if (!given[i] && !absl::EndsWith(parameters[i], "=")) {
      return Fail(ErrorKind::kMissingArgument, range, absl::StrCat(name, " lacks its argument ", names[i]));
    }
  }
  Restore place(place_, range);
  if (const auto op = ElementwiseNamed(name)) {
    return *op == Op::kPow ? Power(arguments[0], arguments[1], range) : Elementwise(*op, arguments, range);
  }
  return Builtin(name, arguments, range);
}

absl::optional<int64_t> Lowering::Axis(const Item& item, int64_t rank, SourceRange where) {
  auto axis = AsInteger(item, where, "an axis");
  if (!axis) return absl::nullopt;
  if (*axis < -rank || *axis >= rank) {
    Error(ErrorKind::kAxisRange, where,
          rank == 0 ? absl::StrCat("axis ", *axis, " of a scalar, which has no axis")
                    : absl::StrCat("axis ", *axis, " is out of range: the axes are 0 to ", rank - 1, ", or -", rank,
                                   " to -1"));
    return absl::nullopt;
  }
  return *axis < 0 ? *axis + rank : *axis;
}

absl::optional<ir::Ints> Lowering::Axes(const Item& item, int64_t rank, SourceRange where) {
  ir::Ints axes;
  if (item.none()) {
    for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
    return axes;
  }
  const ListItem* list = item.As<ListItem>();
  for (const Item& one : list == nullptr ? Items{item} : *list->items) {
    const auto axis = Axis(one, rank, where);
    if (!axis) return absl::nullopt;
    if (std::find(axes.begin(), axes.end(), *axis) != axes.end()) {
      Error(ErrorKind::kAxisTwice, where, absl::StrCat("axis ", *axis, " is given twice"));
      return absl::nullopt;
    }
    axes.push_back(*axis);
  }
  std::sort(axes.begin(), axes.end());
  return axes;
}

Item Lowering::Reduce(const std::string& name, const Items& arguments, SourceRange where) {
  ir::Value* x = AsTensor(arguments[0], where);
  if (x == nullptr) return Poison();
  const auto axes = Axes(arguments[1], x->type.rank(), where);
  if (!axes) return Poison();
  if (name == "count") {
    ir::Size count = 1;
    for (int64_t axis : *axes) count = count * ir::Size(x->type.shape[axis]);
    return Number::Integer(count.value());
  }
  bool keep = false;
  if (!arguments[2].none()) {
    const auto given = AsBool(arguments[2], where, "keepdims");
    if (!given) return Poison();
    keep = *given;
  }
  if (x->type.element == ir::DType::kBool) {
    WithOperands(Error(ErrorKind::kNumberTypeNeeded, where,
                       absl::StrCat("cannot take the ", name, " of ", ir::ToString(x->type), ": it is no number type")),
                 {x})
        .Help("float(x) or i32(x) converts");
    return Poison();
  }
  if (axes->empty()) return TensorItem{x};
  const Op op = name == "sum" ? Op::kReduceSum : name == "max" ? Op::kReduceMax : Op::kReduceMin;
  ir::Value* result = Emit(op, {x}, {*axes, std::string()});
  if (result == nullptr || !keep) return result == nullptr ? Item(Poison()) : Item(TensorItem{result});
  ir::Shape shape = x->type.shape;
  for (int64_t axis : *axes) shape[axis] = 1;
  return EmitItem(Op::kReshape, {result}, {std::move(shape)});
}

Item Lowering::Builtin(const std::string& name, const Items& arguments, SourceRange where) {
  if (name == "sum" || name == "max" || name == "min" || name == "count") return Reduce(name, arguments, where);
  if (name == "einsum") return Einsum(arguments, where);
  if (name == "grad") return Grad(arguments, where);
  if (name == "random_bits") return RandomBits(arguments, where);
  if (name == "convolution" || absl::StartsWith(name, "window_")) return Window(name, arguments, where);
  if (name == "channels_first" || name == "channels_last") {
    return MoveChannels(name == "channels_last", arguments, where);
  }
  if (name == "per_axis") return ListPerAxis(arguments, where);
  if (name == "text") return TextSource(arguments, where);
  if (name == "stop_gradient") {
    ir::Value* x = AsTensor(arguments[0], where);
    return x == nullptr ? Item(Poison()) : EmitItem(Op::kStopGradient, {x});
  }
  if (name == "len" || name == "product") {
    const auto list = AsItems(arguments[0], where, absl::StrCat(name, " takes a list"));
    if (!list) return Poison();
    if (name == "len") return Number::Integer(static_cast<int64_t>(list->size()));
    ir::Size product = 1;
    for (const Item& item : *list) {
      const auto factor = AsInteger(item, where, "a factor");
      if (!factor) return Poison();
      product = product * ir::Size(*factor);
    }
    if (!product.ok())
      return Fail(ErrorKind::kStaticOverflow, where, "the product overflows 64 bits or has a negative factor");
    return Number::Integer(product.value());
  }
  if (name == "range") {
    auto start = AsInteger(arguments[0], where, "a bound of range");
    if (!start) return Poison();
    int64_t stop = *start;
    if (arguments[1].none()) {
      *start = 0;
    } else {
      const auto given = AsInteger(arguments[1], where, "a bound of range");
      if (!given) return Poison();
      stop = *given;
    }
    int64_t length = 0;
    if (stop > *start && (__builtin_sub_overflow(stop, *start, &length) || length > kMaxListItems)) {
      return Fail(ErrorKind::kListLimit, where,
                  absl::StrCat("range has at most ", kMaxListItems, " items (list limit)"));
    }
    Items items;
    for (int64_t i = *start; i < stop; ++i) items.push_back(Number::Integer(i));
    return MakeList(std::move(items));
  }
  if (name == "fill") {
    const auto shape = AsShape(arguments[1], where);
    if (!shape) return Poison();
    absl::optional<ir::DType> type;
    if (!arguments[3].none()) {
      type = AsType(arguments[3], where);
      if (!type) return Poison();
    } else if (arguments[0].As<Number>() != nullptr) {
      type = *ElementType({"float", where});
    }
    ir::Value* value = AsTensor(arguments[0], where, type);
    if (value == nullptr) return Poison();
    if (value->type.rank() != 0)
      return Fail(ErrorKind::kNotAScalar, where,
                  absl::StrCat("fill repeats a scalar, found ", ir::ToString(value->type)));
    return shape->empty() ? Item(TensorItem{value}) : EmitItem(Op::kBroadcast, {value}, {*shape});
  }
  if (name == "arange") {
    const auto first = AsInteger(arguments[0], where, "a bound of arange");
    if (!first) return Poison();
    int64_t start = 0, stop = *first;
    if (!arguments[1].none()) {
      const auto second = AsInteger(arguments[1], where, "a bound of arange");
      if (!second) return Poison();
      start = *first;
      stop = *second;
    }
    const auto type = arguments[3].none() ? ir::DType::kI32 : AsType(arguments[3], where);
    if (!type) return Poison();
    if (stop <= start)
      return Fail(ErrorKind::kEmptyRange, where, absl::StrCat("arange from ", start, " to ", stop, " is empty"));
    const int64_t most = *type == ir::DType::kU8    ? std::numeric_limits<uint8_t>::max()
                         : *type == ir::DType::kI32 ? std::numeric_limits<int32_t>::max()
                                                    : std::numeric_limits<int64_t>::max();
    if (stop - 1 > most) {
      return Fail(ErrorKind::kNumberRange, where,
                  absl::StrCat("arange to ", stop, " is out of range for ", ir::Name(*type)));
    }
    const Item iota = EmitItem(Op::kIota, {}, {ir::Ints{stop - start}, int64_t{0}, *type});
    return start == 0 ? iota : Elementwise(Op::kAdd, {iota, Number::Integer(start)}, where);
  }
  return Movement(name, arguments, where);
}

Item Lowering::Movement(const std::string& name, const Items& arguments, SourceRange where) {
  if (name == "concat" || name == "stack") {
    const auto list = AsItems(arguments[0], where, absl::StrCat(name, " takes a list of tensors"));
    if (!list) return Poison();
    std::vector<ir::Value*> values;
    for (const Item& item : *list) {
      values.push_back(AsTensor(item, where, values.empty() ? absl::optional<ir::DType>() : values[0]->type.element));
      if (values.back() == nullptr) return Poison();
    }
    if (values.empty())
      return Fail(ErrorKind::kMissingArgument, where, absl::StrCat(name, " needs at least one tensor"));
    const bool stack = name == "stack";
    const int64_t rank = values[0]->type.rank() + (stack ? 1 : 0);
    const auto axis = arguments[1].none() ? absl::optional<int64_t>(0) : Axis(arguments[1], rank, where);
    if (!axis) return Poison();
    const ir::Type first = values[0]->type;
    for (ir::Value* value : values) {
      ir::Type same = value->type;
      if (!stack && same.rank() == first.rank()) same.shape[*axis] = first.shape[*axis];
      if (same == first) continue;
      WithOperands(
          Error(ErrorKind::kJoinedShapesDiffer, where,
                absl::StrCat("cannot ", name, " ", ir::ToString(first), " and ", ir::ToString(value->type),
                             stack ? ": the types differ" : absl::StrCat(": they differ beside axis ", *axis))),
          {values[0], value});
      return Poison();
    }
    if (stack) {
      ir::Shape shape = first.shape;
      shape.insert(shape.begin() + *axis, 1);
      for (ir::Value*& value : values) {
        value = Emit(Op::kReshape, {value}, {shape});
        if (value == nullptr) return Poison();
      }
    }
    if (values.size() == 1) return TensorItem{values[0]};
    return EmitItem(Op::kConcat, std::move(values), {*axis});
  }
  ir::Value* x = AsTensor(arguments[0], where);
  if (x == nullptr) return Poison();
  const int64_t rank = x->type.rank();
  if (name == "argmax" || name == "argmin") {
    if (arguments[1].none() && rank != 1) {
      return Fail(ErrorKind::kAxisMissing, where, absl::StrCat(name, " needs its axis, as in axis=-1"));
    }
    const auto axis = arguments[1].none() ? absl::optional<int64_t>(0) : Axis(arguments[1], rank, where);
    if (!axis) return Poison();
    return EmitItem(name == "argmax" ? Op::kArgMax : Op::kArgMin, {x}, {*axis});
  }
  if (name == "argsort") {
    const auto axis = Axis(arguments[1].none() ? Item(Number::Integer(-1)) : arguments[1], rank, where);
    const auto descending =
        arguments[2].none() ? absl::optional<bool>(false) : AsBool(arguments[2], where, "descending");
    if (!axis || !descending) return Poison();
    return EmitItem(Op::kArgSort, {x}, {*axis, int64_t{*descending}});
  }
  if (name == "reshape") {
    auto shape = AsShape(arguments[1], where);
    if (!shape) return Poison();
    ir::Size known = 1;
    int64_t* open = nullptr;
    for (int64_t& extent : *shape) {
      if (extent == -1 && open == nullptr) {
        open = &extent;
      } else {
        known = known * ir::Size(extent);
      }
    }
    const int64_t elements = x->type.elements().value();
    if (open != nullptr && known.ok() && known.value() > 0 && elements % known.value() == 0)
      *open = elements / known.value();
    if (!(ir::ElementCount(*shape) == x->type.elements())) {
      WithOperands(Error(ErrorKind::kReshapeElements, where,
                         absl::StrCat("cannot reshape ", ir::ToString(x->type), ", which has ", elements,
                                      " elements, to ", ir::ToString(*shape))),
                   {x});
      return Poison();
    }
    return x->type.shape == *shape ? Item(TensorItem{x}) : EmitItem(Op::kReshape, {x}, {*shape});
  }
  if (name == "broadcast") {
    const auto shape = AsShape(arguments[1], where);
    if (!shape) return Poison();
    return x->type.shape == *shape ? Item(TensorItem{x}) : EmitItem(Op::kBroadcast, {x}, {*shape});
  }
  if (name == "transpose") {
    const auto axes = AsShape(arguments[1], where);
    if (!axes) return Poison();
    ir::Ints wrapped = *axes;
    for (int64_t& axis : wrapped) axis += axis < 0 ? rank : 0;
    return EmitItem(Op::kTranspose, {x}, {std::move(wrapped)});
  }
  if (name == "flip") {
    const auto axes = Axes(arguments[1], rank, where);
    if (!axes) return Poison();
    return EmitItem(Op::kFlip, {x}, {*axes});
  }
  if (name == "split") {
    const auto parts = AsInteger(arguments[1], where, "the number of parts");
    const auto axis = Axis(arguments[2].none() ? Item(Number::Integer(0)) : arguments[2], rank, where);
    if (!parts || !axis) return Poison();
    const int64_t extent = x->type.shape[*axis];
    if (*parts > kMaxListItems) {
      return Fail(ErrorKind::kListLimit, where,
                  absl::StrCat("split makes at most ", kMaxListItems, " parts (list limit)"));
    }
    if (*parts < 1 || extent % *parts != 0) {
      WithOperands(Error(ErrorKind::kUnequalSplit, where,
                         absl::StrCat("cannot split axis ", *axis, " of ", ir::ToString(x->type), " into ", *parts,
                                      " equal parts")),
                   {x});
      return Poison();
    }
    Items items;
    for (int64_t i = 0; i < *parts; ++i) {
      ir::Ints start(rank, 0), limit = x->type.shape, stride(rank, 1);
      start[*axis] = i * (extent / *parts);
      limit[*axis] = (i + 1) * (extent / *parts);
      items.push_back(EmitItem(Op::kSlice, {x}, {std::move(start), std::move(limit), std::move(stride)}));
    }
    return MakeList(std::move(items));
  }
  if (name == "pad") {
    ir::Value* value = AsTensor(arguments[5].none() ? Item(Number::Integer(0)) : arguments[5], where, x->type.element);
    if (value == nullptr) return Poison();
    std::vector<ir::AttributeValue> widths;
    for (size_t i = 2; i < 5; ++i) {
      ir::Ints width(rank, 0);
      if (!arguments[i].none()) {
        const auto given = AsShape(arguments[i], where);
        if (!given) return Poison();
        width = given->size() == 1 && rank > 0 ? ir::Ints(rank, 0) : *given;
        if (given->size() == 1) {
          const auto axis = arguments[1].none() ? absl::optional<int64_t>() : Axis(arguments[1], rank, where);
          if (!axis && rank != 1)
            return Fail(ErrorKind::kPadWidths, where, "pad takes one width an axis, or axis= and one width");
          width[axis.value_or(0)] = (*given)[0];
        }
      }
      widths.emplace_back(std::move(width));
    }
    return EmitItem(Op::kPad, {x, value}, std::move(widths));
  }
  if (name == "one_hot") {
    const auto extent = AsInteger(arguments[1], where, "the number of classes");
    const auto type = arguments[3].none() ? ElementType({"float", where}) : AsType(arguments[3], where);
    if (!extent || !type) return Poison();
    return EmitItem(Op::kOneHot, {x}, {*extent, *type});
  }
  // gather, scatter_add
  ir::Value* indices = AsTensor(arguments[1], where, ir::DType::kI32);
  if (indices == nullptr) return Poison();
  if (name == "gather") {
    const auto axis = Axis(arguments[2].none() ? Item(Number::Integer(0)) : arguments[2], rank, where);
    const auto batch = arguments[3].none() ? absl::optional<int64_t>(0) : AsInteger(arguments[3], where, "batch");
    if (!axis || !batch) return Poison();
    return EmitItem(Op::kGather, {x, indices}, {*axis, *batch});
  }
  const auto extent = AsInteger(arguments[2], where, "the extent");
  const auto axis = Axis(arguments[3].none() ? Item(Number::Integer(0)) : arguments[3], rank, where);
  if (!extent || !axis) return Poison();
  return EmitItem(Op::kScatterAdd, {x, indices}, {*extent, *axis, int64_t{0}});
}

}  // namespace gradus::frontend
