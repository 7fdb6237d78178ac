#include <algorithm>

#include "absl/strings/str_cat.h"
#include "frontend/lowering.h"

namespace gradus::frontend {

Item Lowering::EvaluateIndex(const ast::Index& index, SourceRange range) {
  const Item object = Evaluate(*index.object);
  if (object.poisoned()) return object;
  if (const ListItem* list = object.As<ListItem>()) return IndexList(*list->items, index, range);
  ir::Value* value = AsTensor(object, index.object->range);
  return value == nullptr ? Item(Poison()) : IndexTensor(value, index, range);
}

Item Lowering::IndexList(const Items& list, const ast::Index& index, SourceRange range) {
  if (index.items.size() != 1) return Fail(ErrorKind::kIndexCount, range, "a list takes one index");
  const ast::IndexItem& item = index.items[0];
  const auto size = static_cast<int64_t>(list.size());
  const auto bound = [&](const ast::ExpressionPtr& e, int64_t absent) -> absl::optional<int64_t> {
    if (e == nullptr) return absent;
    auto value = AsInteger(Evaluate(*e), e->range, "an index of a list");
    if (value && *value < 0) *value += size;
    if (value && (*value < 0 || *value > size)) {
      Error(ErrorKind::kIndexRange, e->range, absl::StrCat("index out of range: the list has ", size, " items"));
      return absl::nullopt;
    }
    return value;
  };
  if (!item.is_slice) {
    const auto at = bound(item.value, 0);
    if (!at) return Poison();
    if (*at == size)
      return Fail(ErrorKind::kIndexRange, item.range,
                  absl::StrCat("index out of range: the list has ", size, " items"));
    return list[*at];
  }
  if (item.step != nullptr) return Fail(ErrorKind::kSliceStep, item.range, "a slice of a list has no step");
  const auto lower = bound(item.lower, 0), upper = bound(item.upper, size);
  if (!lower || !upper) return Poison();
  if (*lower > *upper) return Fail(ErrorKind::kIndexRange, item.range, "the slice ends before it begins");
  return MakeList(Items(list.begin() + *lower, list.begin() + *upper));
}

// An index that is a tensor gathers along its axis, after everything else.
Item Lowering::IndexTensor(ir::Value* value, const ast::Index& index, SourceRange range) {
  std::vector<IndexEntry> entries;
  ir::Value* gathered = nullptr;
  int64_t axis = 0, gather_axis = 0;  // of the result so far
  bool ok = true;
  const auto number = [&](const ast::ExpressionPtr& e, absl::optional<int64_t>* into) {
    if (e == nullptr) return;
    *into = AsInteger(Evaluate(*e), e->range, "an index");
    ok &= into->has_value();
  };
  for (const ast::IndexItem& item : index.items) {
    IndexEntry entry{.range = item.range};
    if (item.is_slice) {
      absl::optional<int64_t> step;
      number(item.lower, &entry.lower);
      number(item.upper, &entry.upper);
      number(item.step, &step);
      entry.step = step.value_or(1);
      ++axis;
    } else if (item.value->As<ast::Ellipsis>() != nullptr) {
      entry.kind = IndexEntry::Kind::kEllipsis;
      int64_t named = 0;
      for (const ast::IndexItem& other : index.items) {
        named +=
            other.is_slice || (other.value->As<ast::Ellipsis>() == nullptr && other.value->As<ast::None>() == nullptr);
      }
      axis += std::max<int64_t>(value->type.rank() - named, 0);
    } else if (item.value->As<ast::None>() != nullptr) {
      entry.kind = IndexEntry::Kind::kNewAxis;
      ++axis;
    } else {
      const Item at = Evaluate(*item.value);
      if (const TensorItem* indices = at.As<TensorItem>()) {
        if (gathered != nullptr)
          return Fail(ErrorKind::kTwoIndexTensors, item.range,
                      "an index has one tensor at most; gather one axis after another");
        gathered = indices->value;
        gather_axis = axis++;
      } else {
        entry.kind = IndexEntry::Kind::kAt;
        const auto given = AsInteger(at, item.range, "an index");
        ok &= given.has_value();
        entry.at = given.value_or(0);
      }
    }
    entries.push_back(std::move(entry));
  }
  if (!ok) return Poison();
  // What takes everything takes nothing away.
  bool whole = static_cast<int64_t>(entries.size()) <= value->type.rank();
  for (size_t i = 0; i < entries.size() && whole; ++i) {
    const IndexEntry& entry = entries[i];
    whole = entry.kind == IndexEntry::Kind::kSlice && entry.lower.value_or(0) == 0 &&
            entry.upper.value_or(value->type.shape[i]) == value->type.shape[i] && entry.step == 1;
  }
  builder_.SetNote(NoteAt(place_));
  const Item part =
      whole ? Item(TensorItem{value}) : Made(expressions_.Index(range, AsOperand(value, index.object->range), entries));
  if (gathered == nullptr || part.poisoned()) return part;
  return EmitItem(Op::kGather, {part.As<TensorItem>()->value, gathered}, {gather_axis, int64_t{0}});
}

}  // namespace gradus::frontend
