// What tests of the library share: cases of the reference files and programs made of them.
//
// The files are written by tests/library/reference.py, which says what a case is.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "frontend/lower.h"
#include "ir/interpreter.h"

namespace gradus::testing_support {

struct ReferenceInput {
  std::string name;  // `x`, or `p.slope`: a parameter
  ir::Tensor value;  // f64, or i32 where it is labels
  bool differentiable = false;
  std::vector<double> gradient;  // of sum(y * r)
};

struct ReferenceCase {
  std::string name;
  std::string setup;  // statements before the expression
  std::string text;   // the expression
  std::vector<ReferenceInput> inputs;
  ir::Tensor r;
  std::vector<double> value;
};

// An optimizer, what it begins with, the gradients that it is given and the parameter after each of them.
struct ReferenceUpdates {
  std::string name;
  std::string text;
  std::string parameter;  // the literal
  int64_t size = 0;
  std::vector<std::vector<double>> gradients, values;
};

std::vector<ReferenceCase> ReadCases(const std::string& file);
std::vector<ReferenceUpdates> ReadUpdates(const std::string& file);

// `d_x`, `d_p_slope`.
std::string GradientName(const ReferenceInput& input);

// `y`, and under GradientName the gradient of sum(y * r) by every differentiable input, run by the interpreter in f64.
absl::StatusOr<ir::NamedTensors> RunCase(const ReferenceCase& c);

// The same graph before its gradient is taken, its declared values among `declared`: `y` alone is output.
absl::StatusOr<ir::Graph> ValueGraph(const ReferenceCase& c, ir::NamedTensors* declared);

// One entry of a program text in f64, gradients not yet taken.
absl::StatusOr<ir::Graph> LowerText(const std::string& text, frontend::Entry entry);

// Empty where every element is within 1e-12 · max(1, |expected|), else the first that is not. NaN and infinities must
// be the same.
std::string Difference(const std::vector<double>& expected, const ir::Tensor& found);

}  // namespace gradus::testing_support
