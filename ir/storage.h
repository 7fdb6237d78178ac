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
// Statements between two barriers run at the same time, but for those that run on thread 0 alone (ir/threads.h), which
// keep their order. There is a barrier between one step and the next.
#pragma once

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

// Whether a result of `statement` may be written over `operand`, one of its operands, which nothing reads afterwards.
bool MayOverwrite(const Statement& statement, size_t result, const Value* operand);

}  // namespace gradus::ir
