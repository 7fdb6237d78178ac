// Loops and branches while they run: faults, requests to stop, chunks of steps, what is not finite.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_replace.h"
#include "runtime/state_hash.h"
#include "tests/matchers.h"
#include "tests/runtime/program.h"

namespace gradus::runtime {
namespace {

using testing_support::FailsWith;
using testing_support::IsOk;

// The interpreter, and native code on several numbers of threads.
std::vector<CompileOptions> Ways() {
  std::vector<CompileOptions> ways(1);
  ways[0].interpret = true;
  for (const int64_t threads : {1, 2, 3}) {
    ways.emplace_back().threads = threads;
    ways.emplace_back(ways.back()).fuse = false;
  }
  return ways;
}

// N elements: few run on thread 0 alone, many on every thread.
TestProgram Program(const std::string& loop, int64_t elements, const std::string& optimizer = "sgd(lr=0.1)") {
  return LoadText(
      absl::StrReplaceAll(R"(layer sum_twice(w, lr = 0.1) {
  apply(g) {
    v = scan length 2 carry v = w { next v = v - lr * g * v }
    return v
  }
}
model m {
  dim B = 1, N = ELEMENTS
  input x : float[B]
  input i : i32[B]
  param w : float[N] = uniform(0.5, 1)
  param table : float[3] = [1, 2, 3]
  h = LOOP
  loss = mean(h * w) + mean(table * w[0:3])
  output loss
}
train m {
  minimize loss
  optimizer OPTIMIZER
  data x = [1, 2, 3, 4], i = [0, 1, 2, 1]
  batch B; epochs 1; seed 1
}
)",
                          {{"LOOP", loop}, {"ELEMENTS", absl::StrCat(elements)}, {"OPTIMIZER", optimizer}}));
}

constexpr char kScan[] = "scan length 3 carry h = w { next h = 0.5 * h + gather(table, i + SHIFT) }";
constexpr char kWhile[] = "while carry h = w until sum(h) < 0.01 { next h = 0.3 * h + 0 * gather(table, i + SHIFT) }";
constexpr char kBranch[] = "cond(sum(x) > 0) { yield w * gather(table, i + SHIFT) } else { yield w }";
constexpr char kNested[] =
    "scan length 2 carry h = w { next h = 0.5 * (while carry q = h until sum(q) < 0.01 { next q = 0.3 * q }) + "
    "cond(sum(x) > 0) { yield h * gather(table, i + SHIFT) } else { yield h } }";

std::string Shifted(const char* loop, const char* shift) { return absl::StrReplaceAll(loop, {{"SHIFT", shift}}); }

// Every thread goes on to the end of the step, so that the next call finds barriers as they must be.
TEST(LoopsTest, AnIndexOutOfRangeInABodyIsASentenceWithItsPlace) {
  for (const char* loop : {kScan, kWhile, kBranch, kNested}) {
    for (const int64_t elements : {16, 40000}) {
      const TestProgram loaded = Program(Shifted(loop, "1"), elements);
      for (const CompileOptions& options : Ways()) {
        SCOPED_TRACE(absl::StrCat(loop, " ", elements, " threads ", options.threads));
        const Compiled compiled = CompileAll(loaded, options, 1);
        const auto ended = Train(loaded.program, compiled.entries, *compiled.executable, loaded.data, nullptr, 1, {});
        EXPECT_THAT(ended, FailsWith("out of range"));
        EXPECT_THAT(ended, FailsWith("13:"));  // the line of the loop
        EXPECT_THAT(ended, FailsWith("index 3"));
        // With indices in range it runs on.
        const int32_t index = 1;
        const float x = 1;
        const std::vector<Feed> feeds = {{"i", reinterpret_cast<const std::byte*>(&index), 0, 1},
                                         {"x", reinterpret_cast<const std::byte*>(&x), 0, 1}};
        const auto ran = compiled.executable->Run(compiled.entries.step, feeds, {}, 5);
        ASSERT_THAT(ran, IsOk());
        EXPECT_EQ(*ran, 5);
      }
    }
  }
}

struct Fed {
  int32_t index = 1;
  float x = 1;
  std::vector<Feed> feeds = {{"i", reinterpret_cast<const std::byte*>(&index), 0, 1},
                             {"x", reinterpret_cast<const std::byte*>(&x), 0, 1}};
  Fed() = default;
  Fed(const Fed&) = delete;
};

TEST(LoopsTest, ChunksOfStepsChangeNoBit) {
  for (const int64_t elements : {16, 40000}) {
    const TestProgram loaded = Program(Shifted(kNested, "0"), elements);
    std::string expected;
    for (const CompileOptions& options : Ways()) {
      for (const int64_t chunk : {1, 3, 6}) {
        const Compiled compiled = CompileAll(loaded, options, 1);
        const Fed fed;
        for (int64_t step = 0; step < 6; step += chunk)
          ASSERT_THAT(compiled.executable->Run(compiled.entries.step, fed.feeds, {}, chunk), IsOk());
        const std::string hash = StateHash(compiled.executable->ReadAllState());
        if (expected.empty()) expected = hash;
        EXPECT_EQ(hash, expected) << elements << " threads " << options.threads << " chunk " << chunk;
      }
    }
  }
}

