// gradus predict: what a model puts out for every example; digits and other small pictures are drawn.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ir/check.h"
#include "ir/error.h"
#include "runtime/file.h"
#include "runtime/memory.h"
#include "runtime/npy.h"
#include "runtime/progress.h"
#include "runtime/safetensors.h"
#include "tools/draw.h"
#include "tools/model.h"
#include "tools/verb.h"

namespace gradus::tools {
namespace {

constexpr char kAbout[] =
    "The outputs of a model for every example.\n"
    "\n"
    "Compute the outputs of a model for every example of its validation data (or of its training data, or --data).\n"
    "\n"
    "  gradus predict examples/digits.gr --load weights.safetensors                  a few rows of each output\n"
    "  gradus predict examples/digits.gr --load weights.safetensors --out y.npy      all of them, into a file\n"
    "  gradus predict examples/digits.gr --load weights.safetensors --draw 8         pictures and what is read in them";

constexpr int64_t kRowsShown = 10;
constexpr int64_t kNumbersShown = 12;

struct PredictOptions {
  ModelOptions model;
  std::string data, load, out;
  int64_t draw = 0;
};

using Outputs = std::vector<std::pair<std::string, ir::Tensor>>;

std::string ElementText(const ir::Tensor& tensor, int64_t index) {
  return ir::Dispatch(tensor.type().element, [&](auto tag) -> std::string {
    using T = decltype(tag);
    const T value = tensor.data<T>()[index];
    if constexpr (std::is_floating_point_v<T>) return absl::StrFormat("%.5g", value);
    return absl::StrCat(value);
  });
}

void PrintRows(const std::string& name, const ir::Tensor& tensor) {
  std::printf("%s : %s\n", name.c_str(), ir::ToString(tensor.type()).c_str());
  const int64_t rows = tensor.type().shape[0], width = rows == 0 ? 0 : tensor.size() / rows;
  for (int64_t row = 0; row < std::min(rows, kRowsShown); ++row) {
    std::string line = absl::StrFormat("%6d  ", row);
    for (int64_t i = 0; i < std::min(width, kNumbersShown); ++i)
      absl::StrAppend(&line, " ", absl::StrFormat("%10s", ElementText(tensor, row * width + i)));
    std::printf("%s%s\n", line.c_str(), width > kNumbersShown ? " …" : "");
  }
  if (rows > kRowsShown)
    std::printf("     …  %s rows in all; --out FILE.npy writes them\n", runtime::Grouped(rows).c_str());
}

absl::Status WriteOutputs(const std::string& path, const Outputs& outputs) {
  if (absl::EndsWith(path, ".npy")) {
    if (outputs.size() != 1)
      return ir::ErrorStatus(ir::ErrorKind::kNotSafetensors, path, ": the model has ", outputs.size(),
                             " outputs; a .safetensors file holds them all");
    RETURN_IF_ERROR(runtime::CheckMemory(outputs[0].second.byte_size(), absl::StrCat("writing ", path)));
    return runtime::WriteFileAtomically(path, {runtime::SerializeNpy(outputs[0].second)});
  }
  runtime::SavedTensors saved;
  for (const auto& [name, tensor] : outputs) {
    RETURN_IF_ERROR(runtime::CheckMemory(tensor.byte_size(), absl::StrCat("writing ", path)));
    saved.tensors.emplace(name, tensor);
  }
  return runtime::WriteSafetensors(path, saved);
}

absl::Status Run(const PredictOptions& options) {
  ASSIGN_OR_RETURN(Model model, LoadProgramModel(options.model, "prediction"));
  if (model.program.outputs.empty())
    return ir::ErrorStatus(ir::ErrorKind::kNoOutput, options.model.file,
                           ": the model has no `output`, so there is nothing to predict");
  ASSIGN_OR_RETURN(const auto weights, LoadWeights(options.load, model));
  ASSIGN_OR_RETURN(runtime::Dataset data, LoadData(model, DataOf::kValidation, options.data));
  if (data.columns.empty()) {
    ASSIGN_OR_RETURN(data, LoadData(model, DataOf::kTraining, ""));
  }
  std::vector<runtime::EntryRequest> requests;
  for (const int64_t size : runtime::BatchSizes(data)) requests.push_back({frontend::Entry::kPredict, size});
  ASSIGN_OR_RETURN(const runtime::Compiled compiled, CompileModel(options.model, model, requests));
  RETURN_IF_ERROR(runtime::CheckIndices(compiled.bounds, compiled.path, data));
  RETURN_IF_ERROR(runtime::InitializeState(compiled.initialize, SeedOf(options.model, model), weights, options.load,
                                           *compiled.executable));
  runtime::Progress bar(/*enabled=*/true, std::chrono::milliseconds(1000));
  ASSIGN_OR_RETURN(const Outputs outputs, runtime::Predict(model.program, compiled.entries, *compiled.executable, data,
                                                           [&](double done) { bar.Update(done, "predicting"); }));
  bar.Clear();
  if (!options.out.empty()) RETURN_IF_ERROR(WriteOutputs(options.out, outputs));
  if (options.draw > 0) {
    ASSIGN_OR_RETURN(const std::string drawing, DrawPredictions(data, outputs[0].second, options.draw));
    std::fputs(drawing.c_str(), stdout);
  } else if (options.out.empty()) {
    for (const auto& [name, tensor] : outputs) PrintRows(name, tensor);
  }
  return absl::OkStatus();
}

}  // namespace

void AddPredict(CLI::App& gradus, Action& action) {
  auto options = std::make_shared<PredictOptions>();
  CLI::App* verb = gradus.add_subcommand("predict", kAbout);
  AddProgramOptions(*verb, options->model);
  verb->add_option("--load", options->load, "The parameters (.safetensors or .npz); without it initial ones")
      ->type_name("FILE");
  verb->add_option("--data", options->data,
                   "Take every input from the array of its name instead; no other data is opened")
      ->type_name("FILE.npz");
  verb->add_option("--out", options->out, "Write the outputs: .npy for one, .safetensors for several")
      ->type_name("FILE");
  verb->add_option("--draw", options->draw, "Draw N examples whose input is a picture, with the largest output of each")
      ->check(WholeNumber(1))
      ->type_name("N");
  AddSeed(*verb, options->model);
  AddCompileOptions(*verb, options->model);
  verb->callback([options, &action] { action = [options] { return ExitCodeOf(Run(*options)); }; });
}

}  // namespace gradus::tools
