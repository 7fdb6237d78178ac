#include "runtime/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/error.h"
#include "ir/interpreter.h"
#include "runtime/memory.h"
#include "runtime/shuffle.h"

namespace gradus::runtime {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t kStagingBytes = 8 << 20;  // batches that are gathered ahead of one call of native code
constexpr int64_t kMaxChunk = 1024;
constexpr auto kChunkTime = std::chrono::milliseconds(80);  // how often a terminal hears of progress

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double AsDouble(const ir::Tensor& scalar) {
  return ir::Dispatch(scalar.type().element,
                      [&](auto tag) { return static_cast<double>(scalar.data<decltype(tag)>()[0]); });
}

// The scalar outputs of an entry over the steps of a chunk, and their weighted sums. Its memory is asked for once.
class Sums {
 public:
  Sums(absl::Span<const NamedType> outputs, int64_t most_steps) {
    for (const NamedType& output : outputs) {
      if (output.type.rank() != 0) continue;
      scalars_.push_back({output, ir::Tensor(ir::Type{output.type.element, {most_steps}}), 0.0});
    }
    for (Scalar& scalar : scalars_) {
      fetches_.push_back({scalar.output.name, scalar.values.bytes(), ir::ByteWidth(scalar.output.type.element)});
    }
  }
  Sums(Sums&&) = default;

  // For a chunk of at most `most_steps`.
  absl::Span<const Fetch> fetches() const { return fetches_; }

  void Clear() {
    for (Scalar& scalar : scalars_) scalar.sum = 0;
    weight_ = 0;
  }

  // Adds the first `steps` of the chunk, each standing for `weight` examples.
  void Add(int64_t steps, double weight) {
    for (Scalar& scalar : scalars_) {
      ir::Dispatch(scalar.output.type.element, [&](auto tag) {
        const auto values = scalar.values.data<decltype(tag)>();
        for (int64_t k = 0; k < steps; ++k) scalar.sum += weight * static_cast<double>(values[k]);
      });
    }
    weight_ += weight * static_cast<double>(steps);
  }

  // The step of the chunk at which one of `names` first was not finite, or -1, and which.
  int64_t FirstNotFinite(absl::Span<const std::string> names, int64_t steps, std::string& which) const {
    for (int64_t k = 0; k < steps; ++k) {
      for (const Scalar& scalar : scalars_) {
        if (std::find(names.begin(), names.end(), scalar.output.name) == names.end()) continue;
        const bool finite = ir::Dispatch(scalar.output.type.element, [&](auto tag) {
          return std::isfinite(static_cast<double>(scalar.values.data<decltype(tag)>()[k]));
        });
        if (finite) continue;
        which = scalar.output.name;
        return k;
      }
    }
    return -1;
  }

  // Objectives, then metrics, each metric computed on the averages of what it reads.
  absl::StatusOr<Averages> Average(const frontend::Program& program) const {
    Averages averages;
    averages.reserve(program.objectives.size() + program.metrics.size());
    for (const std::string& objective : program.objectives) averages.emplace_back(objective, Mean(objective));
    for (const frontend::Metric& metric : program.metrics) {
      if (!metric.post) {
        averages.emplace_back(metric.name, Mean(metric.reads[0]));
        continue;
      }
      ir::NamedTensors inputs;
      for (const std::string& read : metric.reads) inputs.emplace(read, MeanTensor(read));
      ASSIGN_OR_RETURN(const ir::StepValues values, ir::Interpret(*metric.post, inputs));
      averages.emplace_back(metric.name, AsDouble(values.outputs.begin()->second));
    }
    return averages;
  }

 private:
  struct Scalar {
    NamedType output;
    ir::Tensor values;
    double sum;
  };

  const Scalar& Find(absl::string_view name) const {
    const auto found =
        std::find_if(scalars_.begin(), scalars_.end(), [&](const Scalar& s) { return s.output.name == name; });
    CHECK(found != scalars_.end()) << std::string(name) << " is no scalar output";
    return *found;
  }
  double Mean(absl::string_view name) const { return Find(name).sum / weight_; }
  ir::Tensor MeanTensor(absl::string_view name) const {
    ir::Tensor mean(Find(name).output.type);
    ir::Dispatch(mean.type().element,
                 [&](auto tag) { mean.data<decltype(tag)>()[0] = static_cast<decltype(tag)>(Mean(name)); });
    return mean;
  }

