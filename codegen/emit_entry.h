// The native entry of one planned graph: a loop over steps around calls of its kernels.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "codegen/compile.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {

// Kernels of a module by their structure.
using KernelTable = absl::flat_hash_map<std::string, llvm::Function*>;

// Adds the external function `symbol` (codegen/context.h) to the module and fills everything of `entry` but `run`.
// `scratch_bytes` is that of each thread in the whole program.
absl::Status EmitEntry(llvm::Module& module, KernelTable& kernels, const ir::Graph& graph, const std::string& symbol,
                       int64_t scratch_bytes, CompiledEntry& entry);

// Scratch of each thread, a multiple of 64: the most that a kernel of the graph needs.
int64_t ScratchBytes(const ir::Graph& graph);

}  // namespace gradus::codegen
