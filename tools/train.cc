// gradus train: the training loop, with what a person wants to see of it.
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ir/check.h"
#include "ir/error.h"
#include "runtime/file.h"
#include "runtime/memory.h"
#include "runtime/progress.h"
#include "runtime/safetensors.h"
#include "runtime/state_hash.h"
#include "tools/model.h"
#include "tools/verb.h"

namespace gradus::tools {
namespace {

constexpr int64_t kMostLines = 50;  // of epochs; a recipe of more has some of them left out

constexpr char kAbout[] =
    "Train a model as its recipe says.\n"
    "\n"
    "Train the model of a file as its recipe says, and print losses and metrics after every epoch.\n"
    "\n"
    "  gradus train examples/digits.gr\n"
    "  gradus train examples/digits.gr --epochs 3 --set B=16 --save weights.safetensors\n"
    "  gradus train examples/digits.gr --load weights.safetensors      go on from saved parameters\n"
    "\n"
    "The bits of the result depend on the program, the data and the seed alone: not on --threads, --target or --fuse.\n"
    "Examples that fill no whole batch are dropped, and validation runs the last batch at its own size.";

struct TrainOptions {
  ModelOptions model;
  std::string data, load, save;
  absl::optional<int64_t> epochs, steps;
};

runtime::Executable* interrupted = nullptr;

void PrintEpoch(const frontend::Program& program, const runtime::EpochReport& report, int64_t epochs) {
  const std::string total = absl::StrCat(epochs);
  const std::string validation =
      report.validation.empty() ? "" : absl::StrCat("   validation ", Describe(report.validation));
  std::printf("%s %*lld/%s  %s%s   %s %s/s\n", program.data.empty() ? "step" : "epoch", static_cast<int>(total.size()),
              static_cast<long long>(report.epoch), total.c_str(), Describe(report.training).c_str(),
              validation.c_str(), runtime::Grouped(static_cast<int64_t>(report.examples_per_second)).c_str(),
              program.batch_dim.empty() ? "steps" : "examples");
  std::fflush(stdout);
}

void PrintHead(const frontend::Program& program, const runtime::Dataset& data, const runtime::TrainingPlan& plan,
               double compile_seconds) {
  std::string text = absl::StrCat(program.name, ": ");
  if (data.examples == 0) {
    absl::StrAppend(&text, "the same data at every step");
  } else {
    absl::StrAppend(&text, runtime::Grouped(data.examples), " examples, ", runtime::Grouped(plan.steps_per_epoch),
                    " steps of ", plan.batches_per_step == 1 ? "" : absl::StrCat(plan.batches_per_step, " batches of "),
                    data.batch, " an epoch");
    if (plan.dropped > 0) absl::StrAppend(&text, " (the ", plan.dropped, " left over are dropped)");
  }
  std::printf("%s; compiled in %s\n", text.c_str(), runtime::HumanSeconds(compile_seconds).c_str());
}

nlohmann::json Json(const runtime::Averages& averages) {
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [name, value] : averages) object[name] = value;
  return object;
}

absl::Status Run(const TrainOptions& options) {
  ASSIGN_OR_RETURN(Model model, LoadProgramModel(options.model, "training"));
  for (const std::string& note : model.program.notes) std::fprintf(stderr, "%s\n", note.c_str());
  frontend::Program& program = model.program;
  if (!program.trains)
    return ir::ErrorStatus(ir::ErrorKind::kNoRecipe, options.model.file, ": has no recipe: write `train ",
                           program.model, " { minimize …; optimizer … }` to train it");
  if (!options.save.empty()) {
    if (absl::EndsWith(options.save, ".npz") || absl::EndsWith(options.save, ".npy")) {
      return ir::ErrorStatus(ir::ErrorKind::kNotSafetensors, options.save,
                             ": parameters are saved as safetensors; call the file .safetensors");
    }
    RETURN_IF_ERROR(runtime::CheckReplaceable(options.save));
  }
  if (options.epochs || options.steps) {
    program.epochs = options.epochs;
    program.steps = options.steps;
  }
  ASSIGN_OR_RETURN(const auto weights, LoadWeights(options.load, model));
  ASSIGN_OR_RETURN(const runtime::Dataset data, LoadData(model, DataOf::kTraining, options.data));
  runtime::Dataset validation;
  if (options.data.empty()) {  // --data replaces everything: nothing else is opened
    ASSIGN_OR_RETURN(validation, LoadData(model, DataOf::kValidation, ""));
  }
  ASSIGN_OR_RETURN(const runtime::TrainingPlan plan, runtime::PlanTraining(program, data));
  const bool validates = !validation.columns.empty();

  std::vector<runtime::EntryRequest> requests = {{frontend::Entry::kStep, 0}};
  if (validates) {
    for (const int64_t size : runtime::BatchSizes(validation)) requests.push_back({frontend::Entry::kEvaluate, size});
  }
  ASSIGN_OR_RETURN(runtime::Compiled compiled, CompileModel(options.model, model, requests));
  RETURN_IF_ERROR(runtime::CheckIndices(compiled.bounds, compiled.path, data));
  RETURN_IF_ERROR(runtime::CheckIndices(compiled.bounds, compiled.path, validation));
  const int64_t seed = SeedOf(options.model, model);
  RETURN_IF_ERROR(runtime::InitializeState(compiled.initialize, seed, weights, options.load, *compiled.executable));
  // A copy of the state, and another one as the bytes of the file: nobody wants to hear of them after hours of
  // training.
  if (!options.save.empty()) {
    RETURN_IF_ERROR(runtime::CheckMemory(ir::Size(compiled.executable->memory().state) * 2,
                                         absl::StrCat("saving to ", options.save, " after training")));
  }

  if (!options.model.json) {
    PrintHead(program, data, plan, compiled.seconds);
    std::printf("%s\n", DescribeMemory(compiled, data.bytes() + validation.bytes(),
                                       runtime::StagingBytes(*compiled.executable, compiled.entries.step, data))
                            .c_str());
    std::fflush(stdout);
  }

  runtime::Progress progress(/*enabled=*/true);
  nlohmann::json epochs = nlohmann::json::array();
  runtime::TrainCallbacks callbacks;
  callbacks.progress = [&](int64_t epoch, double fraction, const runtime::Averages& so_far, double rate) {
    progress.Update(fraction, absl::StrCat("epoch ", epoch, "  ", Describe(so_far), "   ",
                                           runtime::Grouped(static_cast<int64_t>(rate)), "/s"));
  };
  const int64_t all_epochs = (plan.total_steps + plan.steps_per_epoch - 1) / plan.steps_per_epoch;
  const int64_t stride = (all_epochs + kMostLines - 1) / kMostLines;
  callbacks.epoch = [&](const runtime::EpochReport& report) {
    progress.Clear();
    if (report.epoch % stride != 0 && report.epoch != 1 && report.epoch != all_epochs) return;
    if (!options.model.json) PrintEpoch(program, report, all_epochs);
    epochs.push_back({{"epoch", report.epoch},
                      {"step", report.step},
                      {"training", Json(report.training)},
                      {"validation", Json(report.validation)},
                      {"seconds", report.seconds},
                      {"examples_per_s", report.examples_per_second}});
  };
  interrupted = compiled.executable.get();
  std::signal(SIGINT, [](int) { interrupted->Stop(); });
  const absl::StatusOr<runtime::EpochReport> last = runtime::Train(
      program, compiled.entries, *compiled.executable, data, validates ? &validation : nullptr, seed, callbacks);
  std::signal(SIGINT, SIG_DFL);
  progress.Clear();
  // What was trained before an interruption is a whole number of steps, and worth keeping.
  if (!last.ok() && !absl::IsCancelled(last.status())) return last.status();
  if (!options.save.empty()) {
    runtime::SavedTensors saved;
    saved.tensors = compiled.executable->ReadAllState();
    saved.metadata = {{"program", program.name},
                      {"step", absl::StrCat(compiled.executable->step() / program.accumulate)}};
    if (data.vocabulary) saved.metadata.emplace(kVocabulary, data.vocabulary->Saved());
    RETURN_IF_ERROR(runtime::WriteSafetensors(options.save, saved));
    if (!options.model.json) std::printf("saved %s\n", options.save.c_str());
  }
  if (options.model.json) {
    const nlohmann::json result = {{"program", program.name},
                                   {"epochs", epochs},
                                   {"steps", compiled.executable->step()},
                                   {"compile_s", compiled.seconds},
                                   {"state_hash", runtime::StateHash(compiled.executable->ReadAllState())}};
    std::printf("%s\n", result.dump().c_str());
  }
  return last.status();
}

}  // namespace

void AddTrain(CLI::App& gradus, Action& action) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App* verb = gradus.add_subcommand("train", kAbout);
  AddProgramOptions(*verb, options->model);
  verb->add_option("--epochs", options->epochs, "Replaces the epochs or steps of the recipe")
      ->check(WholeNumber(1))
      ->type_name("N");
  verb->add_option("--steps", options->steps, "Replaces the epochs or steps of the recipe")
      ->check(WholeNumber(1))
      ->type_name("N");
  verb->add_option(
          "--data", options->data,
          "Take every input from the array of its name instead; nothing else is opened, so there is no validation")
      ->type_name("FILE.npz");
  AddText(*verb, options->model);
  verb->add_option("--load", options->load,
                   "Start from these parameters (.safetensors or .npz); what is not in there is initialised")
      ->type_name("FILE");
  verb->add_option("--save", options->save, "Save all parameters and state at the end, all or nothing")
      ->type_name("FILE.safetensors");
  AddSeed(*verb, options->model);
  AddCompileOptions(*verb, options->model);
  AddJson(*verb, options->model);
  verb->callback([options, &action] { action = [options] { return ExitCodeOf(Run(*options)); }; });
}

}  // namespace gradus::tools
