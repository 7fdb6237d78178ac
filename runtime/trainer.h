// The training loop: epochs, shuffled batches, validation, what is reported.
//
// Everything here is host work between chunks of steps; a chunk is one call of native code. The examples of an epoch
// are visited in the order of runtime/shuffle.h; the remainder that fills no batch is dropped. Validation and
// prediction run the short last batch at its own size, and weigh what they average by examples.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/dataset.h"
#include "runtime/executable.h"

namespace gradus::runtime {

// Named averages: the objectives, then the metrics, in the order of the program.
using Averages = std::vector<std::pair<std::string, double>>;

// The entries of a program as Compile ordered them; -1: not compiled.
struct EntryIndex {
  int step = -1;
  std::map<int64_t, int> evaluate;  // by batch size
  std::map<int64_t, int> predict;
};

struct TrainingPlan {
  int64_t epochs = 0;            // 0: `steps` alone says how long
  int64_t steps = 0;             // in all; 0: epochs alone
  int64_t batches_per_step = 1;  // `accumulate`: each runs the step entry once, the last one updates
  int64_t steps_per_epoch = 0;   // with all their batches
  int64_t dropped = 0;           // examples of an epoch that fill no step
  int64_t total_steps = 0;
};
// Fails where the data do not fill the batches of one step.
absl::StatusOr<TrainingPlan> PlanTraining(const frontend::Program& program, const Dataset& data);

struct EpochReport {
  int64_t epoch = 0;  // from 1
  int64_t step = 0;   // finished in all
  Averages training;
  Averages validation;  // empty without validation data
  double seconds = 0;   // training alone
  double examples_per_second = 0;
};

struct TrainCallbacks {
  // Several times a second, from the training thread: the epoch, what is finished of it (0 to 1), the averages so far.
  std::function<void(int64_t epoch, double fraction, const Averages& so_far, double examples_per_second)> progress;
  std::function<void(const EpochReport&)> epoch;
};

// Memory for batches that are gathered ahead of a call of native code.
int64_t StagingBytes(const Executable& executable, int entry, const Dataset& data);

// Trains from the current state. Fails with a sentence for an index out of range, and for an objective that is not
// finite, with its step. Returns the last report.
absl::StatusOr<EpochReport> Train(const frontend::Program& program, const EntryIndex& entries, Executable& executable,
                                  const Dataset& data, const Dataset* validation, int64_t seed,
                                  const TrainCallbacks& callbacks);

// Objectives and metrics over all examples of a dataset. `progress` hears how much is done, from 0 to 1.
absl::StatusOr<Averages> Evaluate(const frontend::Program& program, const EntryIndex& entries, Executable& executable,
                                  const Dataset& data, const FractionCallback& progress = nullptr);

// The outputs of prediction for every example: each a tensor whose first axis is the examples (or, where an output has
// no batch axis, the steps). `type_of` an output is the one at the program's batch size.
absl::StatusOr<std::vector<std::pair<std::string, ir::Tensor>>> Predict(const frontend::Program& program,
                                                                        const EntryIndex& entries,
                                                                        Executable& executable, const Dataset& data,
                                                                        const FractionCallback& progress = nullptr);

// The batch sizes at which evaluation or prediction of `data` runs: the batch, and the rest if there is one.
std::vector<int64_t> BatchSizes(const Dataset& data);

}  // namespace gradus::runtime
