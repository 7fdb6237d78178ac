// What every iteration of a scan multiplies by is laid out for the microkernel once, before the scan.
//
// A captured matrix whose rows lie far apart, or whose columns are not adjacent, would be read in bad places or copied
// into panels in every iteration. It becomes panels [n / p, k, p] in front of the scan (p columns, as wide as the
// microkernel), the product in the body one with a panel axis more, and what follows it elementwise works on that
// shape; a reshape, which is a view, gives the old one back. Sums keep their terms and order. GRU and LSTM cells live
// from this: the same weights 64 times, by few rows.
#pragma once

#include "passes/pass.h"

namespace gradus::passes {

absl::StatusOr<bool> PackCaptures(ir::Graph& graph, const Options& options);

}  // namespace gradus::passes
