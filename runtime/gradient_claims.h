// What a program says its gradients are: for each gradient which value stands for which adjoint.
//
// There are two ways to know. A graph whose `grad` statements are unfilled is differentiated here, and every adjoint
// and every contribution to one is recorded as it is written. In a graph that was printed after backpropagation the
// name tells: `d.h` is the adjoint of `h`, `d2.h` the one of the second gradient; what a value is `of` tells which
// statement a contribution comes from.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "ir/graph.h"
#include "passes/differentiate.h"
#include "runtime/gradient_point.h"
#include "runtime/gradient_trace.h"

namespace gradus::runtime {

struct WrittenGradient {
  int64_t number = 1;                             // of the gradient, in text order
  std::vector<const ir::Value*> scalars;          // what is differentiated; of a printed gradient what it may be
  ir::Note note;                                  // of the `grad`
  std::vector<const ir::Value*> by;               // in text order
  std::vector<passes::WrittenAdjoint> gradients;  // of `by`
  passes::GradientRecord record;                  // without results; of a printed gradient without parts too
  bool printed = false;
  // Values whose adjoint is known by a primed name, which may as well be that of a contribution or of a helper.
  absl::flat_hash_set<const ir::Value*> ambiguous;
};

// Fills every `grad` of the graph, leaving the markers `custom_vjp` and `stop_gradient`. Fails with what is in the way
// of one, as backprop does.
absl::StatusOr<std::vector<WrittenGradient>> DifferentiateAndRecord(ir::Graph& graph);

// The gradients of a graph that was printed after backpropagation and before fusion. In bodies too: `d.z` in the
// reverse scan is, step by step, the adjoint of `z` in the scan, and what the carry `d.h` becomes is that of `h`.
absl::StatusOr<std::vector<WrittenGradient>> ReadClaims(const ir::Graph& graph, const GraphOrder& order);

// What is to be proven of one gradient: the same, of the statements of a trace of the graph.
struct GradientClaims {
  std::vector<const ir::Value*> scalars;
  ir::Note note;
  std::vector<const ir::Value*> by;
  std::vector<passes::WrittenAdjoint> gradients;
  absl::flat_hash_map<const ir::Value*, passes::WrittenAdjoint> adjoints;
  // What the users of a value contribute to its adjoint; empty where the graph was printed.
  struct Part {
    const ir::Statement* user = nullptr;
    absl::flat_hash_set<const ir::Statement*> through;  // the user, or what a loop became that reads the value
    std::vector<passes::WrittenAdjoint> contributions;  // one a use
    bool gone = false;                                  // one of them is not in the graph
  };
  absl::flat_hash_map<const ir::Value*, std::vector<Part>> parts;
  bool printed = false;
  absl::flat_hash_set<const ir::Statement*> trusted;  // custom_vjp whose rule counts as right
  absl::flat_hash_set<const ir::Value*> ambiguous;
};
GradientClaims InTrace(const WrittenGradient& gradient, const Trace& trace);

// The contributions to a printed adjoint: the terms of its sum, each with its sign and the names of the values whose
// statement it may come from.
struct Term {
  passes::WrittenAdjoint value;
  double sign = 1;
  std::vector<std::string> of;
};
std::vector<Term> TermsOf(const GradientClaims& claims, const ir::Value* adjoint);

}  // namespace gradus::runtime
