// gradus bench: steps per second, and the numbers by which Gradus is compared with its peers.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ir/check.h"
#include "ir/error.h"
#include "runtime/interpreted_executable.h"
#include "runtime/machine.h"
#include "runtime/memory.h"
#include "runtime/progress.h"
#include "runtime/state_hash.h"
#include "tools/model.h"
#include "tools/verb.h"

namespace gradus::tools {
namespace {

constexpr char kAbout[] =
    "Measure the training step.\n"
    "\n"
    "Measure the training step: the losses of the first steps, steps per second (the median of blocks of at least 0.3 "
    "s,\n"
    "batches taken in turn), how long compilation took, memory, and the hash of the state after the first steps, which "
    "is\n"
    "the same for every --threads, --target and --fuse, and with --interpret.\n"
    "\n"
    "  gradus bench examples/mlp.gr --init mlp.init.npz --data mlp.data.npz --losses 20 --threads 2 --json\n"
    "  gradus bench examples/digits.gr                    its own data, its own initial values";

constexpr double kBlockSeconds = 0.3;

using Clock = std::chrono::steady_clock;

struct BenchOptions {
  ModelOptions model;
  std::string init, data;
  int64_t losses = 20;
  int64_t blocks = 5;
};

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Every whole batch of the data, one after another as native code reads them.
class Batches {
 public:
  static absl::StatusOr<Batches> Create(const runtime::Executable& executable, int entry,
                                        const runtime::Dataset& data) {
    Batches batches;
    batches.count_ = data.examples == 0 ? 1 : data.examples / data.batch;
    if (batches.count_ == 0)
      return ir::ErrorStatus(ir::ErrorKind::kTooFewExamples, "the data have ", data.examples,
                             " examples, fewer than one batch of ", data.batch);
    for (const runtime::NamedType& input : executable.inputs(entry)) {
      const runtime::DataColumn* column = data.Find(input.name);
      if (column == nullptr)
        return ir::ErrorStatus(ir::ErrorKind::kNoData, "no data are given for the input ", input.name);
      const int64_t bytes = input.type.bytes().value();
      if (!column->sampled || column->batch_axis <= 0) {
        batches.feeds_.push_back(
            {input.name, column->values.bytes(), column->sampled ? bytes : 0, column->sampled ? batches.count_ : 1});
        continue;
      }
      RETURN_IF_ERROR(runtime::CheckMemory(ir::Size(batches.count_) * ir::Size(bytes),
                                           absl::StrCat("the batches of ", input.name)));
      std::vector<std::byte>& gathered = batches.gathered_.emplace_back(batches.count_ * bytes);
      std::vector<int64_t> indices(static_cast<size_t>(data.batch));
      for (int64_t b = 0; b < batches.count_; ++b) {
        for (int64_t i = 0; i < data.batch; ++i) indices[i] = b * data.batch + i;
        runtime::GatherExamples(*column, indices, gathered.data() + b * bytes);
      }
      batches.feeds_.push_back({input.name, gathered.data(), bytes, batches.count_});
    }
    return batches;
  }

  int64_t count() const { return count_; }
  // Feeds that begin at batch number `first`, wrapping around after the last one only where first is 0.
  std::vector<runtime::Feed> From(int64_t first) const {
    std::vector<runtime::Feed> feeds = feeds_;
    for (runtime::Feed& feed : feeds) feed.base += first % feed.count * feed.stride;
    return feeds;
  }

 private:
  int64_t count_ = 0;
  std::vector<runtime::Feed> feeds_;
  std::vector<std::vector<std::byte>> gathered_;
};

// The first objective of each of the first steps, one call a batch.
class LossReader {
 public:
  LossReader(runtime::Executable& executable, int entry, std::string objective)
      : executable_(executable), entry_(entry), objective_(std::move(objective)) {
    for (const runtime::NamedType& output : executable.outputs(entry)) {
      if (output.name == objective_) value_ = ir::Tensor(output.type);
    }
  }
  absl::StatusOr<double> Step(const Batches& batches, int64_t number) {
    const runtime::Fetch fetch{objective_, value_.bytes(), 0};
    RETURN_IF_ERROR(
        executable_.Run(entry_, batches.From(number % batches.count()), absl::MakeConstSpan(&fetch, 1), 1).status());
    return ir::Dispatch(value_.type().element,
                        [&](auto tag) { return static_cast<double>(value_.data<decltype(tag)>()[0]); });
  }

