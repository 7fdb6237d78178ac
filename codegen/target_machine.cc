#include "codegen/target_machine.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/error.h"
#include "llvm/IR/Function.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"

namespace gradus::codegen {
namespace {

constexpr char kTriple[] = "x86_64-unknown-linux-gnu";

absl::string_view Cpu(ir::Isa isa) {
  switch (isa) {
    case ir::Isa::kBaseline:
      return "x86-64-v2";
    case ir::Isa::kAvx2:
      return "x86-64-v3";
    case ir::Isa::kAvx512:
      break;
  }
  return "x86-64-v4";
}

int64_t CacheBytes(int name, int64_t otherwise) {
  const long bytes = sysconf(name);
  return bytes > 0 ? bytes : otherwise;
}

ir::Target WithCachesOfThisMachine(ir::Isa isa) {
  ir::Target target;
  target.isa = isa;
  target.l1_bytes = CacheBytes(_SC_LEVEL1_DCACHE_SIZE, target.l1_bytes);
  target.l2_bytes = CacheBytes(_SC_LEVEL2_CACHE_SIZE, target.l2_bytes);
  return target;
}

}  // namespace

bool HostSupports(ir::Isa isa) {
  __builtin_cpu_init();
  switch (isa) {
    case ir::Isa::kBaseline:
      return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
    case ir::Isa::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
             __builtin_cpu_supports("bmi2");
    case ir::Isa::kAvx512:
      break;
  }
  return HostSupports(ir::Isa::kAvx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

absl::optional<ir::Isa> HostIsa() {
  for (ir::Isa isa : {ir::Isa::kAvx512, ir::Isa::kAvx2, ir::Isa::kBaseline}) {
    if (HostSupports(isa)) return isa;
  }
  return absl::nullopt;
}

absl::StatusOr<ir::Target> ParseTarget(absl::string_view name) {
  if (name == "host") {
    const absl::optional<ir::Isa> isa = HostIsa();
    if (!isa) {
      return ir::ErrorStatus(absl::StatusCode::kFailedPrecondition, ir::ErrorKind::kTargetNotHere,
                             "this machine lacks SSE4.2, which is the least that Gradus generates code for");
    }
    return WithCachesOfThisMachine(*isa);
  }
  const absl::optional<ir::Isa> isa = ir::ParseIsa(name);
  if (!isa) {
    return ir::ErrorStatus(ir::ErrorKind::kUnknownTarget, "unknown target `", name,
                           "`: expected host, avx512, avx2 or baseline");
  }
  if (!HostSupports(*isa)) {
    const absl::optional<ir::Isa> best = HostIsa();
    return ir::ErrorStatus(absl::StatusCode::kFailedPrecondition, ir::ErrorKind::kTargetNotHere,
                           "this machine cannot run code for the target `", name, "`: the best that it supports is `",
                           best ? ir::Name(*best) : "none", "`");
  }
  return WithCachesOfThisMachine(*isa);
}

std::unique_ptr<llvm::TargetMachine> CreateTargetMachine(const ir::Target& target, CodegenLevel level) {
  static const llvm::Target* const x86 = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    std::string error;
#if LLVM_VERSION_MAJOR >= 22
    const llvm::Target* found = llvm::TargetRegistry::lookupTarget(llvm::Triple(kTriple), error);
#else
    const llvm::Target* found = llvm::TargetRegistry::lookupTarget(kTriple, error);
#endif
    CHECK(found != nullptr) << error;
    // A fifth of the time of code generation, and no kernel was measured to run faster for it: addresses are already
    // counted in the frames to which they belong.
    const auto options = llvm::cl::getRegisteredOptions();
    const auto disable = options.find("disable-lsr");
    CHECK(disable != options.end()) << "this LLVM has no option disable-lsr";
    static_cast<llvm::cl::opt<bool>*>(disable->second)->setValue(true);
    return found;
  }();
  const absl::string_view cpu = Cpu(target.isa);
  const char* features = target.isa == ir::Isa::kAvx512 ? "-prefer-256-bit" : "";
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;  // an fma is formed only where we emit one
  const auto optimisation = level == CodegenLevel::kLess ? llvm::CodeGenOptLevel::Less : llvm::CodeGenOptLevel::Default;
#if LLVM_VERSION_MAJOR >= 22
  const llvm::Triple triple(kTriple);
#else
  const llvm::StringRef triple(kTriple);
#endif
  return std::unique_ptr<llvm::TargetMachine>(
      x86->createTargetMachine(triple, llvm::StringRef(cpu.data(), cpu.size()), features, options, llvm::Reloc::PIC_,
                               llvm::CodeModel::Small, optimisation, /*JIT=*/false));
}

void SetTargetAttributes(const ir::Target& target, llvm::Function& function) {
  function.setDoesNotThrow();
  function.addFnAttr("no-builtins");
  const std::string bits = absl::StrCat(8 * target.vector_bytes());
  function.addFnAttr("prefer-vector-width", bits);
  function.addFnAttr("min-legal-vector-width", bits);
  function.addFnAttr("no-trapping-math", "true");
}

}  // namespace gradus::codegen
