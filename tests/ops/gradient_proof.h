// Proof of a gradient: what backprop writes for a graph, evaluated in double, against the dual numbers of the
// interpreter and against central differences, in the first and the second order.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "ir/graph.h"
#include "ir/tensor.h"

namespace gradus::testing_support {

// A graph with one floating-point output, "y", and the point at which its gradient is proven: one entry a declaration.
struct GradientCase {
  std::string name;
  ir::Graph graph;
  std::map<std::string, std::vector<double>> floats;
  std::map<std::string, ir::Tensor> others;
};

struct GradientProof {
  bool random_incoming = true;  // else 1 everywhere, with which wrong rules can pass
  bool differences = true;      // not at kinks
  bool duals = true;            // not where a rule is smooth and the text that it stands for has a kink
  bool together = false;        // both gradients are taken at once, so that the rules of functions hold for both
  uint64_t seed = 1;
};

// The scalar s = sum(y · r), r a random incoming gradient, is differentiated by every floating-point declaration and by
// r; then t = Σ sum(∂s/∂x · q), q random, once more. A derivative without a path counts as 0, which is proven as well.
//
// First order: every element (of at most 64) and random directions against duals to 1e-12 · max(1, |value|), and
// against central differences of s to 1e-7. Second order: random directions against duals of duals to 1e-12 and
// central differences of ∂s/∂x to 1e-7. The error says what differs.
absl::Status ProveGradient(const GradientCase& c, const GradientProof& proof = {});

// The gradient of sum(y · r) by the declaration `by`, and the one of sum(that · q) again, as plain numbers in double; r
// and q are 1. Zeros where there is no path.
std::vector<double> FirstGradient(const GradientCase& c, const std::string& by);
std::vector<double> SecondGradient(const GradientCase& c, const std::string& by);

}  // namespace gradus::testing_support