  std::vector<Scalar> scalars_;
  std::vector<Fetch> fetches_;
  double weight_ = 0;
};

// Batches of a dataset, gathered into memory that native code reads.
class Staging {
 public:
  // For the inputs of `entry`, which must be columns of the data. `batch` examples a step, chunks of up to `chunk`
  // steps.
  static absl::StatusOr<Staging> Create(const Executable& executable, int entry, const Dataset& data, int64_t batch,
                                        int64_t chunk, bool allocate = true) {
    Staging staging;
    staging.batch_ = batch;
    int64_t step_bytes = 1;
    for (const NamedType& input : executable.inputs(entry)) {
      const DataColumn* column = data.Find(input.name);
      if (column == nullptr)
        return ir::ErrorStatus(ir::ErrorKind::kNoData, "no data are given for the input ", input.name, " : ",
                               ir::ToString(input.type), ": write data ", input.name,
                               " = \"FILE\" in the recipe, or call with --data FILE.npz");
      staging.inputs_.push_back({column, input.type.bytes().value(), {}});
      if (column->sampled) step_bytes += input.type.bytes().value();
    }
    staging.chunk_ = std::clamp<int64_t>(kStagingBytes / step_bytes, 1, chunk);
    ir::Size needed = 0;
    for (const Input& input : staging.inputs_) {
      if (input.column->sampled) needed = needed + ir::Size(staging.chunk_) * ir::Size(input.bytes);
    }
    if (allocate) RETURN_IF_ERROR(CheckMemory(needed, "a batch of the data"));
    for (Input& input : staging.inputs_) {
      const DataColumn& column = *input.column;
      if (column.sampled) staging.bytes_ += staging.chunk_ * input.bytes;
      if (column.sampled && allocate) input.batches.resize(staging.chunk_ * input.bytes);
      staging.feeds_.push_back(column.sampled ? Feed{column.input, input.batches.data(), input.bytes, staging.chunk_}
                                              : Feed{column.input, column.values.bytes(), 0, 1});
    }
    return staging;
  }

  int64_t chunk() const { return chunk_; }
  int64_t bytes() const { return bytes_; }

  // Gathers `steps` batches, at most chunk(), whose examples are order[0], order[1], …
  absl::Span<const Feed> Gather(absl::Span<const int64_t> order, int64_t steps) {
    for (Input& input : inputs_) {
      if (!input.column->sampled) continue;
      for (int64_t k = 0; k < steps; ++k) {
        GatherExamples(*input.column, order.subspan(k * batch_, batch_), input.batches.data() + k * input.bytes);
      }
    }
    return feeds_;
  }

 private:
  struct Input {
    const DataColumn* column;
    int64_t bytes;  // of one step
    std::vector<std::byte> batches;
  };
  std::vector<Input> inputs_;
  std::vector<Feed> feeds_;
  int64_t batch_ = 1;
  int64_t chunk_ = 1;
  int64_t bytes_ = 0;
};

// The first param or state in the order of the program that is not finite now.
std::string FirstStateNotFinite(const Executable& executable) {
  for (const NamedType& state : executable.state()) {
    const ir::Tensor value = executable.ReadState(state.name);
    const bool finite = ir::Dispatch(value.type().element, [&](auto tag) {
      const auto data = value.data<decltype(tag)>();
      return std::all_of(data.begin(), data.end(), [](auto v) { return std::isfinite(static_cast<double>(v)); });
    });
    if (!finite) return state.name;
  }
  return "a parameter";
}

// The longest chunk of training.
int64_t MostSteps(const Dataset& data) {
  return data.examples == 0 ? kMaxChunk : std::clamp<int64_t>(data.examples / data.batch, 1, kMaxChunk);
}

std::vector<int64_t> InOrder(int64_t count) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) order[i] = i;
  return order;
}

