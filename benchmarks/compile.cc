// What compilation costs: the passes, then code generation of all entries, and of the step alone.
#include <benchmark/benchmark.h>

#include "benchmarks/programs.h"

namespace gradus::benchmarks {
namespace {

void Passes(benchmark::State& state, const std::string& name) {
  for (auto _ : state) benchmark::DoNotOptimize(PlanExample(name, state.range(0)));
}
void Code(benchmark::State& state, const std::string& name) {
  const std::vector<ir::Graph> graphs = PlanExample(name, state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(CompileOrDie(graphs));
}
void StepAlone(benchmark::State& state, const std::string& name) {
  std::vector<ir::Graph> graphs = PlanExample(name, state.range(0));
  graphs.erase(graphs.begin() + 1, graphs.end());
  for (auto _ : state) benchmark::DoNotOptimize(CompileOrDie(graphs));
}

BENCHMARK_CAPTURE(Passes, mlp, "mlp")->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(Code, mlp, "mlp")->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(StepAlone, mlp, "mlp")->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(Code, tiny1, "tiny1")->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace gradus::benchmarks

BENCHMARK_MAIN();
