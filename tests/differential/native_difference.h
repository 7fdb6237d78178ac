// Whether every way to run a graph whose order is fixed gives the bits of the interpreter.
#pragma once

#include <cstdint>
#include <string>

#include "ir/graph.h"
#include "ir/interpreter.h"

namespace gradus::testing_support {

struct RunConfiguration {
  ir::Target target;
  int64_t threads = 1;
  bool fuse = true;
  int64_t steps = 2;
  void (*spoil)(ir::Graph& planned) = nullptr;  // plants a bug before code is generated
};

std::string ToString(const RunConfiguration& configuration);

// Runs the passes from `freeze` on (fuse, schedule, plan), verifies the plan, and compares some steps of
//   the interpreter on the graph as it is, on the fused graph and on the planned graph, and native code
// in every output of the last step and every state after it; an input `step` counts them from 1. Empty where all bits
// agree, else what differs.
std::string Difference(const ir::Graph& frozen, const ir::NamedTensors& declared,
                       const RunConfiguration& configuration);

}  // namespace gradus::testing_support
