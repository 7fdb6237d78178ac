// The statements of an entry in instructions: calls of kernels, and native loops around them for scans, whiles and
// branches.
#pragma once

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "codegen/compile.h"
#include "codegen/control.h"
#include "codegen/emit_entry.h"

namespace gradus::codegen {

// What the code of an entry works with while it is emitted.
struct EntryCode {
  EntryCode(llvm::Module& module, KernelTable& kernels, const ir::Graph& graph, int64_t scratch_bytes,
            CompiledEntry& entry);

  llvm::Value* At(llvm::Value* base, int64_t bytes);
  // Where a value lies, in the iteration at hand of the loops around it.
  llvm::Value* PointerTo(const ir::Value* value);
  void Barrier();

  llvm::Module& module;
  KernelTable& kernels;
  const ir::Graph& graph;
  const ir::Target& target;
  const int64_t scratch_bytes;  // of each thread
  CompiledEntry& entry;
  Builder b;
  absl::flat_hash_set<const ir::Value*> params;  // values that the params get
  llvm::Function* function = nullptr;
  int64_t threads = 1;  // that take part
  llvm::Value* context = nullptr;
  llvm::Value* thread = nullptr;
  llvm::Value* arena = nullptr;
  llvm::Value* scratch = nullptr;
  llvm::Value* finished = nullptr;    // steps before this one
  llvm::Value* generation = nullptr;  // barriers passed; null with one thread
  // Inputs, literals, and in loops what lies elsewhere in every iteration.
  absl::flat_hash_map<const ir::Value*, llvm::Value*> pointers;
  absl::flat_hash_set<const ir::Value*> shared;  // written by several threads since the last barrier of the step's own
  std::vector<std::unique_ptr<ir::Statement>> strips;  // of scans, whose values have pointers

 private:
  llvm::Constant* Data(const ir::Tensor& literal);
};

// The statements of the graph's body.
void EmitBody(EntryCode& code);

}  // namespace gradus::codegen