TEST(LoopsTest, ARequestToStopEndsAChunkAfterAWholeStep) {
  // So slow that no number of steps leads to what is no number, on which the inner loop would never end.
  const TestProgram loaded = Program(Shifted(kNested, "0"), 40000, "sgd(lr=1e-6)");
  for (const int64_t threads : {1, 2, 3}) {
    CompileOptions options;
    options.threads = threads;
    const Compiled compiled = CompileAll(loaded, options, 1), other = CompileAll(loaded, options, 1);
    const Fed fed;
    std::thread stop([&] {
      usleep(30000);
      compiled.executable->Stop();
    });
    const auto ran = compiled.executable->Run(compiled.entries.step, fed.feeds, {}, 1'000'000'000);
    stop.join();
    ASSERT_THAT(ran, IsOk());
    ASSERT_GT(*ran, 0);
    ASSERT_LT(*ran, 1'000'000'000);
    EXPECT_TRUE(compiled.executable->TakeStop());
    ASSERT_THAT(other.executable->Run(other.entries.step, fed.feeds, {}, *ran), IsOk());
    EXPECT_EQ(StateHash(compiled.executable->ReadAllState()), StateHash(other.executable->ReadAllState()));
  }
}

// The sum of h goes to 0, so a limit of 0 is never passed.
constexpr char kEndless[] = "while carry h = w until sum(h) < sum(x) - 1 { next h = 0.5 * h + 0.00001 }";
constexpr char kEndlessInside[] =
    "scan length 3 carry h = w { next h = h + (while carry q = h until sum(q) < sum(x) - 1 { next q = 0.5 * q + "
    "0.00001 "
    "}) }";

TEST(LoopsTest, AWhileThatNeverEndsIsStopped) {
  for (const char* loop : {kEndless, kEndlessInside}) {
    for (const int64_t elements : {16, 40000}) {
      const TestProgram loaded = Program(loop, elements);
      for (const CompileOptions& options : Ways()) {
        SCOPED_TRACE(absl::StrCat(loop, " ", elements, " threads ", options.threads));
        const Compiled compiled = CompileAll(loaded, options, 1);
        Fed fed;
        std::thread stop([&] {
          usleep(3000);
          compiled.executable->Stop();  // after the step, which does not end
          usleep(3000);
          compiled.executable->Stop();
        });
        const auto ended = compiled.executable->Run(compiled.entries.step, fed.feeds, {}, 1000);
        stop.join();
        ASSERT_FALSE(ended.ok());
        EXPECT_TRUE(absl::IsAborted(ended.status())) << ended.status();
        EXPECT_THAT(ended, FailsWith("had not ended when it was stopped"));
        if (!options.interpret) {
          EXPECT_THAT(ended, FailsWith("test.gr:13:"));
          EXPECT_THAT(ended, FailsWith("step 1, whose results are invalid"));
        }
        EXPECT_TRUE(compiled.executable->TakeStop());
        fed.x = 1e9F;  // now the loop ends before it begins
        const auto ran = compiled.executable->Run(compiled.entries.step, fed.feeds, {}, 5);
        ASSERT_THAT(ran, IsOk());
        EXPECT_EQ(*ran, 5);
      }
    }
  }
}

// A request that came when the step was over anyway ends no `while` of a later call.
TEST(LoopsTest, ARequestThatWasTakenIsForgotten) {
  const TestProgram loaded = Program(Shifted(kWhile, "0"), 16);
  const Compiled compiled = CompileAll(loaded, {}, 1);
  const Fed fed;
  compiled.executable->Stop();
  compiled.executable->Stop();
  EXPECT_TRUE(compiled.executable->TakeStop());
  const auto ran = compiled.executable->Run(compiled.entries.step, fed.feeds, {}, 5);
  ASSERT_THAT(ran, IsOk());
  EXPECT_EQ(*ran, 5);
}

TEST(LoopsTest, WhatALoopMakesOfAParameterIsLookedAt) {
  for (const int64_t elements : {16, 40000}) {
    for (const CompileOptions& options : Ways()) {
      SCOPED_TRACE(absl::StrCat(elements, " threads ", options.threads, " fuse ", options.fuse));
      const TestProgram good = Program("w", elements, "sum_twice(lr=1e-3)"),
                        bad = Program("w", elements, "sum_twice(lr=1e30)");
      const Fed fed;
      const Compiled right = CompileAll(good, options, 1), wrong = CompileAll(bad, options, 1);
      ASSERT_THAT(right.executable->Run(right.entries.step, fed.feeds, {}, 4), IsOk());
      EXPECT_EQ(right.executable->TakeNotFinite(), 0);
      ASSERT_THAT(wrong.executable->Run(wrong.entries.step, fed.feeds, {}, 4), IsOk());
      EXPECT_EQ(wrong.executable->TakeNotFinite(), 1);
    }
  }
}

}  // namespace
}  // namespace gradus::runtime
