// Which values a gradient flows through, and, where it flows nowhere, what stands in its way.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "ir/graph.h"

namespace gradus::passes {

// The part of the statements before a `grad` that lies on a path from what it differentiates by to its scalar, every
// step of which carries a gradient. Only these statements get adjoints: everything else is a symbolic zero.
struct GradientPaths {
  absl::flat_hash_set<const ir::Value*> active;        // values on such a path, both ends included
  absl::flat_hash_map<const ir::Value*, int> pending;  // the number of its uses on such paths
  // Whether the adjoint of the result of `s` flows on into this operand.
  bool Flows(const ir::Statement& s, int operand) const;
};

GradientPaths FindGradientPaths(const ir::Region& body, const ir::Statement& grad);

// What is in the way of a `grad`: a sentence for each value by which it cannot differentiate, behind the position of
// the `grad`; none: the gradient exists. An earlier `grad` that still stands counts as differentiable.
std::vector<std::string> GradientObstacles(const ir::Region& body, const ir::Statement& grad);

}  // namespace gradus::passes
