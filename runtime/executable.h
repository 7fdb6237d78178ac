// A program that can run: its entries, the state that they share, and nothing left to decide.
//
// An entry (`mlp.step`, `mlp.evaluate`, `mlp.evaluate` for the short last batch, …) is called for a chunk of steps with
// its inputs and outputs bound to memory of the caller. State is read and written by name, in its logical layout, and
// lives here between calls.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "ir/graph.h"
#include "ir/tensor.h"

namespace gradus::runtime {

struct NamedType {
  std::string name;
  ir::Type type;
};

// The value of an input: step k of a call reads base + (k % count) * stride. A stride of 0 feeds the same at every
// step.
struct Feed {
  std::string input;
  const std::byte* base = nullptr;
  int64_t stride = 0;
  int64_t count = 1;
};

// Where an output goes: step k of a call writes base + k * stride. A stride of 0 keeps the last one.
struct Fetch {
  std::string output;
  std::byte* base = nullptr;
  int64_t stride = 0;
};

// What memory is spent on, in bytes; each exact for (program, target, threads).
struct MemoryUse {
  int64_t state = 0;
  int64_t arena = 0;    // state included
  int64_t scratch = 0;  // all threads together
  int64_t code = 0;
  int64_t stacks = 0;  // of the threads beside the caller's
};

class Executable {
 public:
  virtual ~Executable() = default;

  // Inputs that a caller feeds; `step`, `epoch` and `seed` are not among them.
  virtual absl::Span<const NamedType> inputs(int entry) const = 0;
  virtual absl::Span<const NamedType> outputs(int entry) const = 0;

  // Runs `steps` steps of an entry. Every input must be fed; outputs that are not fetched are dropped. Fails with a
  // sentence for a fault (an index out of range, with its place in the source); the state is invalid then. Ends early,
  // after a whole step, where Stop was called; returns the number of finished steps.
  virtual absl::StatusOr<int64_t> Run(int entry, absl::Span<const Feed> feeds, absl::Span<const Fetch> fetches,
                                      int64_t steps) = 0;

  // Parameters and state, in the order of the program.
  virtual absl::Span<const NamedType> state() const = 0;
  virtual ir::Tensor ReadState(absl::string_view name) const = 0;
  // The tensor must have the type of the state.
  virtual void WriteState(absl::string_view name, const ir::Tensor& value) = 0;

  // The steps of training that are finished: what `step` counts from. Entries that do not train leave it alone.
  virtual int64_t step() const = 0;
  virtual void set_step(int64_t step) = 0;
  virtual void set_epoch(int64_t epoch) = 0;
  virtual int64_t seed() const = 0;
  virtual void set_seed(int64_t seed) = 0;

  virtual MemoryUse memory() const = 0;

  // The number, as step() counts, of the first step since the last call that gave a param a value that is not finite;
  // 0: none did. Found in the step that stores it, at the price of three instructions a vector.
  virtual int64_t TakeNotFinite() = 0;

  // Asks a running call to end after its current step; called again, to end every `while` before it does: the call then
  // fails (Aborted), and the state is invalid. May be called by any thread and by a signal handler. The request stands
  // until TakeStop, so that one between two calls is not lost.
  void Stop() { StopRunning(/*now=*/stop_requests_.fetch_add(1) > 0); }
  // Whether Stop was called since the last TakeStop.
  bool TakeStop() { return stop_requests_.exchange(0) > 0; }

  std::map<std::string, ir::Tensor> ReadAllState() const;

 protected:
  virtual void StopRunning(bool now) = 0;
  bool stop_requested() const { return stop_requests_.load(std::memory_order_relaxed) > 0; }
  bool stop_now_requested() const { return stop_requests_.load(std::memory_order_relaxed) > 1; }

 private:
  std::atomic<int> stop_requests_{0};
};

}  // namespace gradus::runtime
