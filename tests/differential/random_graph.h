// Random well-typed graphs over every operation and type, the same from run to run: what fuzzing of passes and of
// native code runs on.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/graph.h"
#include "ir/tensor.h"

namespace gradus::testing_support {

struct RandomGraphOptions {
  int statements = 12;          // about; operands that had to be made come on top
  bool gradient = false;        // with a scalar and a `grad` of it by some floating-point declarations
  bool float_only = false;      // f64 throughout, for proofs that need smooth values of one type
  int64_t max_elements = 6000;  // of any value
  int loops = 0;                // one statement in so many is a loop or a branch; 0: none
  bool long_axes = false;       // some extents past every block of ir/order.h and every tile; wants more elements
};

// Verifies. Declares inputs, params and states, some of which have a `next`; indices of gather and scatter_add are in
// range. What nothing else reads is an output.
ir::Graph RandomGraph(uint64_t seed, const RandomGraphOptions& options = {});

// A value of this type: mostly small numbers, with zeros, ties and now and then large or special ones.
ir::Tensor RandomTensor(uint64_t seed, const ir::Type& type);

// A value for every declaration of the graph, in order.
std::vector<ir::Tensor> RandomDeclarations(uint64_t seed, const ir::Graph& graph);

}  // namespace gradus::testing_support
