#include "runtime/thread_pool.h"

#include <immintrin.h>
#include <sched.h>

#include <chrono>

#include "ir/check.h"
#include "runtime/machine.h"

namespace gradus::runtime {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kSpin = std::chrono::microseconds(200);  // at least the 100 µs of codegen.md §7
constexpr int kRoundsBetweenClocks = 64;

// Spins until done() or until `kSpin` is over; yields in each round where `yield` holds. Returns whether done().
template <typename Done>
bool SpinUntil(Done done, bool yield) {
  const Clock::time_point end = Clock::now() + kSpin;
  do {
    for (int i = 0; i < kRoundsBetweenClocks; ++i) {
      if (done()) return true;
      if (yield) {
        sched_yield();
      } else {
        _mm_pause();
      }
    }
  } while (Clock::now() < end);
  return false;
}

}  // namespace

ThreadPool::ThreadPool(int64_t threads) : oversubscribed_(threads > UsableThreads()) {
  CHECK(threads >= 1) << threads;
  workers_.reserve(static_cast<size_t>(threads - 1));
  for (int64_t i = 1; i < threads; ++i) workers_.emplace_back([this, i] { Work(i); });
}

ThreadPool::~ThreadPool() {
  quit_.store(true);
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::Run(Region region) {
  if (workers_.empty()) return region(0);
  region_ = &region;
  running_.store(static_cast<uint32_t>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1);  // sequentially consistent against parked_: a worker either sees it or is seen
  if (parked_.load() != 0) generation_.notify_all();
  region(0);
  SpinUntil([this] { return running_.load(std::memory_order_acquire) == 0; }, oversubscribed_);
  for (uint32_t left = running_.load(std::memory_order_acquire); left != 0;
       left = running_.load(std::memory_order_acquire)) {
    running_.wait(left, std::memory_order_acquire);
  }
}

void ThreadPool::Work(int64_t index) {
  uint32_t seen = 0;
  for (;;) {
    const auto called = [&] { return generation_.load(std::memory_order_acquire) != seen; };
    if (!SpinUntil(called, oversubscribed_)) {
      parked_.fetch_add(1);
      generation_.wait(seen);
      parked_.fetch_sub(1);
    }
    seen = generation_.load(std::memory_order_acquire);
    if (quit_.load()) return;
    (*region_)(index);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_one();
  }
}

void ThreadPool::PauseInBarrier() { sched_yield(); }

}  // namespace gradus::runtime
