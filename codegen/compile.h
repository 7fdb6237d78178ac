// From planned graphs to one executable.
//
// The graphs are the entries of a program (step, evaluate, predict, …) after schedule and plan: every value has its
// place in the arena, statements stand in the order in which they run, barriers between them. Entries share the arena
// and the layout of params and states in it; their kernels are functions shared wherever their structure is equal.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "codegen/context.h"
#include "codegen/jit.h"
#include "ir/graph.h"

namespace gradus::codegen {

struct CompileOptions {
  CodegenLevel level = CodegenLevel::kLess;
  bool parallel = true;  // two threads generate code, each for half of the functions
};

// An input, output, param or state of an entry. The inputs `step`, `epoch` and `seed` are not listed: they come from
// the context.
struct Binding {
  std::string name;
  ir::Type type;
  int64_t arena_offset = -1;  // of params and states
};

// What a fault's `statement` refers to.
struct FaultSource {
  std::string operation;  // `gather`
  std::string name;       // of its value
  ir::Note note;
};

struct CompiledEntry {
  std::string name;  // of the graph: `mlp.step`
  RunFunction run = nullptr;
  std::vector<Binding> inputs;  // in the order of StepContext::inputs
  std::vector<Binding> outputs;
  std::vector<FaultSource> sources;
};

struct CompiledProgram {
  NativeCode code;
  std::vector<CompiledEntry> entries;  // in the order of the graphs
  std::vector<Binding> states;         // params and states, as the first graph that declares them has them
  ir::Target target;
  int64_t threads = 1;
  int64_t arena_bytes = 0;
  int64_t scratch_bytes = 0;  // of each thread, a multiple of 64
};

// Fails where the graphs disagree about target, threads or the place of a state. LLVM's objects are gone afterwards.
absl::StatusOr<CompiledProgram> Compile(absl::Span<const ir::Graph* const> entries, const CompileOptions& options = {});

// What `show --stage llvm` and `show --stage asm` print.
absl::StatusOr<std::string> ShowLlvm(absl::Span<const ir::Graph* const> entries, const CompileOptions& options = {});
absl::StatusOr<std::string> ShowAssembly(absl::Span<const ir::Graph* const> entries,
                                         const CompileOptions& options = {});

}  // namespace gradus::codegen