// Calls visit(entry, indices of the batch) for the batches of `data` in order, the last one at its own size. Data that
// are fed whole make one step.
absl::Status ForEachBatch(const std::map<int64_t, int>& entries, const Dataset& data, const FractionCallback& progress,
                          const std::function<absl::Status(int, absl::Span<const int64_t>)>& visit) {
  const std::vector<int64_t> order = InOrder(data.examples);
  if (data.examples == 0) return visit(entries.begin()->second, order);
  for (int64_t first = 0; first < data.examples; first += data.batch) {
    const int64_t count = std::min(data.batch, data.examples - first);
    CHECK(entries.contains(count)) << "no entry for a batch of " << count;
    RETURN_IF_ERROR(visit(entries.at(count), absl::MakeConstSpan(order).subspan(first, count)));
    if (progress) progress(static_cast<double>(first + count) / static_cast<double>(data.examples));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<int64_t> BatchSizes(const Dataset& data) {
  std::vector<int64_t> sizes;
  if (data.examples == 0 || data.examples >= data.batch) sizes.push_back(data.batch);
  if (data.examples % data.batch != 0) sizes.push_back(data.examples % data.batch);
  return sizes;
}

absl::StatusOr<TrainingPlan> PlanTraining(const frontend::Program& program, const Dataset& data) {
  TrainingPlan plan;
  // As one batch of all the examples of an update would.
  plan.batches_per_step = program.accumulate;
  const ir::Size examples = ir::Size(data.batch) * ir::Size(program.accumulate);
  const int64_t update = examples.ok() ? examples.value() : std::numeric_limits<int64_t>::max();
  plan.steps_per_epoch = data.examples == 0 ? 1 : data.examples / update;
  plan.dropped = data.examples % update;
  if (plan.steps_per_epoch == 0) {
    return ir::ErrorStatus(ir::ErrorKind::kTooFewExamples, "the data have ", data.examples,
                           " examples, fewer than one batch of ", data.batch,
                           program.accumulate == 1 ? "" : absl::StrCat(" accumulated ", program.accumulate, " times"));
  }
  plan.epochs = program.epochs.value_or(0);
  plan.steps = program.steps.value_or(0);
  if (!program.epochs && !program.steps) plan.epochs = 1;
  // So that counting never overflows.
  constexpr int64_t kMaxSteps = int64_t{1} << 53;
  const ir::Size all = ir::Size(plan.epochs) * ir::Size(plan.steps_per_epoch);
  if (!all.ok() || all.value() > kMaxSteps || plan.steps > kMaxSteps) {
    return ir::ErrorStatus(ir::ErrorKind::kTrainingLimit,
                           plan.steps > kMaxSteps
                               ? absl::StrCat(plan.steps, " steps")
                               : absl::StrCat(plan.epochs, " epochs of ", plan.steps_per_epoch, " steps"),
                           " are above the limit of ", kMaxSteps, " steps (training limit)");
  }
  if (!(ir::Size(std::max(plan.steps, all.value())) * ir::Size(plan.batches_per_step)).ok()) {
    return ir::ErrorStatus(ir::ErrorKind::kTrainingLimit, "accumulate ", plan.batches_per_step,
                           " of so many steps are more batches than can be counted");
  }
  plan.total_steps = program.steps ? *program.steps : all.value();
  if (program.steps && program.epochs) plan.total_steps = std::min(plan.total_steps, all.value());
  return plan;
}

int64_t StagingBytes(const Executable& executable, int entry, const Dataset& data) {
  const absl::StatusOr<Staging> staging =
      Staging::Create(executable, entry, data, data.batch, MostSteps(data), /*allocate=*/false);
  return staging.ok() ? staging->bytes() : 0;
}

namespace {

absl::string_view NotFiniteAdvice(bool before_any_update) {
  if (!before_any_update) return "a smaller learning rate often helps";
  return "no weight has changed yet, so look for the logarithm of 0, a division by 0 or numbers that are too large: "
         "cross_entropy and binary_cross_entropy_with_logits take logits and stay finite";
}

// `; the input x reaches 255: …` where numbers are far from 1, or nothing.
std::string LargeInputs(const Dataset& data) {
  constexpr double kLarge = 30;
  for (const DataColumn& column : data.columns) {
    if (!ir::IsFloat(column.values.type().element)) continue;
    double most = 0;
    ir::Dispatch(column.values.type().element, [&](auto tag) {
      for (const auto value : column.values.data<decltype(tag)>()) {
        most = std::max(most, std::abs(static_cast<double>(value)));
      }
    });
    if (most > kLarge) {
      return absl::StrCat("; the input ", column.input, " reaches ", most, ": divide it so that it is about 1, as in ",
                          column.input, " = \"FILE\" / ", most);
    }
  }
  return "";
}

}  // namespace

absl::StatusOr<EpochReport> Train(const frontend::Program& program, const EntryIndex& entries, Executable& executable,
                                  const Dataset& data, const Dataset* validation, int64_t seed,
                                  const TrainCallbacks& callbacks) {
  ASSIGN_OR_RETURN(const TrainingPlan plan, PlanTraining(program, data));
  ASSIGN_OR_RETURN(Staging staging, Staging::Create(executable, entries.step, data, data.batch, MostSteps(data)));
  Sums sums(executable.outputs(entries.step), staging.chunk());
  std::vector<int64_t> order(static_cast<size_t>(data.examples));
  executable.set_seed(seed);
  EpochReport report;
  int64_t chunk = 1;  // grows until a chunk takes about kChunkTime
  for (int64_t epoch = 1, finished = 0; finished < plan.total_steps; ++epoch) {
    executable.set_epoch(epoch);
    ShuffleOrder(absl::MakeSpan(order), seed, epoch);
    const int64_t updates = std::min(plan.steps_per_epoch, plan.total_steps - finished);
    const int64_t in_epoch = updates * plan.batches_per_step;  // what follows counts batches
    sums.Clear();
    const Clock::time_point start = Clock::now();
    for (int64_t step = 0; step < in_epoch;) {
      const Clock::time_point chunk_start = Clock::now();
      const int64_t steps = std::min({chunk, staging.chunk(), in_epoch - step});
      const absl::Span<const Feed> feeds =
          staging.Gather(absl::MakeConstSpan(order).subspan(data.examples == 0 ? 0 : step * data.batch), steps);
      ASSIGN_OR_RETURN(const int64_t ran, executable.Run(entries.step, feeds, sums.fetches(), steps));
      sums.Add(ran, static_cast<double>(data.batch));
      std::string which;
      int64_t bad = sums.FirstNotFinite(program.objectives, ran, which);
      bool after_update = false;
      if (const int64_t number = executable.TakeNotFinite(); number > 0) {
        // A loss that came before the update, or with it, is the cause.
        const int64_t update = number - 1 - (executable.step() - ran);
        if (bad < 0 || update < bad) {
          bad = update;
          after_update = true;
          which = absl::StrCat(FirstStateNotFinite(executable), " after the update");
        }
      }
      if (bad >= 0) {
        const bool before_any_update = !after_update && finished + step + bad == 0;
        return ir::ErrorStatus(absl::StatusCode::kOutOfRange, ir::ErrorKind::kNotFinite, "step ",
                               finished + (step + bad) / plan.batches_per_step + 1, " (epoch ", epoch, "): ", which,
                               " is not finite; ", NotFiniteAdvice(before_any_update), LargeInputs(data));
      }
      step += ran;
      if (callbacks.progress) {
        ASSIGN_OR_RETURN(const Averages so_far, sums.Average(program));
        callbacks.progress(epoch, static_cast<double>(step) / static_cast<double>(in_epoch), so_far,
                           static_cast<double>(step * data.batch) / SecondsSince(start));
      }
      if (Clock::now() - chunk_start < kChunkTime / 2) chunk = std::min(chunk * 2, kMaxChunk);
      if (executable.TakeStop()) {
        return absl::CancelledError(absl::StrCat("stopped after step ", finished + step / plan.batches_per_step));
      }
    }
    finished += updates;
    report.epoch = epoch;
    report.step = finished;
    report.seconds = SecondsSince(start);
    report.examples_per_second = static_cast<double>(in_epoch * data.batch) / report.seconds;
    ASSIGN_OR_RETURN(report.training, sums.Average(program));
    if (validation != nullptr) {
      ASSIGN_OR_RETURN(report.validation, Evaluate(program, entries, executable, *validation));
    }
    if (callbacks.epoch) callbacks.epoch(report);
    if (executable.TakeStop()) return absl::CancelledError(absl::StrCat("stopped after step ", finished));
  }
  return report;
}

namespace {

// `step` stands still outside of training, so batches of one pass draw with seeds of their own; the first with that of
// the executable, which has it back afterwards.
class DrawsOfBatches {
 public:
  explicit DrawsOfBatches(Executable& executable) : executable_(executable), seed_(executable.seed()) {}
  ~DrawsOfBatches() { executable_.set_seed(seed_); }
  DrawsOfBatches(const DrawsOfBatches&) = delete;
  DrawsOfBatches& operator=(const DrawsOfBatches&) = delete;

  void NextBatch() {
    constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio
    executable_.set_seed(static_cast<int64_t>(static_cast<uint64_t>(seed_) + kOdd * static_cast<uint64_t>(batch_++)));
  }

 private:
  Executable& executable_;
  const int64_t seed_;
  int64_t batch_ = 0;
};

}  // namespace

absl::StatusOr<Averages> Evaluate(const frontend::Program& program, const EntryIndex& entries, Executable& executable,
                                  const Dataset& data, const FractionCallback& progress) {
  CHECK(!entries.evaluate.empty()) << "no entry for evaluation";
  Sums sums(executable.outputs(entries.evaluate.begin()->second), 1);
  std::map<int, Staging> staging;
  DrawsOfBatches draws(executable);
  RETURN_IF_ERROR(
      ForEachBatch(entries.evaluate, data, progress, [&](int entry, absl::Span<const int64_t> indices) -> absl::Status {
        const int64_t count = std::max<int64_t>(static_cast<int64_t>(indices.size()), 1);
        if (!staging.contains(entry)) {
          ASSIGN_OR_RETURN(Staging created, Staging::Create(executable, entry, data, count, 1));
          staging.emplace(entry, std::move(created));
        }
        const absl::Span<const Feed> feeds = staging.at(entry).Gather(indices, 1);
        draws.NextBatch();
        RETURN_IF_ERROR(executable.Run(entry, feeds, sums.fetches(), 1).status());
        sums.Add(1, static_cast<double>(count));
        return absl::OkStatus();
      }));
  return sums.Average(program);
}

absl::StatusOr<std::vector<std::pair<std::string, ir::Tensor>>> Predict(const frontend::Program& program,
                                                                        const EntryIndex& entries,
                                                                        Executable& executable, const Dataset& data,
                                                                        const FractionCallback& progress) {
  CHECK(!entries.predict.empty()) << "no entry for prediction";
  const int any_entry = entries.predict.begin()->second;
  const int64_t any_batch = entries.predict.begin()->first;
  // An output belongs to examples where its first axis is the batch; else each step gives one row.
  struct Output {
    std::string name;
    ir::Type type;
    ir::Tensor all;
    int64_t filled = 0;
  };
  std::vector<Output> outputs;
  ir::Size bytes = 0;
  std::string what;
  const int64_t steps = data.examples == 0 ? 1 : (data.examples + data.batch - 1) / data.batch;
  for (const NamedType& output : executable.outputs(any_entry)) {
    const ir::Shape& shape = output.type.shape;
    const bool by_example = !program.batch_dim.empty() && !shape.empty() && shape[0] == any_batch;
    ir::Shape rows = {!by_example ? steps : data.examples == 0 ? any_batch : data.examples};
    rows.insert(rows.end(), shape.begin() + (by_example ? 1 : 0), shape.end());
    outputs.push_back({output.name, ir::Type{output.type.element, std::move(rows)}, {}});
    bytes = bytes + outputs.back().type.bytes();
    absl::StrAppend(&what, what.empty() ? "" : ", ", output.name, " : ", ir::ToString(outputs.back().type));
  }
  RETURN_IF_ERROR(CheckMemory(bytes, absl::StrCat("the predictions for all examples (", what, ")"), /*plural=*/true));
  for (Output& output : outputs) output.all = ir::Tensor(output.type);
  std::map<int, Staging> staging;
  DrawsOfBatches draws(executable);
  RETURN_IF_ERROR(
      ForEachBatch(entries.predict, data, progress, [&](int entry, absl::Span<const int64_t> indices) -> absl::Status {
        const int64_t count = std::max<int64_t>(static_cast<int64_t>(indices.size()), 1);
        if (!staging.contains(entry)) {
          ASSIGN_OR_RETURN(Staging created, Staging::Create(executable, entry, data, count, 1));
          staging.emplace(entry, std::move(created));
        }
        const absl::Span<const Feed> feeds = staging.at(entry).Gather(indices, 1);
        std::vector<Fetch> fetches;
        for (Output& output : outputs) fetches.push_back({output.name, output.all.bytes() + output.filled, 0});
        draws.NextBatch();
        RETURN_IF_ERROR(executable.Run(entry, feeds, fetches, 1).status());
        for (size_t i = 0; i < outputs.size(); ++i)
          outputs[i].filled += executable.outputs(entry)[i].type.bytes().value();
        return absl::OkStatus();
      }));
  std::vector<std::pair<std::string, ir::Tensor>> result;
  for (Output& output : outputs) result.emplace_back(std::move(output.name), std::move(output.all));
  return result;
}

}  // namespace gradus::runtime
