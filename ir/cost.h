// What an elementwise operation costs, read off its row of ops.def.
//
// Fusion and code generation ask one thing: whether a value is cheaper to compute again than to store and load. The
// answer is counted, by computing the row's formula once over a policy that counts its steps, so that a new row has its
// cost without saying it.
#pragma once

#include "ir/op.h"

namespace gradus::ir {

// Steps of arithmetic an element of `op` in f32 takes: an addition, product, fused product, comparison, selection or
// bitwise step is one, a division or a square root kDivisionSteps. 1 for operations that are not elementwise.
int Steps(Op op);

// As long a time as a division occupies its unit, in additions: 5 to 8 on the x86-64 processors since 2015 (Fog,
// "Instruction tables").
inline constexpr int kDivisionSteps = 8;

// Whether an element of `op` takes as long as a division or longer: a quotient, a root, anything with a polynomial.
inline bool IsDear(Op op) { return Steps(op) >= kDivisionSteps; }

}  // namespace gradus::ir
