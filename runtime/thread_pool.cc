#include "runtime/thread_pool.h"

#include <immintrin.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "ir/check.h"
#include "runtime/machine.h"

namespace gradus::runtime {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kSpin = std::chrono::microseconds(200);  // at least the 100 µs of codegen.md §7
constexpr int kRoundsBetweenClocks = 64;
constexpr std::chrono::nanoseconds kBarrierSpin = std::chrono::microseconds(50);
constexpr auto kBarrierYield = std::chrono::microseconds(100);
constexpr std::chrono::nanoseconds kNap = std::chrono::microseconds(20);
constexpr unsigned long kTimerSlack = 1000;  // nanoseconds; 50,000 by default
constexpr int64_t kOversubscribedSpins = 64;
constexpr int kRoundsBetweenYields = 16;

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
  if (threads > 1) prctl(PR_SET_TIMERSLACK, kTimerSlack);  // inherited by the workers: a nap of 20 µs must not take 70
  workers_.resize(static_cast<size_t>(threads - 1));
  pthread_attr_t attributes;
  CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, kStackBytes) == 0);
  for (int64_t i = 1; i < threads; ++i) {
    auto start = std::make_unique<std::pair<ThreadPool*, int64_t>>(this, i);
    const auto work = [](void* argument) -> void* {
      const std::unique_ptr<std::pair<ThreadPool*, int64_t>> given(
          static_cast<std::pair<ThreadPool*, int64_t>*>(argument));
      given->first->Work(given->second);
      return nullptr;
    };
    CHECK(pthread_create(&workers_[i - 1], &attributes, work, start.release()) == 0) << "the system gives no thread";
  }
  pthread_attr_destroy(&attributes);
}

ThreadPool::~ThreadPool() {
  quit_.store(true);
  generation_.fetch_add(1);
  generation_.notify_all();
  for (const pthread_t worker : workers_) pthread_join(worker, nullptr);
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

int64_t ThreadPool::spins() const {
  // A pause is 4 ns on some processors and 45 ns on others.
  static const int64_t spins = [] {
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < 1024; ++i) _mm_pause();
    const auto passed = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
    return std::clamp<int64_t>(kBarrierSpin.count() * 1024 / std::max<int64_t>(passed, 1), 256, 1 << 16);
  }();
  return oversubscribed_ ? kOversubscribedSpins : spins;
}

void ThreadPool::PauseInBarrier(const int64_t* word, int64_t value) {
  const auto reached = [&] { return __atomic_load_n(word, __ATOMIC_ACQUIRE) >= value; };
  const Clock::time_point end = Clock::now() + kBarrierYield;
  do {
    for (int i = 0; i < kRoundsBetweenYields; ++i) {
      if (reached()) return;
      _mm_pause();
    }
    sched_yield();
  } while (Clock::now() < end);
  const struct timespec nap = {0, kNap.count()};
  nanosleep(&nap, nullptr);
}

}  // namespace gradus::runtime
