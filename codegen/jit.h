// From LLVM modules to running code: the only file that knows ORC.
//
// A module is compiled to an object (CompileModule, on any thread, each with its own context), checked to be closed,
// and objects are linked into pages that are written, then made executable, never both. What remains afterwards is the
// pages alone: no object of LLVM survives Link.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "codegen/target_machine.h"

namespace llvm {
class Module;
}  // namespace llvm

namespace gradus::codegen {

// The machine code of one module as an ELF object. The module is consumed in the sense that code generation rewrites
// it.
absl::StatusOr<std::string> CompileModule(llvm::Module& module, const ir::Target& target, CodegenLevel level);
// Its assembler text instead.
absl::StatusOr<std::string> AssembleModule(llvm::Module& module, const ir::Target& target, CodegenLevel level);
// The text of the module itself.
std::string PrintModule(const llvm::Module& module);

// Fails with the names of the symbols that an object neither defines itself nor finds in `provided`.
absl::Status CheckNoUndefinedSymbols(absl::string_view object, absl::Span<const std::string> provided = {});

// Executable pages. Functions that were looked up live as long as this.
class NativeCode {
 public:
  NativeCode() = default;
  NativeCode(NativeCode&& other) noexcept { *this = std::move(other); }
  NativeCode& operator=(NativeCode&& other) noexcept {
    std::swap(mappings_, other.mappings_);
    std::swap(symbols_, other.symbols_);
    return *this;
  }
  ~NativeCode();

  // The address of an external function of the objects, null where there is none.
  void* Find(absl::string_view symbol) const;
  // Bytes of the pages: code and constants.
  int64_t bytes() const;

 private:
  friend absl::StatusOr<NativeCode> Link(absl::Span<const std::string>, absl::Span<const std::string>);
  struct Mapping {
    void* base;
    size_t bytes;
  };
  std::vector<Mapping> mappings_;
  absl::flat_hash_map<std::string, void*> symbols_;
};

// Links objects that may refer to one another and to nothing else, and looks `symbols` up.
absl::StatusOr<NativeCode> Link(absl::Span<const std::string> objects, absl::Span<const std::string> symbols);

}  // namespace gradus::codegen
