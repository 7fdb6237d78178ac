// The definition of every operation: runs a graph, regions included, statement by statement in the order of ir/order.h.
//
//   ASSIGN_OR_RETURN(StepValues y, Interpret(graph, {{"x", x}, {"y", labels}, {"fc1.w", w}, …}));
//   y.outputs.at("loss"), y.next.at("fc1.w")
//
// Native arithmetic computes f32 in float and f64 in double: its bits are what generated code must reproduce. The other
// arithmetics are oracles for tests: kDouble computes every float in double, kDual and kDualOfDual carry first and
// second derivatives along the direction seeded in the `derivative` parts of what is bound. `custom_vjp` is its value,
// so a dual differentiates through the value rather than by the rule; `stop_gradient` drops derivatives.
//
// Errors: a declaration without a binding or of another type (InvalidArgument); an index out of range, with value,
// bound, statement and source position (OutOfRange); `grad` that backprop has not filled (FailedPrecondition).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "ir/array.h"
#include "ir/graph.h"

namespace gradus::ir {

using NamedTensors = absl::flat_hash_map<std::string, Tensor>;
using NamedArrays = absl::flat_hash_map<std::string, Array>;

struct StepValues {
  NamedTensors outputs;  // by public name
  NamedTensors next;     // by the name of the param or state; those without a `next` keep their value and are not here
};
// One step. `declared` binds every input, param and state by name. Where `end_while` is given and holds, a `while` that
// has not ended fails (Aborted).
using EndWhile = std::function<bool()>;
absl::StatusOr<StepValues> Interpret(const Graph& graph, const NamedTensors& declared,
                                     const EndWhile& end_while = nullptr);

struct StepArrays {
  NamedArrays outputs;
  NamedArrays next;
  NamedArrays values;  // every named value of the outer body, where InterpretIn was asked to keep them
};
// The same under any arithmetic; the arrays bound must be of it.
absl::StatusOr<StepArrays> InterpretIn(Arithmetic arithmetic, const Graph& graph, const NamedArrays& declared,
                                       bool keep_values = false, const EndWhile& end_while = nullptr);

// The results of a scan, a `while` or a branch on its operands, which are of this arithmetic.
absl::StatusOr<std::vector<Array>> InterpretControl(Arithmetic arithmetic, const Statement& statement,
                                                    absl::Span<const Array* const> operands);

// The statements of a region on which the roots, values of it, depend; in its order.
std::vector<const Statement*> StatementsFor(const Region& region, absl::Span<const Value* const> roots);

// The bytes that Interpret asks for at most at one time, what is bound to declarations included.
Size InterpreterBytes(const Graph& graph);

// One statement without declarations, regions or special meaning, on operands of one arithmetic: constant folding.
// Fails as the statement would.
absl::StatusOr<Tensor> InterpretStatement(const Statement& statement, absl::Span<const Tensor* const> operands);

}  // namespace gradus::ir
