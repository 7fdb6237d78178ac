// Convolutions and windows as functions: one number or a list for each attribute, and padding by name.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "frontend/lowering.h"
#include "ir/convolution.h"

namespace gradus::frontend {

// One number for every spatial axis, or a list with one for each.
absl::optional<ir::Ints> Lowering::PerAxis(const Item& item, size_t rank, int64_t otherwise, absl::string_view what,
                                           SourceRange where) {
  if (item.none()) return ir::Ints(rank, otherwise);
  if (item.As<ListItem>() != nullptr) return AsShape(item, where);
  const auto number = AsInteger(item, where, absl::StrCat(what, ", one number or a list with one a spatial axis,"));
  if (!number) return absl::nullopt;
  return ir::Ints(rank, *number);
}

// What `pad` says: numbers, [before, after] pairs, or a word. `same` gives ⌈extent / stride⌉ windows, with the odd
// place behind.
bool Lowering::Padding(const Item& item, std::vector<ir::WindowAxis>& axes, SourceRange where) {
  if (item.none()) return true;
  if (const auto* word = item.As<std::string>()) {
    if (*word == "valid") return true;
    if (*word != "same") {
      Error(ErrorKind::kWindowNumber, where,
            absl::StrCat("pad is a number, a list of numbers or of [before, after], \"same\" or \"valid\", not \"",
                         *word, "\""));
      return false;
    }
    for (ir::WindowAxis& axis : axes) {
      // The shape rule has the sentence for what makes no sense.
      if (axis.stride < 1 || axis.taps < 1 || axis.dilation < 1 || axis.interior < 0) continue;
      const ir::Size places = ir::Size(axis.input - 1) * (ir::Size(axis.interior) + 1) + 1;
      const ir::Size reach = ir::Size(axis.taps - 1) * ir::Size(axis.dilation) + 1;
      if (!places.ok() || !reach.ok() || std::max({places.value(), reach.value(), axis.stride}) > ir::kMaxTensorBytes) {
        continue;
      }
      const int64_t windows = (axis.places() + axis.stride - 1) / axis.stride;
      const int64_t missing = std::max<int64_t>(0, (windows - 1) * axis.stride + axis.reach() - axis.places());
      axis.low = missing / 2;
      axis.high = missing - missing / 2;
    }
    return true;
  }
  const ListItem* list = item.As<ListItem>();
  const Items widths = list == nullptr ? Items(axes.size(), item) : *list->items;
  if (widths.size() != axes.size()) {
    Error(ErrorKind::kWindowNumber, where,
          absl::StrCat("pad has ", widths.size(), " entries for ", axes.size(),
                       axes.size() == 1 ? " spatial axis" : " spatial axes"));
    return false;
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto pair = PerAxis(widths[i], 2, 0, "pad", where);
    if (!pair) return false;
    if (pair->size() != 2) {
      Error(ErrorKind::kWindowNumber, where,
            absl::StrCat("the padding of one axis is a number or [before, after], found ", pair->size(), " numbers"));
      return false;
    }
    axes[i].low = (*pair)[0];
    axes[i].high = (*pair)[1];
  }
  return true;
}

// Channels move to the end or to the second place where the layout says that they stand second.
Item Lowering::MoveChannels(bool to_the_end, const Items& arguments, SourceRange where) {
  ir::Value* x = AsTensor(arguments[0], where);
  if (x == nullptr) return Poison();
  const int64_t rank = x->type.rank();
  static constexpr absl::string_view kSpatial[] = {"w", "hw", "dhw"};
  if (rank < 3 || rank > 5) {
    WithOperands(Error(ErrorKind::kWindowRank, where,
                       absl::StrCat("a layer over x [n, spatial axes, channels] has 1 to 3 spatial axes, found ",
                                    ir::ToString(x->type))),
                 {x});
    return Poison();
  }
  const std::string last = absl::StrCat("n", kSpatial[rank - 3], "c"), first = absl::StrCat("nc", kSpatial[rank - 3]);
  if (arguments[1].none()) return TensorItem{x};
  const std::string* layout = arguments[1].As<std::string>();
  if (layout == nullptr || (*layout != last && *layout != first)) {
    return Fail(ErrorKind::kWindowRank, where,
                absl::StrCat("the layout of ", ir::ToString(x->type), " is \"", last, "\" or \"", first, "\", not ",
                             layout == nullptr ? Describe(arguments[1]) : absl::StrCat("\"", *layout, "\"")));
  }
  if (*layout == last) return TensorItem{x};
  ir::Ints axes = {0};
  if (!to_the_end) axes.push_back(rank - 1);
  for (int64_t i = to_the_end ? 2 : 1; i < (to_the_end ? rank : rank - 1); ++i) axes.push_back(i);
  if (to_the_end) axes.push_back(1);
  return EmitItem(ir::Op::kTranspose, {x}, {std::move(axes)});
}

Item Lowering::ListPerAxis(const Items& arguments, SourceRange where) {
  const auto count = AsInteger(arguments[1], where, "the number of axes");
  if (!count) return Poison();
  if (*count < 1 || *count > 3) {
    return Fail(ErrorKind::kWindowNumber, where, absl::StrCat("there are 1 to 3 spatial axes, not ", *count));
  }
  const ListItem* list = arguments[0].As<ListItem>();
  if (list == nullptr) return MakeList(Items(static_cast<size_t>(*count), arguments[0]));
  if (static_cast<int64_t>(list->items->size()) == *count) return arguments[0];
  return Fail(
      ErrorKind::kWindowNumber, where,
      absl::StrCat("one number, or a list of ", *count, " with one a spatial axis, found ", list->items->size()));
}

Item Lowering::Window(const std::string& name, const Items& arguments, SourceRange where) {
  ir::Value* x = AsTensor(arguments[0], where);
  if (x == nullptr) return Poison();
  const size_t rank = x->type.rank() < 2 ? 0 : static_cast<size_t>(x->type.rank() - 2);
  const bool convolves = name == "convolution";
  ir::Value* w = nullptr;
  absl::optional<ir::Ints> taps;
  if (convolves) {
    w = AsTensor(arguments[1], where, x->type.element);
    if (w == nullptr) return Poison();
    const size_t known = std::min(rank, w->type.shape.size());
    taps = ir::Ints(w->type.shape.begin(), w->type.shape.begin() + known);
    taps->resize(rank, 1);
  } else {
    taps = PerAxis(arguments[1], rank, 1, "the window", where);
  }
  const auto stride = PerAxis(arguments[2], rank, 1, "stride", where);
  const auto dilation = PerAxis(arguments[4], rank, 1, "dilation", where);
  const auto interior = PerAxis(arguments.size() > 5 ? arguments[5] : Item(None()), rank, 0, "interior", where);
  if (!taps || !stride || !dilation || !interior) return Poison();
  for (const auto& [what, list] : {std::pair<absl::string_view, const ir::Ints*>{"the window", &*taps},
                                   {"stride", &*stride},
                                   {"dilation", &*dilation},
                                   {"interior", &*interior}}) {
    if (list->size() == rank) continue;
    return Fail(ErrorKind::kWindowNumber, where,
                absl::StrCat(what, " has ", list->size(), " entries for ", rank,
                             rank == 1 ? " spatial axis" : " spatial axes"));
  }
  std::vector<ir::WindowAxis> axes;
  for (size_t i = 0; i < rank; ++i) {
    axes.push_back({.input = x->type.shape[i + 1],
                    .taps = (*taps)[i],
                    .stride = (*stride)[i],
                    .dilation = (*dilation)[i],
                    .interior = (*interior)[i]});
  }
  if (!Padding(arguments[3], axes, where)) return Poison();
  std::vector<ir::AttributeValue> attributes = ir::GeometryAttributes(axes);
  if (convolves) {
    const auto groups = arguments[6].none() ? absl::optional<int64_t>(1) : AsInteger(arguments[6], where, "groups");
    if (!groups) return Poison();
    attributes.emplace_back(*groups);
    return EmitItem(ir::Op::kConvolution, {x, w}, std::move(attributes));
  }
  attributes.insert(attributes.begin(), *taps);
  if (name == "window_sum") return EmitItem(ir::Op::kWindowSum, {x}, std::move(attributes));
  attributes.pop_back();
  return EmitItem(name == "window_max" ? ir::Op::kWindowMax : ir::Op::kWindowArgMax, {x}, std::move(attributes));
}

}  // namespace gradus::frontend
