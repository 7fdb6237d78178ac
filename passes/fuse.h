// Makes regions: statements that become one kernel.
//
// Every statement starts as a kernel of its own; a kernel then joins the kernel of a value that it reads, wherever the
// result is one of the kinds of ir/region.h, no third kernel stands between them, and it pays. Reshapes of unit axes,
// broadcasts, slices, iota and one_hot are not kernels but ways to read a value, copied into every region that reads
// through them. Values that others read become yields. `next p = r` stays outside.
//
// A fused kernel computes every value by the same statements as before: bits do not change.
#pragma once

#include <string>
#include <vector>

#include "passes/pass.h"

namespace gradus::passes {

// Does nothing where options.fuse is false. Writes its decisions to options.decisions, if given, in text order.
absl::StatusOr<bool> Fuse(ir::Graph& graph, const Options& options);

// The text of `gradus show --stage fused` beside the graph: one line a decision.
std::string Describe(const std::vector<FusionDecision>& decisions);

}  // namespace gradus::passes
