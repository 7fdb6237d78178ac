// After compilation nothing is allocated: neither in a chunk of compiled steps nor in the loop around it.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>

#include "tests/matchers.h"
#include "tests/runtime/program.h"

#ifndef __SANITIZE_ADDRESS__  // which has an allocator of its own

namespace {
std::atomic<int64_t> allocations{0};
}  // namespace

// The functions of the C library under which everything else allocates, operator new included.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* pointer, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}
void* realloc(void* pointer, size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(pointer, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, size);
}
}

namespace gradus::runtime {
namespace {

TEST(AllocationTest, TheCounterCounts) {
  const int64_t before = allocations.load();
  const std::string long_enough(100 + before % 2, 'x');
  EXPECT_GE(allocations.load(), before + 1) << long_enough;
}

TEST(AllocationTest, AChunkOfCompiledStepsAllocatesNothing) {
  const TestProgram loaded = LoadExample("xor.gr");
  for (const int64_t threads : {1, 2}) {
    CompileOptions options;
    options.threads = threads;
    const Compiled compiled = CompileAll(loaded, options, 1);
    std::vector<Feed> feeds;
    for (const DataColumn& column : loaded.data.columns) feeds.push_back({column.input, column.values.bytes(), 0, 1});
    ASSERT_THAT(compiled.executable->Run(0, feeds, {}, 1), testing_support::IsOk());
    const int64_t before = allocations.load();
    const auto ran = compiled.executable->Run(0, feeds, {}, 10000);
    EXPECT_EQ(allocations.load(), before) << threads;
    EXPECT_EQ(*ran, 10000);
  }
}

TEST(AllocationTest, ALongEpochAllocatesAsMuchAsAShortOne) {
  const TestProgram loaded = LoadExample("digits.gr");
  const Compiled compiled = CompileAll(loaded, {}, 1);
  frontend::Program program = *frontend::Describe(loaded.module, {});
  program.epochs.reset();
  const auto allocations_of = [&](int64_t steps) {
    program.steps = steps;
    const int64_t before = allocations.load();
    EXPECT_THAT(Train(program, compiled.entries, *compiled.executable, loaded.data, nullptr, 1, {}),
                testing_support::IsOk());
    return allocations.load() - before;
  };
  allocations_of(2);
  EXPECT_EQ(allocations_of(3), allocations_of(44)) << "44 steps are one epoch";
}

}  // namespace
}  // namespace gradus::runtime

#endif
