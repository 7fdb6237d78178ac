// Times generated convolutions: the native half of convolution.py.
//
//   convolution_driver [TARGET]      TARGET: host (default), avx512, avx2, baseline
//
// Reads lines `KIND BATCH SIZE IN OUT TAPS STRIDE PAD THREADS MILLISECONDS` (square images and windows) and answers
// each with the best nanoseconds of one product and the milliseconds of its compilation. KIND: `forward`; `input`, the
// gradient of the input (weights turned round beforehand); `weights`, the gradient of the weights.
#include "codegen/convolution.h"

#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

#include "benchmarks/compile_run.h"
#include "benchmarks/team.h"
#include "ir/convolution_scratch.h"

namespace gradus::codegen {
namespace {

struct Problem {
  std::string kind;
  int64_t batch, size, in, out, taps, stride, pad, threads;
  double milliseconds;
};

ConvolutionSpec SpecOf(const Problem& p) {
  ir::WindowAxis axis{p.size, p.taps, p.stride, p.pad, p.pad, 1, 0, 0};
  axis.output = (p.size + 2 * p.pad - p.taps) / p.stride + 1;
  ConvolutionSpec spec;
  spec.shape.batch = p.batch;
  spec.shape.axes.assign(2, axis);
  spec.shape.in = p.in;
  spec.shape.out = p.out;
  if (p.kind == "input") {
    for (ir::WindowAxis& a : spec.shape.axes) a = Transposed(a);
    std::swap(spec.shape.in, spec.shape.out);
  } else if (p.kind == "weights") {
    const int64_t terms = p.batch * spec.shape.outputs(), sums = p.taps * p.taps * p.in * p.out;
    spec.slices = std::clamp<int64_t>(std::min((terms + 1023) / 1024, (int64_t{1} << 17) / sums), 1, 16);
  }
  return spec;
}

NativeCode Compile(const ConvolutionSpec& spec, bool weights, const ir::Target& target) {
  return benchmarks::CompileRun(target, [&](const ContractionContext& emit, auto* a, auto* b, auto* c) {
    const auto call = weights ? EmitConvolutionWeights : EmitConvolution;
    call(emit, spec, a, b, c);
  });
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
    std::istringstream(line) >> p.kind >> p.batch >> p.size >> p.in >> p.out >> p.taps >> p.stride >> p.pad >>
        p.threads >> p.milliseconds;
    const bool weights = p.kind == "weights";
    CHECK(weights || p.kind == "input" || p.kind == "forward") << p.kind;
    const double start = benchmarks::ThreadTime();
    const ConvolutionSpec spec = SpecOf(p);
    const NativeCode code = Compile(spec, weights, *target);
    const double compile = benchmarks::ThreadTime() - start;
    const auto run = reinterpret_cast<benchmarks::Run>(code.Find("run"));
    const ir::Convolution& s = spec.shape;
    const int64_t x = s.batch * s.inputs() * s.in, y = s.batch * s.outputs() * s.out, w = s.taps() * s.in * s.out;
    float* a = benchmarks::Floats(x);
    float* b = benchmarks::Floats(weights ? y : w);
    float* c = benchmarks::Floats(weights ? w : y);
    const int64_t scratch_bytes = weights ? ir::ConvolutionWeightsScratchBytes(spec.type, s, spec.slices)
                                          : ir::ConvolutionScratchBytes(spec.type, s, *target);
    const double best =
        benchmarks::BestNanoseconds(p.threads, p.milliseconds, scratch_bytes,
                                    [&](void* scratch, int64_t thread) { run(a, b, c, scratch, thread, p.threads); });
    for (float* data : {a, b, c}) std::free(data);
    std::cout << best << " " << compile * 1e3 << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace gradus::codegen

int main(int argc, char** argv) { return gradus::codegen::Main(argc, argv); }
