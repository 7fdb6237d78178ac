// Times generated contractions: the native half of contraction.py.
//
//   contraction_driver [TARGET]      TARGET: host (default), avx512, avx2, baseline
//
// Reads lines `KIND M K N BATCH THREADS MILLISECONDS` and answers each with the best nanoseconds of one contraction
// and the milliseconds of its compilation. KIND: `forward` a[M,K] b[K,N]; `packed` the same with b in panels, as a
// parameter lies; `weight` a[K,M] transposed (the gradient of a weight); `input` b[N,K] transposed (the gradient of an
// input), `input_packed` the same with the weight in panels.
#include "codegen/contraction.h"

#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

#include "benchmarks/compile_run.h"
#include "benchmarks/team.h"

namespace gradus::codegen {
namespace {

struct Problem {
  std::string kind;
  int64_t m, k, n, batch, threads;
  double milliseconds;
};

ContractionSpec SpecOf(const Problem& p, const ir::Target& target) {
  ContractionSpec spec;
  spec.type = ir::DType::kF32;
  spec.batch = {{p.batch, p.m * p.k, p.k * p.n, {p.m * p.n}}};
  spec.rows = {{p.m, p.k, 0, {p.n}}};
  spec.columns = {{p.n, 0, 1, {1}}};
  spec.contracted = {{p.k, 1, p.n, {0}}};
  if (p.kind == "packed") {
    const int64_t panel = ir::PackedPanelColumns(spec.type, p.n, target);
    spec.columns[0].b = AxisStep(1, panel, panel * p.k);
    spec.contracted[0].b = panel;
  } else if (p.kind == "weight") {
    spec.rows[0].a = 1;
    spec.contracted[0].a = p.m;
  } else if (p.kind == "input") {
    spec.columns[0].b = p.k;
    spec.contracted[0].b = 1;
  } else if (p.kind == "input_packed") {
    const int64_t panel = ir::PackedPanelColumns(spec.type, p.k, target);
    spec.columns[0].b = panel;
    spec.contracted[0].b = AxisStep(1, panel, panel * p.n);
  } else {
    CHECK(p.kind == "forward") << p.kind;
  }
  return spec;
}

NativeCode Compile(const ContractionSpec& spec, const ir::Target& target) {
  return benchmarks::CompileRun(
      target, [&](const ContractionContext& emit, auto* a, auto* b, auto* c) { EmitContraction(emit, spec, a, b, c); });
}

double Measure(const Problem& p, benchmarks::Run run, int64_t scratch_bytes) {
  float* a = benchmarks::Floats(p.batch * p.m * p.k);
  float* b = benchmarks::Floats(p.batch * (p.k + 64) * (p.n + 64));
  float* c = benchmarks::Floats(p.batch * p.m * p.n);
  const double best =
      benchmarks::BestNanoseconds(p.threads, p.milliseconds, scratch_bytes,
                                  [&](void* scratch, int64_t thread) { run(a, b, c, scratch, thread, p.threads); });
  for (float* data : {a, b, c}) std::free(data);
  return best;
}

int Main(int argc, char** argv) {
  const auto target = ParseTarget(argc > 1 ? argv[1] : "host");
  if (!target.ok()) {
    std::cerr << target.status().message() << "\n";
    return 1;
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    Problem p;
    std::istringstream(line) >> p.kind >> p.m >> p.k >> p.n >> p.batch >> p.threads >> p.milliseconds;
    const double start = benchmarks::ThreadTime();
    const ContractionSpec spec = SpecOf(p, *target);
    const NativeCode code = Compile(spec, *target);
    const double compile = benchmarks::ThreadTime() - start;
    const auto run = reinterpret_cast<benchmarks::Run>(code.Find("run"));
    std::cout << Measure(p, run, ContractionScratchBytes(spec, *target, false)) << " " << compile * 1e3 << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace gradus::codegen

int main(int argc, char** argv) { return gradus::codegen::Main(argc, argv); }
