// What a pass is: a function from a graph to a graph that says whether it changed anything.
//
// A pass is deterministic, reads no addresses and no hash order, and depends on nothing that the text of the graph does
// not show: pass(parse(print(g))) prints the same as pass(g). It leaves a graph that NameUnnamed completes and Verify
// accepts; the runner calls both. A failed status is a sentence for the user (backprop has such); a broken graph is a
// CHECK.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ir/graph.h"

namespace gradus::passes {

// An answer that explains itself: whether two statements become one kernel, and why (not).
struct FusionDecision {
  bool allowed = false;
  std::string statement;  // the value that would be computed inside the kernel of `into`
  std::string into;
  std::string reason;  // of a no; of a yes, what else there is to know, or empty
};

// What a run of the passes may depend on beside the graph, and what it tells beside the graph.
struct Options {
  ir::Target target;
  int64_t threads = 1;
  bool fuse = true;  // without: every statement is its own kernel; the bits are the same
  std::vector<FusionDecision>* decisions = nullptr;  // where Fuse writes what it decided, in text order
};

// Later stages rely on a required pass; a bisection skips the others only.
enum class Need : uint8_t { kOptional, kRequired };

struct Pass {
  using Plain = absl::StatusOr<bool> (*)(ir::Graph&);
  using WithOptions = absl::StatusOr<bool> (*)(ir::Graph&, const Options&);

  constexpr Pass(absl::string_view name, Plain run, absl::string_view stage = "", Need need = Need::kOptional)
      : name(name), stage(stage), need(need), plain(run) {}
  constexpr Pass(absl::string_view name, WithOptions run, absl::string_view stage = "", Need need = Need::kOptional)
      : name(name), stage(stage), need(need), with_options(run) {}

  absl::StatusOr<bool> Run(ir::Graph& graph, const Options& options) const {
    return plain != nullptr ? plain(graph) : with_options(graph, options);
  }

  absl::string_view name;
  absl::string_view stage;  // the stage of `gradus show` that is complete after it, or empty
  Need need;
  Plain plain = nullptr;
  WithOptions with_options = nullptr;
};

}  // namespace gradus::passes
