// Inputs that a program uses as indices, and the bounds that their elements must keep.
//
// Such an input is checked as it is fed, before a step writes any state; indices that a step computes are checked where
// they are used (gather, scatter_add).
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"

namespace gradus::ir {

struct IndexBound {
  std::string input;
  int64_t limit = 0;  // 0 <= index < limit
  std::string use;    // the name of the value that it indexes or makes: `loss.picked`
  Op op = Op::kGather;
  Note note;  // of that statement
};

// One bound for each gather, scatter_add and one_hot of the body whose indices are an input, perhaps reshaped,
// transposed or widened, in text order. Of several with the same input the tightest one alone.
std::vector<IndexBound> InputIndexBounds(const Graph& graph);

}  // namespace gradus::ir
