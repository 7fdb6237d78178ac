// The whole chain, from text to something that runs: frontend, passes, code generation.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "frontend/lower.h"
#include "frontend/program.h"
#include "passes/run.h"
#include "runtime/executable.h"
#include "runtime/index_bounds.h"
#include "runtime/trainer.h"

namespace gradus::runtime {

struct CompileOptions {
  frontend::LowerOptions lower;
  std::string target = "host";  // or avx512, avx2, baseline
  int64_t threads = 1;          // at most: a step whose kernels are all too small for several has one
  bool fuse = true;             // without: every statement is its own kernel
  bool interpret = false;       // the interpreter runs the graphs as they are once their order is fixed
  int64_t bisect = -1;  // stop after so many passes that changed a graph, and interpret what is there; -1: no limit
  // Called with what is being done (`mlp.step: fuse`), a few dozen times a program.
  std::function<void(absl::string_view doing)> progress;
};

// An entry at a batch size; 0 is the program's own.
struct EntryRequest {
  frontend::Entry entry = frontend::Entry::kStep;
  int64_t batch = 0;
};

struct StageTime {
  std::string what;  // `mlp.step: lower`, `mlp.step: fuse`, `code`
  double seconds = 0;
};

struct Compiled {
  std::unique_ptr<Executable> executable;
  EntryIndex entries;
  std::vector<ir::IndexBound> bounds;  // of the inputs of all entries
  std::string path;                    // of the program, for messages
  ir::Graph initialize;                // the initial value of every param and state; interpreted
  std::vector<StageTime> times;
  double seconds = 0;
  int64_t retained_bytes = 0;  // of the heap: what of the compiler outlives it
};

// One executable with all of `requests`, sharing state and arena. What the compiler needed is freed and the heap
// trimmed before it returns.
absl::StatusOr<Compiled> Compile(const frontend::Module& module, const frontend::Program& program,
                                 absl::Span<const EntryRequest> requests, const CompileOptions& options);

// The same for a printed graph, whatever stage it was printed at: entry 0 is the graph, and it trains if it has a
// `next`.
absl::StatusOr<Compiled> CompileGraph(ir::Graph graph, const CompileOptions& options);

// What the passes make of a graph under these options, up to the end of a stage (`step`, `simplified`, `fused`, `plan`;
// empty: all).
absl::StatusOr<std::vector<passes::PassReport>> Transform(ir::Graph& graph, const CompileOptions& options,
                                                          const std::string& stage,
                                                          std::vector<passes::FusionDecision>* decisions = nullptr);

// Writes the initial value of every param and state that is not among `given`, then those of `given`, whose types must
// fit (they are converted to the declared element type). A name in `given` that the program does not have is an error.
absl::Status InitializeState(const ir::Graph& initialize, int64_t seed, const std::map<std::string, ir::Tensor>& given,
                             absl::string_view given_name, Executable& executable);

// The options of the lowering with the program's batch at another size.
frontend::LowerOptions AtBatch(const frontend::LowerOptions& options, const frontend::Program& program, int64_t batch);

}  // namespace gradus::runtime
