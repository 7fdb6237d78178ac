// Times generated contractions: the native half of contraction.py.
//
//   contraction_driver [TARGET]      TARGET: host (default), avx512, avx2, baseline
//
// Reads lines `KIND M K N BATCH THREADS MILLISECONDS` and answers each with the best nanoseconds of one contraction
// and the milliseconds of its compilation. KIND: `forward` a[M,K] b[K,N]; `packed` the same with b in panels, as a
// parameter lies; `weight` a[K,M] transposed (the gradient of a weight); `input` b[N,K] transposed (the gradient of an
// input), `input_packed` the same with the weight in panels.
#include "codegen/contraction.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "codegen/jit.h"
#include "codegen/target_machine.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {
namespace {

using Function = void (*)(const void* a, const void* b, void* c, void* scratch, int64_t thread, int64_t threads);

double Now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

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

// Ends a turn when every thread has come; the sense flips from turn to turn.
struct Barrier {
  std::atomic<int64_t> arrived{0};
  std::atomic<int64_t> turn{0};
  void Wait(int64_t threads) {
    if (threads == 1) return;
    const int64_t now = turn.load();
    if (arrived.fetch_add(1) + 1 == threads) {
      arrived.store(0);
      turn.store(now + 1);
      return;
    }
    for (int64_t spins = 0; turn.load() == now; ++spins) {
      if (spins % 4096 == 4095) std::this_thread::yield();
    }
  }
};

float* Floats(int64_t count) {
  auto* data = static_cast<float*>(std::aligned_alloc(4096, (count * 4 + 4095) / 4096 * 4096));
  for (int64_t i = 0; i < count; ++i) data[i] = static_cast<float>(static_cast<uint32_t>(i * 2654435761) >> 16) * 1e-5f;
  return data;
}

// The best nanoseconds a contraction among blocks of several.
double Measure(const Problem& p, Function run, int64_t scratch_bytes) {
  float* a = Floats(p.batch * p.m * p.k);
  float* b = Floats(p.batch * (p.k + 64) * (p.n + 64));
  float* c = Floats(p.batch * p.m * p.n);
  Barrier barrier;
  std::atomic<int64_t> repetitions{1};
  std::atomic<bool> stop{false};
  double best = 1e30;
  auto work = [&](int64_t thread) {
    void* scratch = std::aligned_alloc(64, scratch_bytes + 4096);
    const double start = thread == 0 ? Now() : 0;
    double warm = 0;
    while (true) {
      barrier.Wait(p.threads);
      if (stop) break;
      const double before = thread == 0 ? Now() : 0;
      for (int64_t i = repetitions; i > 0; --i) {
        run(a, b, c, scratch, thread, p.threads);
        barrier.Wait(p.threads);
      }
      if (thread != 0) continue;
      const double now = Now();
      if (now - before < 5e-4) {
        repetitions = repetitions * 2;
      } else {
        best = std::min(best, (now - before) / static_cast<double>(repetitions));
        if (warm == 0) warm = now;
        if (now - start > p.milliseconds * 1e-3 && now > warm) stop = true;
      }
    }
    std::free(scratch);
  };
  std::vector<std::thread> others;
  for (int64_t thread = 1; thread < p.threads; ++thread) others.emplace_back(work, thread);
  work(0);
  for (std::thread& other : others) other.join();
  for (float* data : {a, b, c}) std::free(data);
  return best * 1e9;
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
    const double start = Now();
    const ContractionSpec spec = SpecOf(p, *target);
    const NativeCode code = Compile(spec, *target);
    const double compile = Now() - start;
    const auto run = reinterpret_cast<Function>(code.Find("run"));
    std::cout << Measure(p, run, ContractionScratchBytes(spec, *target, false)) << " " << compile * 1e3 << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace gradus::codegen

int main(int argc, char** argv) { return gradus::codegen::Main(argc, argv); }
