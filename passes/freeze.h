// Fixes the order of every sum (numerics.md §1 of the design): from here on no pass may change a bit.
//
// A contraction or reduction has the order that ir/order.h gives its shape, or the one that its `order` attribute says;
// an attribute that only repeats the former goes. Whatever changes a shape after this pass writes the order that it
// had.
#pragma once

#include "passes/pass.h"

namespace gradus::passes {

absl::StatusOr<bool> FreezeOrder(ir::Graph& graph);

}  // namespace gradus::passes
