// Fused elementwise kernels and reductions on one thread: items per second are elements.
#include <benchmark/benchmark.h>

#include "absl/strings/str_cat.h"
#include "benchmarks/programs.h"

namespace gradus::benchmarks {
namespace {

void Kernel(benchmark::State& state, const std::string& statements, const std::string& shape, int64_t elements) {
  const std::string text = absl::StrCat("graph kernel numerics 1 {\n  input x : f32", shape, "\n  state s : f32", shape,
                                        " = zeros\n", statements, "\n}\n");
  std::vector<ir::Graph> graphs;
  graphs.push_back(PlanText(text, 1));
  Loaded program(CompileOrDie(graphs));
  for (auto _ : state) program.Run(0, 10);
  state.SetItemsProcessed(state.iterations() * 10 * elements);
}

constexpr char kSoftmax[] =
    "  m = max(x, axis=[1])\n  e = exp(x - m[:, none])\n  z = sum(e, axis=[1])\n  y = e * (1 / z)[:, none]\n"
    "  next s = y";
constexpr char kGelu[] = "  t = tanh(0.7978846 * (x + 0.044715 * (x * x * x)))\n  y = 0.5 * x * (1 + t)\n  next s = y";

BENCHMARK_CAPTURE(Kernel, softmax_768x128, kSoftmax, "[768,128]", 768 * 128);
BENCHMARK_CAPTURE(Kernel, softmax_128x10, kSoftmax, "[128,10]", 1280);
BENCHMARK_CAPTURE(Kernel, gelu, kGelu, "[128,512]", 128 * 512);
BENCHMARK_CAPTURE(Kernel, add, "  next s = s + x", "[128,512]", 128 * 512);
BENCHMARK_CAPTURE(Kernel, column_sums, "  b = sum(x, axis=[0])\n  next s = s + b", "[128,512]", 128 * 512);
BENCHMARK_CAPTURE(Kernel, transpose, "  next s = x.T", "[512,512]", 512 * 512);

}  // namespace
}  // namespace gradus::benchmarks

BENCHMARK_MAIN();
