// Plots of the reference as SVG text: a function and its derivative, or a schedule, computed by the interpreter from
// what the compiler compiles. Coordinates are rounded to a tenth of a pixel, so the same function gives the same
// bytes.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/reference_example.h"

namespace gradus::tools {

inline constexpr int kScheduleSteps = 100;

// Whether an example is a curve: its first input is a vector, and every element of it makes one of the result.
bool IsPlotted(const std::string& statements, const Example& example);

// The result of the statements of an example and its derivative, over a range around the first input.
absl::StatusOr<std::string> PlotFunction(const std::string& name, const std::string& statements);

// The values of a schedule from step 1 on.
std::string PlotSchedule(const std::string& name, const std::vector<double>& values);

}  // namespace gradus::tools
