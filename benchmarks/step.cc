// Whole training steps of the examples inside the compiled loop: items per second are steps.
#include <benchmark/benchmark.h>

#include "benchmarks/programs.h"

namespace gradus::benchmarks {
namespace {

void Step(benchmark::State& state, const std::string& name, int64_t chunk) {
  Loaded program(CompileOrDie(PlanExample(name, state.range(0))));
  for (auto _ : state) program.Run(0, chunk);
  state.SetItemsProcessed(state.iterations() * chunk);
}

BENCHMARK_CAPTURE(Step, tiny1, "tiny1", 10000)->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK_CAPTURE(Step, tiny, "tiny", 10000)->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK_CAPTURE(Step, mlp, "mlp", 20)->Arg(1)->Arg(2)->UseRealTime();

}  // namespace
}  // namespace gradus::benchmarks

BENCHMARK_MAIN();
