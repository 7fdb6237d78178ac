#include "ir/type.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace gradus::ir {
namespace {

struct TypeRow {
  DType type;
  absl::string_view name;
  int64_t bytes;
};

constexpr TypeRow kTypes[] = {
    {DType::kBool, "bool", 1}, {DType::kU8, "u8", 1},   {DType::kI32, "i32", 4},
    {DType::kI64, "i64", 8},   {DType::kF32, "f32", 4}, {DType::kF64, "f64", 8},
};

}  // namespace

absl::string_view Name(DType type) { return kTypes[static_cast<int>(type)].name; }

int64_t ByteWidth(DType type) { return kTypes[static_cast<int>(type)].bytes; }

absl::optional<DType> ParseDType(absl::string_view name) {
  for (const TypeRow& row : kTypes) {
    if (row.name == name) return row.type;
  }
  return absl::nullopt;
}

Size ElementCount(absl::Span<const int64_t> shape) {
  Size count = 1;
  for (int64_t extent : shape) count = count * Size(extent);
  return count;
}

std::string ToString(absl::Span<const int64_t> shape) {
  return shape.empty() ? "" : absl::StrCat("[", absl::StrJoin(shape, ","), "]");
}

Shape RowMajorStrides(absl::Span<const int64_t> shape) {
  Shape strides(shape.size());
  Size stride = 1;
  for (size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = stride.value();
    stride = stride * Size(shape[axis]);
  }
  return strides;
}

std::string ToString(const Type& type) { return absl::StrCat(Name(type.element), ToString(type.shape)); }

std::ostream& operator<<(std::ostream& out, const Type& type) { return out << ToString(type); }

}  // namespace gradus::ir
