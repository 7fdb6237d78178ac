// gradus check --grad: proves the gradients of a program at a point.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "tools/model.h"

namespace gradus::tools {

struct CheckGradientOptions {
  bool random = false;  // inputs instead of data
  std::string data;     // --data
  std::string load;     // --load
  std::vector<std::string> trust;
};

// Prints the report; returns an exit code.
absl::StatusOr<int> CheckGradient(const ModelOptions& options, const CheckGradientOptions& more);

}  // namespace gradus::tools
