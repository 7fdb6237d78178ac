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
absl::StatusOr<Item> EvaluateStatic(ir::Op op, absl::Span<const Number> operands);

// Text that reads back as the same number, of the same kind.
std::string ToText(const Number& number);

}  // namespace gradus::frontend
