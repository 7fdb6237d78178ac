// What native code knows of the world: the one argument of every entry, a plain struct of pointers and numbers.
//
//   int run(StepContext* context, int64_t thread, int64_t threads, int64_t steps)
//
// Every thread of the pool calls the same entry with its own index; `threads` must be the number that the graph was
// planned for. Together they run up to `steps` steps; thread 0 returns why they stopped (RunResult), the others the
// same, or at once where the whole step is too small to share. The code calls nothing but `wait`, allocates nothing and
// makes no system call.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gradus::codegen {

inline constexpr int64_t kMaxThreads = 256;
inline constexpr int64_t kCacheLine = 64;

// Why an entry returned.
enum RunResult : int32_t {
  kRunFinished = 0,  // after `steps` steps
  kRunStopped = 1,   // thread 0 saw `stop`; `step` says how many steps are finished
  kRunFault = 2,     // `fault` is set; the state is invalid
};

// Where an input lies: the step with number s (from 0, over the life of the context) reads at
// base + ((s - first) % count) * stride, where count is at least 1. A stride that is not 0 is at least the size of the
// input; the base need not be aligned beyond the element.
struct InputBinding {
  const std::byte* base;
  int64_t stride;  // bytes
  int64_t count;
  int64_t first;
};

// Where an output goes: the k-th step of one call writes at base + k * stride. A null base drops it; a stride of 0
// keeps the last one.
struct OutputBinding {
  std::byte* base;
  int64_t stride;  // bytes
};

enum FaultKind : int32_t { kNoFault = 0, kIndexOutOfRange = 1, kEndlessWhile = 2 };

// The first fault that a thread met: an index that is not in [0, bound), in whose place code goes on with index 0; or a
// `while` that had not ended when the host wanted the end at once, and ended there. The entry returns kRunFault at the
// end of the step.
struct Fault {
  int32_t kind;       // written last
  int32_t statement;  // position among CompiledEntry::sources
  int64_t index;
  int64_t bound;
  int64_t step;  // steps finished before the one that failed
};

// One flag a thread, each on its own cache line: how many barriers the thread has reached in the life of the context.
struct alignas(kCacheLine) BarrierFlag {
  int64_t reached;
};

// What StepContext::stop may be.
enum StopRequest : int32_t { kGoOn = 0, kStopAfterStep = 1, kStopNow = 2 };

struct StepContext;
// Called by a thread that has spun `spins` times on *word < value; may return at any time, the thread looks again.
using WaitFunction = void (*)(StepContext* context, const int64_t* word, int64_t value);

struct StepContext {
  std::byte* arena;            // CompiledProgram::arena_bytes, aligned to 64 bytes
  std::byte* scratch;          // scratch_bytes a thread, one after another, aligned to 64 bytes
  const InputBinding* inputs;  // as CompiledEntry::inputs orders them
  const OutputBinding* outputs;
  int64_t step;  // steps finished; thread 0 counts it up at the end of each step
  int64_t epoch;
  int64_t seed;
  int64_t spins;      // rounds of a barrier's loop between two calls of `wait`
  WaitFunction wait;  // may be null: spin for ever
  void* owner;        // for `wait`
  // Set by any thread of the host: end after the current step, and with kStopNow every `while` of it before it ends.
  alignas(kCacheLine) int32_t stop;
  alignas(kCacheLine) int32_t end_while[2];  // thread 0's word to the others in even and odd generations of barriers
  alignas(kCacheLine) int32_t published[2];  // thread 0's word to the others at the end of even and odd steps
  alignas(kCacheLine) int32_t fault_claimed;
  Fault fault;
  // The number, from 1, of the first step that gave a param a value that is not finite; 0: none. Whichever thread sees
  // one writes it; steps do not overlap, so it does not depend on their order. The host resets it. (What a product
  // alone or a movement of data puts in the place of a param is not looked at: it computes nothing of its own.)
  alignas(kCacheLine) int64_t not_finite;
  alignas(kCacheLine) BarrierFlag flags[kMaxThreads];
};

using RunFunction = int32_t (*)(StepContext*, int64_t thread, int64_t threads, int64_t steps);

}  // namespace gradus::codegen
