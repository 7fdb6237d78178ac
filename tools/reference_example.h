// Examples of the reference, worked out by the compiler itself: what it prints for a few statements, the gradient that
// backprop derives, and the numbers that the interpreter computes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "ir/tensor.h"

namespace gradus::tools {

struct Example {
  std::string forward;                                        // statements as the compiler prints them, without notes
  std::string backward;                                       // the same; `g` is the gradient that comes in
  std::vector<std::pair<std::string, ir::Tensor>> inputs;     // of the model, in text order
  std::vector<std::pair<std::string, ir::Tensor>> results;    // what the last statement binds
  std::vector<std::pair<std::string, ir::Tensor>> gradients;  // of sum(y): g = 1
};

struct ExampleOptions {
  bool gradient = true;
  int64_t step = 1;
  bool f64 = false;
};

// `statements` are those of a model; every input has its value, and the last assignment binds what is looked at. Where
// there is no derivative (integers, no path), `backward` is empty.
absl::StatusOr<Example> WorkOut(const std::string& statements, const ExampleOptions& options = {});

// The value of statements that read `step`, at steps 1 to `count`.
absl::StatusOr<std::vector<double>> ScheduleValues(const std::string& statements, int count);

// What the step of a recipe does to a parameter w : float[2] under an optimizer of the library: its states and the
// update section.
absl::StatusOr<std::string> UpdateOf(const std::string& optimizer);

// The parameter before the first update and after some of them, where the loss is |w|² / 2, so that its gradient is w.
absl::StatusOr<std::vector<std::pair<std::string, ir::Tensor>>> UpdatesOf(const std::string& optimizer,
                                                                          const std::vector<int>& shown);

// The numbers as lines: vectors of one length in columns.
std::string NumberTable(const std::vector<std::pair<std::string, ir::Tensor>>& values);

}  // namespace gradus::tools
