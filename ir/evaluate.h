// How the interpreter runs one statement. EvaluateNAME exists for every structural row of ops.def (a missing one is a
// link error that names it); elementwise rows share one function, instantiated from the table.
#pragma once

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "ir/array.h"
#include "ir/graph.h"

namespace gradus::ir {

struct Evaluation {
  const Statement& statement;
  absl::Span<const Array* const> operands;
  Array& result;  // of the type of the statement's result, not initialised
};

#define STRUCTURAL(name, ...) absl::Status Evaluate##name(const Evaluation& e);
#include "ir/ops.def"

// Any row of UNARY, BINARY, TERNARY, COMPARE, PREDICATE, LOGIC, SELECT and CONVERT.
absl::Status EvaluateElementwise(const Evaluation& e);

// Any of them.
absl::Status Evaluate(const Evaluation& e);

// The operand repeated to `shape` by NumPy's rule.
Array BroadcastTo(const Array& operand, const Shape& shape);

}  // namespace gradus::ir
