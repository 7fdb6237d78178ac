#include "runtime/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <chrono>
#include <thread>

#include "runtime/machine.h"

namespace gradus::runtime {
namespace {

TEST(ThreadPoolTest, EveryThreadRunsARegionOnceWithItsOwnIndex) {
  for (const int64_t threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    std::vector<int> entered(threads, 0);
    for (int region = 0; region < 500; ++region) pool.Run([&](int64_t thread) { ++entered[thread]; });
    EXPECT_THAT(entered, testing::Each(500)) << threads;
  }
}

TEST(ThreadPoolTest, AllThreadsAreInTheRegionTogether) {
  ThreadPool pool(3);
  int64_t arrived = 0;
  pool.Run([&](int64_t) {
    __atomic_fetch_add(&arrived, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < 3) ThreadPool::PauseInBarrier(&arrived, 3);
  });
  EXPECT_EQ(arrived, 3);
}

TEST(ThreadPoolTest, ParkedWorkersWakeAgain) {
  ThreadPool pool(2);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    std::atomic<int> entered{0};
    pool.Run([&](int64_t) { entered.fetch_add(1); });
    EXPECT_EQ(entered.load(), 2);
  }
}

TEST(ThreadPoolTest, MoreThreadsThanTheAffinityMaskHasAreOversubscribed) {
  EXPECT_FALSE(ThreadPool(1).oversubscribed());
  EXPECT_TRUE(ThreadPool(UsableProcessors() + 1).oversubscribed());
}

TEST(MachineTest, TheAffinityMaskIsObeyed) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(UsableThreads(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
  EXPECT_LE(UsableThreads(), CPU_COUNT(&before));
}

TEST(MachineTest, TheQuotaOfAControlGroupIsRead) {
  EXPECT_EQ(ParseCpuMax("200000 100000\n"), 2.0);
  EXPECT_EQ(ParseCpuMax("150000 100000\n"), 1.5);
  EXPECT_EQ(ParseCpuMax("max 100000\n"), absl::nullopt);
  EXPECT_EQ(ParseCpuMax(""), absl::nullopt);
}

TEST(MachineTest, TheMachineSaysWhatItHas) {
  EXPECT_GT(PeakResidentBytes(), 1 << 20);
  const double started = SecondsSinceProcessStart();
  EXPECT_GE(started, -0.02);
  EXPECT_LT(started, 3600);
  ASSERT_TRUE(AvailableMemory().has_value());
  EXPECT_GT(AvailableMemory()->bytes, 1 << 20);
}

}  // namespace
}  // namespace gradus::runtime
