#include "benchmarks/programs.h"

#include <cstring>
#include <random>

#include "codegen/target_machine.h"
#include "frontend/lower.h"
#include "frontend/read_graph.h"
#include "ir/check.h"
#include "passes/pipeline.h"

namespace gradus::benchmarks {
namespace {

constexpr size_t kAlignment = 64;

std::byte* Aligned(std::unique_ptr<std::byte[]>& memory, int64_t bytes) {
  memory = std::make_unique<std::byte[]>(static_cast<size_t>(bytes) + kAlignment);
  const auto address = reinterpret_cast<uintptr_t>(memory.get());
  return memory.get() + (kAlignment - address % kAlignment) % kAlignment;
}

template <typename T>
T OrDie(absl::StatusOr<T> result) {
  CHECK(result.ok()) << result.status();
  return *std::move(result);
}

void Plan(ir::Graph& graph, int64_t threads, bool fuse) {
  passes::RunOptions options;
  options.options.target = OrDie(codegen::ParseTarget("host"));
  options.options.threads = threads;
  options.options.fuse = fuse;
  OrDie(passes::RunPasses(passes::kStepPipeline, graph, options));
}

void Fill(std::byte* bytes, const ir::Type& type, double scale) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> uniform(0, scale);
  ir::Dispatch(type.element, [&](auto tag) {
    using T = decltype(tag);
    T* values = reinterpret_cast<T*>(bytes);
    for (int64_t i = 0; i < type.elements().value(); ++i) values[i] = static_cast<T>(uniform(random));
  });
}

}  // namespace

std::vector<ir::Graph> PlanExample(const std::string& name, int64_t threads, bool fuse) {
  const frontend::Module module = OrDie(frontend::LoadProgram(GRADUS_SOURCE_DIR "/examples/" + name + ".gr"));
  std::vector<ir::Graph> graphs;
  for (const auto entry : {frontend::Entry::kStep, frontend::Entry::kEvaluate, frontend::Entry::kPredict}) {
    graphs.push_back(OrDie(frontend::Lower(module, {}, entry)));
    Plan(graphs.back(), threads, fuse);
  }
  return graphs;
}

ir::Graph PlanText(const std::string& text, int64_t threads) {
  ir::Graph graph = OrDie(frontend::ReadGraph("benchmark", text));
  Plan(graph, threads, true);
  return graph;
}

codegen::CompiledProgram CompileOrDie(const std::vector<ir::Graph>& graphs) {
  std::vector<const ir::Graph*> pointers;
  for (const ir::Graph& g : graphs) pointers.push_back(&g);
  return OrDie(codegen::Compile(pointers));
}

Loaded::Loaded(codegen::CompiledProgram program)
    : program_(std::move(program)),
      pool_(std::make_unique<runtime::ThreadPool>(program_.threads)),
      context_(std::make_unique<codegen::StepContext>()) {
  std::memset(static_cast<void*>(context_.get()), 0, sizeof(codegen::StepContext));
  context_->arena = Aligned(arena_, program_.arena_bytes);
  context_->scratch = Aligned(scratch_, program_.scratch_bytes * program_.threads);
  context_->spins = pool_->spins();
  context_->wait = [](codegen::StepContext*, const int64_t* word, int64_t value) {
    runtime::ThreadPool::PauseInBarrier(word, value);
  };
  for (const codegen::Binding& state : program_.states) Fill(context_->arena + state.arena_offset, state.type, 0.05);
  for (const codegen::CompiledEntry& entry : program_.entries) {
    inputs_.emplace_back();
    outputs_.emplace_back();
    for (const codegen::Binding& b : entry.inputs) {
      inputs_.back().emplace_back(b.type);
      Fill(inputs_.back().back().bytes(), b.type, 1);
    }
    for (const codegen::Binding& b : entry.outputs) outputs_.back().emplace_back(b.type);
  }
}

void Loaded::Run(size_t entry, int64_t steps) {
  std::vector<codegen::InputBinding> inputs;
  std::vector<codegen::OutputBinding> outputs;
  for (ir::Tensor& t : inputs_[entry]) inputs.push_back({t.bytes(), 0, 1, 0});
  for (ir::Tensor& t : outputs_[entry]) outputs.push_back({t.bytes(), 0});
  context_->inputs = inputs.data();
  context_->outputs = outputs.data();
  pool_->Run([&](int64_t thread) { program_.entries[entry].run(context_.get(), thread, program_.threads, steps); });
}

}  // namespace gradus::benchmarks
