// Where values lie in a planned graph: the contract between the plan, which decides, and code generation.
//
// - Params and states lie at the start of the arena, in the order of their declarations, each at a multiple of
//   kArenaAlignment: the same places in every entry of a program.
// - Inputs lie outside the arena. Scalar literals lie nowhere, literal tensors with the code.
// - A reshape that stands outside a region is a view: it has no code, and lies where its operand lies.
// - Every other value lies in the arena, outputs too: until the end of the step, where they are copied to the caller.
// - `next s = v` has no code where v lies in the range of s; otherwise it copies v there, at its place among the
//   statements.
// - A result may lie where an operand of its own statement lies (MayOverwrite): it is computed in place.
//
// - The body of a loop or branch is ordered, and has barriers, like that of the graph; the last statement of a body may
// be
//   a barrier between one iteration and the next. Its temporaries lie in the arena, one set for all iterations. A slice
//   lies in its sequence, a carry where its value was computed (at first where the initial one lies), a capture where
//   it lies outside. Every yield but the predicate of a `while` is computed by a statement of the body (a view of one)
//   and lies in the result: what is stacked at its index, a carry or a value of a branch in its place, of which a carry
//   may have a second one to use in turn (ArenaRange). What is stacked and carried lies in the stack alone, and the
//   result that is its last value has no place and no readers (LiesInStack).
// - A `while` looks at its predicate behind the statements that this depends on, which stand first, and, where several
//   threads run it, behind the barrier that follows them. Values of these statements are not in the place of a carry.
//
// - In a scan in strips (ir/strips.h) there is no barrier and threads are at different iterations: two values of the
// body share bytes only where a row of one is a row of the other.
//
// Statements between two barriers run at the same time, but for those that run on thread 0 alone (ir/threads.h), which
// keep their order. There is a barrier between one step and the next.
#pragma once

#include "absl/container/flat_hash_set.h"
#include "ir/graph.h"

namespace gradus::ir {

inline constexpr int64_t kArenaAlignment = 64;

// Whether this statement of the outer body is a view.
inline bool IsView(const Statement& statement) { return statement.op == Op::kReshape; }
// The value whose storage holds `value`: itself, or what it is a view of.
const Value* StorageOf(const Value* value);
// Whether this statement of the outer body is executed: no declaration, literal or view, no `next` in place, no
// barrier.
bool IsExecuted(const Statement& statement);

// Whether the operation is a scan, a while or a branch.
inline bool HasBody(Op op) { return op == Op::kScan || op == Op::kWhile || op == Op::kBranch; }
// Whether this result is the last value of a carry that is stacked as well.
bool LiesInStack(const Statement& statement, size_t result);

// The statements that a value depends on, its own included.
absl::flat_hash_set<const Statement*> DependenciesOf(const Value* value);

// Whether a result of `statement` may be written over `operand`, one of its operands, which nothing reads afterwards.
bool MayOverwrite(const Statement& statement, size_t result, const Value* operand);

}  // namespace gradus::ir
