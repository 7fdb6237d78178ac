// The machine that code is generated for: what `--target` means, and LLVM's description of it.
//
// Every target computes the same bits (numerics.md of the design): targets differ in the instructions they may use and
// in speed alone. `baseline` is x86-64-v2 (SSE4.2 and no FMA, which an emitted routine replaces), `avx2` is x86-64-v3,
// `avx512` is x86-64-v4 with 512-bit registers preferred.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ir/target.h"

namespace llvm {
class Function;
class TargetMachine;
}  // namespace llvm

namespace gradus::codegen {

// `host`, `avx512`, `avx2` or `baseline`, with the cache sizes of this machine. Fails with a sentence on another name
// and on instructions that this machine lacks.
absl::StatusOr<ir::Target> ParseTarget(absl::string_view name);

// The best instruction set of this machine, or nothing where it lacks even those of `baseline`.
absl::optional<ir::Isa> HostIsa();
bool HostSupports(ir::Isa isa);

// kLess compiles fastest, kDefault schedules instructions better. Neither changes a bit.
enum class CodegenLevel : uint8_t { kLess, kDefault };
std::unique_ptr<llvm::TargetMachine> CreateTargetMachine(const ir::Target& target, CodegenLevel level);

// What every emitted function carries: no exceptions, the vector width of the target.
void SetTargetAttributes(const ir::Target& target, llvm::Function& function);

}  // namespace gradus::codegen
