// What most verbs share: the options about a model, and the way from a file to an executable.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "frontend/lower.h"
#include "frontend/program.h"
#include "runtime/compile.h"
#include "runtime/dataset.h"
#include "runtime/safetensors.h"

namespace gradus::tools {

struct ModelOptions {
  std::string file;
  std::string name;              // --model: of several recipes or models
  std::vector<std::string> set;  // B=128
  int64_t threads = 0;           // 0: what the machine allows
  absl::optional<int64_t> seed;
  std::string text;  // --text: the file that text(…) of a recipe cuts, instead of those that it names
  std::string target = "host";
  bool interpret = false;
  std::string fuse = "on";
  int64_t bisect = -1;
  bool timings = false;
  bool json = false;
};

// The file and --set, --model.
void AddProgramOptions(CLI::App& verb, ModelOptions& options);
// --set and --model alone.
void AddSet(CLI::App& verb, ModelOptions& options);
// --threads, --target, --fuse, --interpret, --bisect, --timings.
void AddCompileOptions(CLI::App& verb, ModelOptions& options);
// An integer of 64 bits that is at least `low`: CLI11 reads a longer one as another number.
CLI::Validator WholeNumber(int64_t low);
void AddSeed(CLI::App& verb, ModelOptions& options);
void AddJson(CLI::App& verb, ModelOptions& options);
void AddText(CLI::App& verb, ModelOptions& options);

// A file that was read: a program, or a graph that the compiler once printed.
struct Model {
  frontend::Module module;
  frontend::LowerOptions lower;
  frontend::Program program;        // of a program
  absl::optional<ir::Graph> graph;  // of a printed graph; then nothing of `program` is set
  int64_t threads = 1;
  absl::optional<runtime::TrainedVocabulary> trained;  // of loaded parameters
};

// `B=128` for each of --set.
absl::StatusOr<std::map<std::string, std::string>> ParseSet(const std::vector<std::string>& set);

absl::StatusOr<Model> LoadModel(const ModelOptions& options);
// The same, refusing a printed graph: `what` needs a program.
absl::StatusOr<Model> LoadProgramModel(const ModelOptions& options, absl::string_view what);

runtime::CompileOptions CompileOptionsOf(const ModelOptions& options, const Model& model);

// Compiles with progress on a terminal where it takes long; prints stage times where they are asked for.
absl::StatusOr<runtime::Compiled> CompileModel(const ModelOptions& options, const Model& model,
                                               absl::Span<const runtime::EntryRequest> requests);

// The data of a recipe, or of `npz` where that is given, which replaces every source.
enum class DataOf { kTraining, kValidation };
absl::StatusOr<runtime::Dataset> LoadData(const Model& model, DataOf which, const std::string& npz);

// Parameters from a .safetensors or .npz file, by name, and what a .safetensors file says beside them.
absl::StatusOr<runtime::SavedTensors> LoadSaved(const std::string& path);
// The parameters; where a vocabulary stands beside them, the texts of `model` are read with it from here on. None for
// an empty path.
absl::StatusOr<std::map<std::string, ir::Tensor>> LoadWeights(const std::string& path, Model& model);
// Where the vocabulary of a text stands in the metadata of saved parameters.
inline constexpr char kVocabulary[] = "vocabulary";

// The seed of the command line, or of the program.
int64_t SeedOf(const ModelOptions& options, const Model& model);

// A number of a report: `0.1234`, `1.23e-05`.
std::string Number(double value);
// `loss 0.1234  acc 0.9876`.
std::string Describe(const runtime::Averages& averages);

// `memory: state 1.2 MB, arena 3.4 MB, …`, on one line.
std::string DescribeMemory(const runtime::Compiled& compiled, int64_t data_bytes, int64_t staging_bytes);

// Remarks behind a graph, a line each: the text still parses.
std::string AsComments(absl::string_view text);

}  // namespace gradus::tools
