// Passes in the bodies of loops and branches.
//
// A body is lent to a pass as a graph of its own: its parameters are inputs, its yields are outputs, and the header is
// that of the graph around it. So whatever a pass does to the body of a graph it does to those of loops, however deep.
#pragma once

#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "ir/graph.h"

namespace gradus::passes {

// The body of a statement as a graph, for as long as this lives.
class LentBody {
 public:
  LentBody(const ir::Graph& graph, ir::Statement& holder);
  ~LentBody();
  LentBody(const LentBody&) = delete;
  LentBody& operator=(const LentBody&) = delete;

  ir::Graph& graph() { return body_; }

 private:
  ir::Statement& holder_;
  std::vector<ir::Statement*> inputs_;  // in the order of the parameters
  ir::Graph body_;
};

// Runs `pass` on the body of every loop and branch of the graph, not on those within them. Whether any changed.
absl::StatusOr<bool> InBodies(ir::Graph& graph,
                              absl::FunctionRef<absl::StatusOr<bool>(ir::Graph& body, ir::Statement& holder)> pass);

}  // namespace gradus::passes
