// Compiles one contraction for a target and runs it, thread after thread.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "codegen/contraction.h"

namespace gradus::codegen {

// What the compiled function does behind the sum.
enum class TestEpilogue { kNone, kAddSecond };  // kAddSecond: output 0 = sum + output 1

class CompiledContraction {
 public:
  CompiledContraction(const ContractionSpec& spec, const ir::Target& target, TestEpilogue epilogue);
  ~CompiledContraction();
  // Runs every share of `threads`, one after another, each with scratch of its own.
  void Run(const void* a, const void* b, void* c, const void* second, int64_t threads) const;
  int64_t scratch_bytes() const { return scratch_bytes_; }

  using Function = void (*)(const void* a, const void* b, void* c, const void* second, void* scratch, int64_t thread,
                            int64_t threads);
  Function function() const { return function_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  Function function_ = nullptr;
  int64_t scratch_bytes_ = 0;
};

// Bytes that end at a page that nobody may touch.
class GuardedBytes {
 public:
  explicit GuardedBytes(size_t size);
  ~GuardedBytes();
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;
  void* data() const { return data_; }

 private:
  void* base_;
  size_t mapped_;
  void* data_;
};

}  // namespace gradus::codegen
