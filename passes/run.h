// Runs passes one after another, and what helps to find the one that is wrong.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "passes/pass.h"

namespace gradus::passes {

struct RunOptions {
  Options options;
  // After this many optional passes that changed the graph, skip the optional ones that follow: `--bisect N`. What
  // comes out is a program whatever N. Negative: no limit.
  int64_t limit = -1;
  // Stop after the pass that completes this stage (`step`, `simplified`, `fused`, `plan`); empty: run all.
  std::string stop_after;
  // Compare the text before and after every pass with what the pass said. Costs two prints a pass; on in debug builds.
#ifdef NDEBUG
  bool check_changed = false;
#else
  bool check_changed = true;
#endif
  // Called with the name of a stage when it is complete; `parsed` comes before the first pass.
  std::function<void(absl::string_view stage, const ir::Graph&)> on_stage;
  // Called after every pass.
  std::function<void(absl::string_view pass, const ir::Graph&)> on_pass;
};

struct PassReport {
  std::string name;
  bool changed = false;
  double seconds = 0;  // the pass, the naming and the verification after it
};

// Runs the passes in order, completing names and verifying after each. An error names the pass.
absl::StatusOr<std::vector<PassReport>> RunPasses(absl::Span<const Pass> passes, ir::Graph& graph,
                                                  const RunOptions& options = {});

}  // namespace gradus::passes
