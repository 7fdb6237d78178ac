// Times one function that every thread of a team calls with its number: for the drivers of contraction.py and
// convolution.py.
#pragma once

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

namespace gradus::benchmarks {

// Seconds that this thread has run.
inline double ThreadTime() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

inline double Now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
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

inline float* Floats(int64_t count) {
  auto* data = static_cast<float*>(std::aligned_alloc(4096, (count * 4 + 4095) / 4096 * 4096));
  for (int64_t i = 0; i < count; ++i) data[i] = static_cast<float>(static_cast<uint32_t>(i * 2654435761) >> 16) * 1e-5f;
  return data;
}

// The best nanoseconds of run(scratch, thread) on all threads, among blocks of several.
inline double BestNanoseconds(int64_t threads, double milliseconds, int64_t scratch_bytes,
                              const std::function<void(void* scratch, int64_t thread)>& run) {
  Barrier barrier;
  std::atomic<int64_t> repetitions{1};
  std::atomic<bool> stop{false};
  double best = 1e30;
  const auto work = [&](int64_t thread) {
    void* scratch = std::aligned_alloc(64, (scratch_bytes + 4096) / 64 * 64);
    const double start = thread == 0 ? Now() : 0;
    double warm = 0;
    while (true) {
      barrier.Wait(threads);
      if (stop) break;
      const double before = thread == 0 ? Now() : 0;
      for (int64_t i = repetitions; i > 0; --i) {
        run(scratch, thread);
        barrier.Wait(threads);
      }
      if (thread != 0) continue;
      const double now = Now();
      if (now - before < 5e-4) {
        repetitions = repetitions * 2;
      } else {
        best = std::min(best, (now - before) / static_cast<double>(repetitions));
        if (warm == 0) warm = now;
        if (now - start > milliseconds * 1e-3 && now > warm) stop = true;
      }
    }
    std::free(scratch);
  };
  std::vector<std::thread> others;
  for (int64_t thread = 1; thread < threads; ++thread) others.emplace_back(work, thread);
  work(0);
  for (std::thread& other : others) other.join();
  return best * 1e9;
}

}  // namespace gradus::benchmarks
