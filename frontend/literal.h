// Literal arrays: `[[0.1, 0.2], [0.3, 0.4]]`.
#pragma once

#include "absl/types/optional.h"
#include "frontend/ast.h"
#include "frontend/diagnostics.h"
#include "ir/tensor.h"

namespace gradus::frontend {

// Whether an expression is a number, or a list of such, signs included.
bool IsLiteral(const ast::Expression& expression);

// The tensor of a literal, its shape that of the brackets and every number rounded once to `element`. Lists of
// different lengths, empty lists, and numbers that the type cannot hold are reported and give nothing.
absl::optional<ir::Tensor> ReadLiteral(const ast::Expression& expression, ir::DType element, Diagnostics& diagnostics);

}  // namespace gradus::frontend
