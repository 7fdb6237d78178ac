// A graph that computes in f64 what another computes in f32: what a check of its gradient differentiates.
#pragma once

#include "ir/graph.h"

namespace gradus::ir {

// Every f32 in types, literals and attributes becomes f64, in regions too. Literals keep their value, which was rounded
// to f32 when the text was read. Returns whether there was any.
bool Widen(Graph& graph);

}  // namespace gradus::ir
