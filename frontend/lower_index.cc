#include "absl/strings/str_cat.h"
#include "frontend/lowering.h"

namespace gradus::frontend {

Item Lowering::Transposed(ir::Value* value, SourceRange where) {
  const int64_t rank = value->type.rank();
  if (rank < 2) {
    return Fail(where, absl::StrCat(".T exchanges the last two axes, and ", ir::ToString(value->type), " has not two"));
  }
  ir::Ints axes;
  for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  std::swap(axes[rank - 1], axes[rank - 2]);
  return EmitItem(Op::kTranspose, {value}, {std::move(axes)});
}

Item Lowering::EvaluateIndex(const ast::Index& index, SourceRange range) {
  const Item object = Evaluate(*index.object);
  if (object.poisoned()) return object;
  if (const ListItem* list = object.As<ListItem>()) return IndexList(*list->items, index, range);
  ir::Value* value = AsTensor(object, index.object->range);
  return value == nullptr ? Item(Poison()) : IndexTensor(value, index, range);
}

namespace {

struct Bounds {
  int64_t start = 0, limit = 0, stride = 1;
};

}  // namespace

Item Lowering::IndexList(const Items& list, const ast::Index& index, SourceRange range) {
  if (index.items.size() != 1) return Fail(range, "a list takes one index");
  const ast::IndexItem& item = index.items[0];
  const auto size = static_cast<int64_t>(list.size());
  const auto bound = [&](const ast::ExpressionPtr& e, int64_t absent) -> absl::optional<int64_t> {
    if (e == nullptr) return absent;
    auto value = AsInteger(Evaluate(*e), e->range, "an index of a list");
    if (value && *value < 0) *value += size;
    if (value && (*value < 0 || *value > size)) {
      Error(e->range, absl::StrCat("index out of range: the list has ", size, " items"));
      return absl::nullopt;
    }
    return value;
  };
  if (!item.is_slice) {
    const auto at = bound(item.value, 0);
    if (!at) return Poison();
    if (*at == size) return Fail(item.range, absl::StrCat("index out of range: the list has ", size, " items"));
    return list[*at];
  }
  if (item.step != nullptr) return Fail(item.range, "a slice of a list has no step");
  const auto lower = bound(item.lower, 0), upper = bound(item.upper, size);
  if (!lower || !upper) return Poison();
  if (*lower > *upper) return Fail(item.range, "the slice ends before it begins");
  return MakeList(Items(list.begin() + *lower, list.begin() + *upper));
}

// One slice, then one reshape that drops the indexed axes and adds the new ones; an index that is a tensor gathers.
Item Lowering::IndexTensor(ir::Value* value, const ast::Index& index, SourceRange range) {
  const ir::Type type = value->type;
  int64_t consumed = 0;
  bool has_ellipsis = false;
  std::vector<Item> evaluated(index.items.size());
  for (size_t i = 0; i < index.items.size(); ++i) {
    const ast::IndexItem& item = index.items[i];
    if (item.is_slice) {
      ++consumed;
    } else if (item.value->As<ast::Ellipsis>() != nullptr) {
      if (has_ellipsis) return Fail(item.range, "an index has one `...` at most");
      has_ellipsis = true;
    } else if (item.value->As<ast::None>() == nullptr) {
      evaluated[i] = Evaluate(*item.value);
      if (evaluated[i].poisoned()) return Poison();
      ++consumed;
    }
  }
  if (consumed > type.rank()) {
    WithOperands(Error(range, absl::StrCat(consumed, " indices for ", ir::ToString(type), ", which has ", type.rank(),
                                           type.rank() == 1 ? " axis" : " axes")),
                 {value});
    return Poison();
  }
  ir::Ints start, limit, stride, shape;
  struct GatherAt {
    ir::Value* indices;
    int64_t axis;  // of the result so far
  };
  absl::optional<GatherAt> gather;
  int64_t axis = 0;
  const auto keep = [&] {
    start.push_back(0);
    limit.push_back(type.shape[axis]);
    stride.push_back(1);
    shape.push_back(type.shape[axis]);
    ++axis;
  };
  for (size_t i = 0; i < index.items.size(); ++i) {
    const ast::IndexItem& item = index.items[i];
    if (!item.is_slice && item.value->As<ast::Ellipsis>() != nullptr) {
      for (int64_t n = type.rank() - consumed; n > 0; --n) keep();
      continue;
    }
    if (!item.is_slice && item.value->As<ast::None>() != nullptr) {
      shape.push_back(1);
      continue;
    }
    const int64_t extent = type.shape[axis];
    if (item.is_slice) {
      Bounds bounds{0, extent, 1};
      const auto read = [&](const ast::ExpressionPtr& e, int64_t* into, bool wrap) {
        if (e == nullptr) return true;
        auto number = AsInteger(Evaluate(*e), e->range, "a bound of a slice");
        if (!number) return false;
        *into = wrap && *number < 0 ? *number + extent : *number;
        return true;
      };
      if (!read(item.lower, &bounds.start, true) || !read(item.upper, &bounds.limit, true) ||
          !read(item.step, &bounds.stride, false)) {
        return Poison();
      }
      if (bounds.stride < 1) {
        Error(item.range, absl::StrCat("a slice has a step of at least 1, found ", bounds.stride))
            .Help("flip(x, axis=…) reverses an axis");
        return Poison();
      }
      if (bounds.start < 0 || bounds.limit > extent || bounds.start >= bounds.limit) {
        WithOperands(
            Error(item.range, absl::StrCat("the slice ", std::string(item.range.text()),
                                           bounds.start >= bounds.limit && bounds.start >= 0 && bounds.limit <= extent
                                               ? " is empty: axis "
                                               : " is out of range: axis ",
                                           axis, " of ", ir::ToString(type), " has ", extent, " elements")),
            {value});
        return Poison();
      }
      start.push_back(bounds.start);
      limit.push_back(bounds.limit);
      stride.push_back(bounds.stride);
      shape.push_back(ir::Size(bounds.limit - bounds.start).CeilDiv(bounds.stride).value());
      ++axis;
      continue;
    }
    if (const TensorItem* indices = evaluated[i].As<TensorItem>()) {
      if (gather) return Fail(item.range, "an index has one tensor at most; gather one axis after the other");
      gather = GatherAt{indices->value, static_cast<int64_t>(shape.size())};
      keep();
      continue;
    }
    auto at = AsInteger(evaluated[i], item.range, "an index");
    if (!at) return Poison();
    if (*at < -extent || *at >= extent) {
      WithOperands(Error(item.range, absl::StrCat("index ", *at, " is out of range: axis ", axis, " of ",
                                                  ir::ToString(type), " has ", extent, " elements")),
                   {value});
      return Poison();
    }
    if (*at < 0) *at += extent;
    start.push_back(*at);
    limit.push_back(*at + 1);
    stride.push_back(1);
    ++axis;
  }
  while (axis < type.rank()) keep();
  bool cuts = false;
  for (int64_t i = 0; i < type.rank(); ++i) cuts |= start[i] != 0 || limit[i] != type.shape[i] || stride[i] != 1;
  if (cuts) value = Emit(Op::kSlice, {value}, {std::move(start), std::move(limit), std::move(stride)});
  if (value != nullptr && value->type.shape != shape) value = Emit(Op::kReshape, {value}, {std::move(shape)});
  if (value != nullptr && gather) value = Emit(Op::kGather, {value, gather->indices}, {gather->axis, int64_t{0}});
  return value == nullptr ? Item(Poison()) : Item(TensorItem{value});
}

}  // namespace gradus::frontend
