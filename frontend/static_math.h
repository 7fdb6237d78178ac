// Arithmetic on static numbers by the rows of ir/ops.def, in exact integers or f64: no libm takes part, so a size, an
// attribute or a hyper-parameter has the same bits on every machine.
#pragma once

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "frontend/item.h"

namespace gradus::frontend {

// The result of an elementwise operation on numbers: a number, or a bool for comparisons. Integers stay exact integers
// under + - * // % ** neg abs sign minimum maximum and comparisons, and an overflow or a division by zero is an error;
// `/` and every other operation compute in f64. `operands` are as many as the operation has.
absl::StatusOr<Item> EvaluateStatic(ir::Op op, absl::Span<const StaticNumber> operands);

// The number as written, in f64. Fails where it is out of range.
absl::StatusOr<StaticNumber> ParseNumber(const std::string& text, bool is_integer);

// The nearest number of the element type, as a scalar: a literal is rounded once from its text. The sentence of the
// error is `0.5 is no i32`.
absl::StatusOr<ir::Tensor> ToScalar(const StaticNumber& number, ir::DType type);

// Shortest text that reads back as the same number.
std::string ToText(const StaticNumber& number);

}  // namespace gradus::frontend
