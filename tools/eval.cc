// gradus eval: objectives and metrics over data, without training.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/error.h"
#include "runtime/progress.h"
#include "tools/model.h"
#include "tools/verb.h"

namespace gradus::tools {
namespace {

constexpr char kAbout[] =
    "Losses and metrics of saved parameters.\n"
    "\n"
    "Print the objectives and metrics of a recipe over its validation data, averaged over examples.\n"
    "\n"
    "  gradus eval examples/digits.gr --load weights.safetensors\n"
    "  gradus eval examples/digits.gr --load weights.safetensors --data other.npz";

struct EvalOptions {
  ModelOptions model;
  std::string data, load;
};

absl::Status Run(const EvalOptions& options) {
  ASSIGN_OR_RETURN(Model model, LoadProgramModel(options.model, "evaluation"));
  if (!model.program.trains)
    return ir::ErrorStatus(ir::ErrorKind::kNoRecipe, options.model.file, ": has no recipe that says what to evaluate");
  ASSIGN_OR_RETURN(const auto weights, LoadWeights(options.load, model));
  ASSIGN_OR_RETURN(runtime::Dataset data, LoadData(model, DataOf::kValidation, options.data));
  if (data.columns.empty()) {
    ASSIGN_OR_RETURN(data, LoadData(model, DataOf::kTraining, ""));
  }
  std::vector<runtime::EntryRequest> requests;
  for (const int64_t size : runtime::BatchSizes(data)) requests.push_back({frontend::Entry::kEvaluate, size});
  ASSIGN_OR_RETURN(const runtime::Compiled compiled, CompileModel(options.model, model, requests));
  RETURN_IF_ERROR(runtime::CheckIndices(compiled.bounds, compiled.path, data));
  RETURN_IF_ERROR(runtime::InitializeState(compiled.initialize, SeedOf(options.model, model), weights, options.load,
                                           *compiled.executable));
  runtime::Progress bar(/*enabled=*/true, std::chrono::milliseconds(1000));
  ASSIGN_OR_RETURN(const runtime::Averages averages,
                   runtime::Evaluate(model.program, compiled.entries, *compiled.executable, data,
                                     [&](double done) { bar.Update(done, "evaluating"); }));
  bar.Clear();
  if (!options.model.json) {
    std::printf("%s   over %s examples\n", Describe(averages).c_str(), runtime::Grouped(data.examples).c_str());
    return absl::OkStatus();
  }
  nlohmann::json result = {{"examples", data.examples}};
  for (const auto& [name, value] : averages) result[name] = value;
  std::printf("%s\n", result.dump().c_str());
  return absl::OkStatus();
}

}  // namespace

void AddEval(CLI::App& gradus, Action& action) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* verb = gradus.add_subcommand("eval", kAbout);
  AddProgramOptions(*verb, options->model);
  verb->add_option("--load", options->load, "The parameters (.safetensors or .npz)")->required()->type_name("FILE");
  verb->add_option("--data", options->data,
                   "Take every input from the array of its name instead; no other data is opened")
      ->type_name("FILE.npz");
  AddText(*verb, options->model);
  AddSeed(*verb, options->model);
  AddCompileOptions(*verb, options->model);
  AddJson(*verb, options->model);
  verb->callback([options, &action] { action = [options] { return ExitCodeOf(Run(*options)); }; });
}

}  // namespace gradus::tools