 private:
  runtime::Executable& executable_;
  int entry_;
  std::string objective_;
  ir::Tensor value_;
};

// Steps per second of each block, ascending.
absl::StatusOr<std::vector<double>> Measure(runtime::Executable& executable, int entry, const Batches& batches,
                                            int64_t blocks) {
  const std::vector<runtime::Feed> feeds = batches.From(0);
  const auto time = [&](int64_t steps) -> absl::StatusOr<double> {
    const Clock::time_point start = Clock::now();
    RETURN_IF_ERROR(executable.Run(entry, feeds, {}, steps).status());
    return SecondsSince(start);
  };
  runtime::Progress progress(/*enabled=*/true);
  int64_t steps = 1;
  for (double seconds = 0; seconds < kBlockSeconds;) {
    steps *= 2;
    ASSIGN_OR_RETURN(seconds, time(steps));
  }
  std::vector<double> rates;
  for (int64_t block = 0; block < blocks; ++block) {
    progress.Update(static_cast<double>(block) / static_cast<double>(blocks), "measuring");
    ASSIGN_OR_RETURN(const double seconds, time(steps));
    rates.push_back(static_cast<double>(steps) / seconds);
  }
  std::sort(rates.begin(), rates.end());
  return rates;
}

absl::StatusOr<runtime::Dataset> LoadBenchData(const BenchOptions& options, Model& model) {
  if (!model.graph) return LoadData(model, DataOf::kTraining, options.data);
  // A printed graph has no recipe: its inputs as they are declared, one such value a step.
  for (const auto& statement : model.graph->body.statements) {
    if (statement->op != ir::Op::kInput) continue;
    const ir::Value& value = *statement->result();
    if (!runtime::IsProvidedInput(value.name)) {
      const int64_t batch_axis = value.type.rank() > 0 ? 0 : -1;
      model.program.inputs.push_back({value.name, value.type, batch_axis, false});
    }
  }
  model.program.objectives = {model.graph->outputs.empty() ? "" : model.graph->outputs[0].name};
  if (options.data.empty() && !model.program.inputs.empty())
    return ir::ErrorStatus(ir::ErrorKind::kNoData, options.model.file,
                           ": a printed graph has no data; give them by --data FILE.npz");
  if (options.data.empty()) return runtime::Dataset{};
  return runtime::LoadDatasetFromNpz(model.program, options.data);
}

void Print(const nlohmann::json& result, const runtime::Compiled& compiled, int64_t data_bytes) {
  std::printf("%.1f steps/s (best %.1f), compiled in %s, first loss after %s\n", result["steps_per_s"].get<double>(),
              result["best_steps_per_s"].get<double>(),
              runtime::HumanSeconds(result["compile_s"].get<double>()).c_str(),
              runtime::HumanSeconds(result["first_step_s"].get<double>()).c_str());
  std::printf("%s, resident at most %.1f MB\n", DescribeMemory(compiled, data_bytes, 0).c_str(),
              result["peak_rss_mb"].get<double>());
  const auto& losses = result["losses"];
  if (!losses.empty())
    std::printf("losses %g … %g over %zu steps\n", losses.front().get<double>(), losses.back().get<double>(),
                losses.size());
  std::printf("state %s\n", result["state_hash"].get<std::string>().c_str());
}

absl::Status Run(const BenchOptions& options) {
  ASSIGN_OR_RETURN(Model model, LoadModel(options.model));
  if (!model.graph && !model.program.trains)
    return ir::ErrorStatus(ir::ErrorKind::kNoRecipe, options.model.file,
                           ": has no recipe, so there is no step to measure");
  ASSIGN_OR_RETURN(const auto init, LoadWeights(options.init, model));
  ASSIGN_OR_RETURN(const runtime::Dataset data, LoadBenchData(options, model));
  const Clock::time_point start = Clock::now();
  ASSIGN_OR_RETURN(const runtime::Compiled compiled, CompileModel(options.model, model, {{frontend::Entry::kStep, 0}}));
  RETURN_IF_ERROR(runtime::CheckIndices(compiled.bounds, compiled.path, data));
  runtime::Executable& executable = *compiled.executable;
  RETURN_IF_ERROR(
      runtime::InitializeState(compiled.initialize, SeedOf(options.model, model), init, options.init, executable));
  ASSIGN_OR_RETURN(const Batches batches, Batches::Create(executable, compiled.entries.step, data));

  nlohmann::json result;
  result["compile_s"] = compiled.seconds;
  std::vector<double> losses;
  LossReader reader(executable, compiled.entries.step, model.program.objectives[0]);
  for (int64_t i = 0; i < options.losses; ++i) {
    ASSIGN_OR_RETURN(const double loss, reader.Step(batches, i));
    losses.push_back(loss);
    if (i > 0) continue;
    result["first_step_s"] = SecondsSince(start);
    result["process_s"] = runtime::SecondsSinceProcessStart();
  }
  result["losses"] = losses;
  result["state_hash"] = runtime::StateHash(executable.ReadAllState());
  ASSIGN_OR_RETURN(const std::vector<double> rates,
                   Measure(executable, compiled.entries.step, batches, options.blocks));
  result["steps_per_s"] = rates[rates.size() / 2];
  result["best_steps_per_s"] = rates.back();
  result["peak_rss_mb"] = static_cast<double>(runtime::PeakResidentBytes()) / (1 << 20);
  result["arena_bytes"] = executable.memory().arena;
  if (options.model.json) {
    std::printf("%s\n", result.dump().c_str());
  } else {
    Print(result, compiled, data.bytes());
  }
  const auto bad = std::find_if(losses.begin(), losses.end(), [](double loss) { return !std::isfinite(loss); });
  if (bad != losses.end()) {
    return ir::ErrorStatus(absl::StatusCode::kOutOfRange, ir::ErrorKind::kNotFinite, "step ", bad - losses.begin() + 1,
                           ": ", model.program.objectives[0],
                           " is not finite; what was measured is the step of a broken model");
  }
  return absl::OkStatus();
}

}  // namespace

void AddBench(CLI::App& gradus, Action& action) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* verb = gradus.add_subcommand("bench", kAbout);
  AddProgramOptions(*verb, options->model);
  verb->add_option("--init", options->init,
                   "Initial parameters by name (.npz or .safetensors); what is not in there is initialised")
      ->type_name("FILE");
  verb->add_option("--data", options->data, "Every input from the array of its name: several batches one after another")
      ->type_name("FILE.npz");
  verb->add_option("--losses", options->losses, "How many first steps to print the loss of")
      ->check(CLI::Range(1, 1000000))
      ->type_name("N")
      ->capture_default_str();
  verb->add_option("--blocks", options->blocks, "How many blocks to take the median of")
      ->check(CLI::Range(1, 1000))
      ->type_name("N")
      ->capture_default_str();
  AddSeed(*verb, options->model);
  AddCompileOptions(*verb, options->model);
  AddJson(*verb, options->model);
  verb->callback([options, &action] { action = [options] { return ExitCodeOf(Run(*options)); }; });
}

}  // namespace gradus::tools
