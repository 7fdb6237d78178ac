// Which values a gradient flows through, and, where it flows nowhere, what stands in its way.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "ir/graph.h"

namespace gradus::passes {

// The part of some statements that lies on a path from the sources, by which is differentiated, to the roots, which are
// differentiated, every step of which carries a gradient. Only these statements get adjoints: everything else is a
// symbolic zero.
struct GradientPaths {
  absl::flat_hash_set<const ir::Value*> dependent;     // values on a path from a source
  absl::flat_hash_set<const ir::Value*> active;        // values on a path from a source to a root, both ends included
  absl::flat_hash_map<const ir::Value*, int> pending;  // the number of its uses on such paths
  absl::flat_hash_map<const ir::Statement*, std::vector<bool>> through;  // scans and branches: into which operands
  // Whether the adjoint of a result of `s` flows on into this operand.
  bool Flows(const ir::Statement& s, int operand) const;
};

using StatementSpan = absl::Span<const std::unique_ptr<ir::Statement>>;
GradientPaths FindGradientPaths(StatementSpan statements, absl::Span<const ir::Value* const> sources,
                                absl::Span<const ir::Value* const> roots);
// The same for the statements before a `grad`.
GradientPaths FindGradientPaths(const ir::Region& body, const ir::Statement& grad);
// The statements of a region before one of them.
StatementSpan StatementsBefore(const ir::Region& body, const ir::Statement& end);

// The parameters of the region of a scan or a branch that lie on a path from the operands marked to the results marked:
// in a scan through any number of steps.
std::vector<bool> ActiveParameters(const ir::Statement& statement, const std::vector<bool>& operands,
                                   const std::vector<bool>& results);

// What is in the way of a `grad`: a sentence for each value by which it cannot differentiate, behind the position of
// the `grad`; none: the gradient exists. An earlier `grad` that still stands counts as differentiable.
std::vector<std::string> GradientObstacles(const ir::Region& body, const ir::Statement& grad);

}  // namespace gradus::passes
