// Element types, shapes and the type of a value.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "ir/size.h"

namespace gradus::ir {

enum class DType : uint8_t { kBool, kU8, kI32, kI64, kF32, kF64 };

absl::string_view Name(DType type);                        // `f32`
absl::optional<DType> ParseDType(absl::string_view name);  // the inverse; nothing for another word
int64_t ByteWidth(DType type);                             // 1 for bool and u8
constexpr bool IsFloat(DType type) { return type == DType::kF32 || type == DType::kF64; }
constexpr bool IsInteger(DType type) { return type == DType::kU8 || type == DType::kI32 || type == DType::kI64; }

// The extents of a tensor, outermost first; rank 0 is a scalar. Row-major is the logical order everywhere.
using Shape = absl::InlinedVector<int64_t, 4>;

// Limits that the verifier reports by name (trust.md §4 of the design: complete static checks).
inline constexpr int64_t kMaxRank = 16;
inline constexpr int64_t kMaxTensorBytes = int64_t{1} << 40;

Size ElementCount(absl::Span<const int64_t> shape);
std::string ToString(absl::Span<const int64_t> shape);  // `[64,784]`; empty for a scalar
// The strides, in elements, of a dense row-major tensor.
Shape RowMajorStrides(absl::Span<const int64_t> shape);

struct Type {
  DType element = DType::kF32;
  Shape shape;

  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  Size elements() const { return ElementCount(shape); }
  Size bytes() const { return elements() * Size(ByteWidth(element)); }
  friend bool operator==(const Type& a, const Type& b) { return a.element == b.element && a.shape == b.shape; }
  friend bool operator!=(const Type& a, const Type& b) { return !(a == b); }
};

std::string ToString(const Type& type);  // `f32[64,784]`, `f32` for a scalar
std::ostream& operator<<(std::ostream& out, const Type& type);

}  // namespace gradus::ir
