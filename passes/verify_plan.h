// Whether a planned graph computes what its statements say: every read finds the bytes that it wants.
//
// Independent of how the plan came about: for every read of a value and every write to bytes that the value lies in,
// the write is over before the value is written, or begins after the read is over, or is the reader's own result over
// an operand that it may overwrite (ir/storage.h). Values are read after they are written; ranges are inside the arena,
// of the right size, aligned, and states lie where every entry expects them. Loops are gone through iteration by
// iteration, of a long one the first two and the last; a `while` goes round twice, three times and not at all.
#pragma once

#include "absl/status/status.h"
#include "ir/graph.h"

namespace gradus::passes {

absl::Status VerifyPlan(const ir::Graph& graph);

}  // namespace gradus::passes
