// Plots of the reference: a function and its derivative, or a schedule, computed by the interpreter from what the
// compiler compiles.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/plot.h"
#include "tools/reference_example.h"

namespace gradus::tools {

inline constexpr int kScheduleSteps = 100;

// Whether an example is a curve: its first input is a vector, and every element of it makes one of the result.
bool IsPlotted(const std::string& statements, const Example& example);

// The result of the statements of an example and its derivative, over a range around the first input.
absl::StatusOr<Plot> PlotFunction(const std::string& name, const std::string& statements);

// The values of a schedule from step 1 on.
Plot PlotSchedule(const std::string& name, const std::vector<double>& values);

}  // namespace gradus::tools
