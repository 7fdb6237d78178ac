// Joins statements that compute the same value: the earliest stays, and the names of the others follow in its note as
// `alias`. Literals are the same when their bits are; operands of + and * may stand in either order.
#pragma once

#include "passes/pass.h"

namespace gradus::passes {

absl::StatusOr<bool> EliminateCommonSubexpressions(ir::Graph& graph);

}  // namespace gradus::passes
