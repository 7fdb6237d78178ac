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

#include "benchmarks/team.h"
#include "codegen/jit.h"
#include "codegen/target_machine.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {
namespace {

using Function = void (*)(const void* a, const void* b, void* c, void* scratch, int64_t thread, int64_t threads);

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
  llvm::LLVMContext context;
  llvm::Module module("contraction", context);
  llvm::IRBuilder<> builder(context);
  llvm::SmallVector<llvm::Type*, 6> parameters(4, builder.getPtrTy());
  parameters.append(2, builder.getInt64Ty());
  auto* function = llvm::Function::Create(llvm::FunctionType::get(builder.getVoidTy(), parameters, false),
                                          llvm::Function::ExternalLinkage, "run", &module);
  SetTargetAttributes(target, *function);
  builder.SetInsertPoint(llvm::BasicBlock::Create(context, "", function));
  const ContractionContext emit{builder, target, function->getArg(4), function->getArg(5), function->getArg(3)};
  EmitContraction(emit, spec, function->getArg(0), function->getArg(1), function->getArg(2));
  builder.CreateRetVoid();
  if (std::getenv("GRADUS_PRINT_ASSEMBLY") != nullptr) {
    std::cerr << *AssembleModule(module, target, CodegenLevel::kDefault);
  }
  auto object = CompileModule(module, target, CodegenLevel::kDefault);
  CHECK(object.ok()) << object.status();
  auto code = Link({*object}, {"run"});
  CHECK(code.ok()) << code.status();
  return *std::move(code);
}

double Measure(const Problem& p, Function run, int64_t scratch_bytes) {
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
    const auto run = reinterpret_cast<Function>(code.Find("run"));
    std::cout << Measure(p, run, ContractionScratchBytes(spec, *target, false)) << " " << compile * 1e3 << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace gradus::codegen

int main(int argc, char** argv) { return gradus::codegen::Main(argc, argv); }
