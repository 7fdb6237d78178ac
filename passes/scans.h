// What may be said of a scan without looking at what it computes: the direction in which it goes, and sums that can
// wait until it is over.
#pragma once

#include "ir/graph.h"

namespace gradus::passes {

// Of every scan of the body. Before freeze: sums change their order. Whether anything changed.
bool SimplifyScans(ir::Graph& graph);

}  // namespace gradus::passes
