// Example programs as planned graphs and as native code with data, for the benchmarks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "codegen/compile.h"
#include "ir/graph.h"
#include "ir/tensor.h"
#include "runtime/thread_pool.h"

namespace gradus::benchmarks {

// The step, evaluate and predict entries of examples/NAME.gr after all passes, for this machine. Ends the program with
// the message where that fails.
std::vector<ir::Graph> PlanExample(const std::string& name, int64_t threads, bool fuse = true);
// A graph of the language's printed form after all passes.
ir::Graph PlanText(const std::string& text, int64_t threads);

// A program in memory, its inputs filled with random numbers in [0, 1) and its labels with 0, its state with small
// ones.
class Loaded {
 public:
  explicit Loaded(codegen::CompiledProgram program);
  // `steps` steps of an entry on all threads.
  void Run(size_t entry, int64_t steps);

 private:
  codegen::CompiledProgram program_;
  std::unique_ptr<runtime::ThreadPool> pool_;
  std::unique_ptr<std::byte[]> arena_, scratch_;
  std::vector<std::vector<ir::Tensor>> inputs_, outputs_;
  std::unique_ptr<codegen::StepContext> context_;
};

codegen::CompiledProgram CompileOrDie(const std::vector<ir::Graph>& graphs);

}  // namespace gradus::benchmarks
