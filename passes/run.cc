#include "passes/run.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/printer.h"
#include "ir/verifier.h"

namespace gradus::passes {
namespace {

absl::Status InPass(const Pass& pass, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("after the pass ", pass.name, ": ", status.message()));
}

}  // namespace

absl::StatusOr<std::vector<PassReport>> RunPasses(absl::Span<const Pass> passes, ir::Graph& graph,
                                                  const RunOptions& run) {
  std::vector<PassReport> reports;
  if (run.on_stage) run.on_stage("parsed", graph);
  int64_t changes = 0;
  if (run.stop_after == "parsed") return reports;
  for (const Pass& pass : passes) {
    const bool optional = pass.need == Need::kOptional;
    if (optional && run.limit >= 0 && changes >= run.limit) {
      if (!pass.stage.empty() && run.on_stage) run.on_stage(pass.stage, graph);
      if (!pass.stage.empty() && pass.stage == run.stop_after) break;
      continue;
    }
    const std::string before = run.check_changed ? ir::Print(graph) : std::string();
    const auto start = std::chrono::steady_clock::now();
    absl::StatusOr<bool> changed = pass.Run(graph, run.options);
    if (!changed.ok()) return changed.status();  // a sentence for the user
    const bool named = ir::NameUnnamed(graph);
    if (absl::Status status = ir::Verify(graph); !status.ok()) return InPass(pass, status);
    const auto stop = std::chrono::steady_clock::now();
    if (run.check_changed) {
      const bool differs = before != ir::Print(graph);
      if (differs != (*changed || (named && differs))) {
        return absl::InternalError(absl::StrCat("the pass ", pass.name, " said that it ",
                                                *changed ? "changed" : "did not change", " the graph, but its text ",
                                                differs ? "differs" : "is the same"));
      }
    }
    changes += *changed && optional ? 1 : 0;
    reports.push_back({std::string(pass.name), *changed, std::chrono::duration<double>(stop - start).count()});
    if (run.on_pass) run.on_pass(pass.name, graph);
    if (!pass.stage.empty() && run.on_stage) run.on_stage(pass.stage, graph);
    if (!pass.stage.empty() && pass.stage == run.stop_after) break;
  }
  return reports;
}

}  // namespace gradus::passes
