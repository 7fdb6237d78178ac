// Graphs run as native code in tests: a plan that is as simple as can be, threads without a pool.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "codegen/compile.h"
#include "codegen/target_machine.h"
#include "ir/interpreter.h"

namespace gradus::testing_support {

// Every value at a place of its own, a barrier after every statement, `next` at the end.
ir::Graph PlanSimply(const ir::Graph& graph, const ir::Target& target, int64_t threads);

// The targets that this machine can run, caches as the default of ir::Target.
std::vector<ir::Target> TargetsOfThisMachine();

// An executable with memory for one context.
class NativeRun {
 public:
  static absl::StatusOr<NativeRun> Create(std::vector<ir::Graph> planned, codegen::CompileOptions options = {});

  const codegen::CompiledProgram& program() const { return program_; }
  codegen::StepContext& context() { return *context_; }
  void SetStates(const ir::NamedTensors& values);
  ir::Tensor State(const std::string& name) const;
  // Runs `steps` steps of an entry on its threads; every step reads the same inputs (`step` and the like apart).
  // Outputs are those of the last step. An error where the run did not finish.
  absl::StatusOr<ir::NamedTensors> Run(size_t entry, const ir::NamedTensors& inputs, int64_t steps = 1);
  int32_t last_result() const { return last_result_; }

 private:
  struct FreeAligned {
    void operator()(void* p) const { std::free(p); }
  };
  codegen::CompiledProgram program_;
  std::unique_ptr<std::byte[], FreeAligned> arena_, scratch_;
  std::unique_ptr<codegen::StepContext, FreeAligned> context_;
  int32_t last_result_ = 0;
};

// Empty where native code computes the bits of the interpreter for one step of the graph: else what differs.
std::string DifferenceFromInterpreter(const ir::Graph& graph, const ir::NamedTensors& declared,
                                      const ir::Target& target, int64_t threads);
// The same for a graph and what passes have planned of it.
std::string DifferenceFromInterpreter(const ir::Graph& graph, ir::Graph plan, const ir::NamedTensors& declared);

}  // namespace gradus::testing_support
