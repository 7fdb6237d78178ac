// The threads of a step: all of them run one function at the same time, each with its own index (SPMD).
//
// A region is entered once for a chunk of steps; inside it threads meet at barriers of their own (codegen/context.h).
// Between regions a worker spins for a while before it parks, because waking a parked thread costs 30–50 µs and a
// spinning one 100 ns (codegen.md §7). With more threads than processors spinning would keep another from its work, so
// everybody yields instead.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"

namespace gradus::runtime {

class ThreadPool {
 public:
  // Of each thread but the caller's: generated code keeps no frame beyond 4 KB (numerics.md §5), the rest is room for a
  // signal handler.
  static constexpr int64_t kStackBytes = 256 << 10;

  // `threads` in all, the caller of Run being one of them; at least 1.
  explicit ThreadPool(int64_t threads);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  int64_t threads() const { return static_cast<int64_t>(workers_.size()) + 1; }
  // More threads than processors: nobody may spin for long.
  bool oversubscribed() const { return oversubscribed_; }

  // Calls region(0) here and region(1), …, region(threads() - 1) on the workers; returns when all of them have.
  void Run(absl::FunctionRef<void(int64_t)> region);

  // How many rounds of a barrier's loop native code should spin before it calls PauseInBarrier: about 50 µs, measured
  // once, or few where others may need the processor.
  int64_t spins() const;
  // What a thread does that has spun so long and waits for *word to become at least `value`: it yields for a while,
  // and then sleeps for short times, so that the processor it leaves idle can take the thread it waits for.
  static void PauseInBarrier(const int64_t* word, int64_t value);

 private:
  void Work(int64_t index);

  using Region = absl::FunctionRef<void(int64_t)>;
  const bool oversubscribed_;
  const Region* region_ = nullptr;
  std::atomic<bool> quit_{false};
  alignas(64) std::atomic<uint32_t> generation_{0};  // counts regions; what workers wait for
  alignas(64) std::atomic<uint32_t> parked_{0};      // workers asleep, or about to be
  alignas(64) std::atomic<uint32_t> running_{0};     // workers that have not left the region
  std::vector<pthread_t> workers_;
};

}  // namespace gradus::runtime
