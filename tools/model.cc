#include "tools/model.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "frontend/read_graph.h"
#include "ir/check.h"
#include "ir/error.h"
#include "runtime/file.h"
#include "runtime/machine.h"
#include "runtime/npz.h"
#include "runtime/progress.h"
#include "runtime/safetensors.h"

namespace gradus::tools {
namespace {

constexpr auto kQuiet = std::chrono::milliseconds(1000);

const frontend::ast::Graph* FindGraph(const frontend::Module& module) {
  for (const frontend::ast::Definition& definition : module.program().definitions) {
    if (const auto* graph = definition.As<frontend::ast::Graph>()) return graph;
  }
  return nullptr;
}

void PrintTimings(const runtime::Compiled& compiled) {
  for (const runtime::StageTime& time : compiled.times)
    std::fprintf(stderr, "%9.3f ms  %s\n", time.seconds * 1e3, time.what.c_str());
  std::fprintf(stderr, "%9.3f ms  in all\n", compiled.seconds * 1e3);
}

}  // namespace

void AddProgramOptions(CLI::App& verb, ModelOptions& options) {
  verb.add_option("file", options.file, "The program (.gr)")->required();
  AddSet(verb, options);
}

void AddSet(CLI::App& verb, ModelOptions& options) {
  verb.add_option("--set", options.set,
                  "A size or attribute of the program, as in --set B=128; --set float=f64 computes in f64")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb.add_option("--model", options.name, "Which recipe or model, where the file has several")->type_name("NAME");
}

void AddCompileOptions(CLI::App& verb, ModelOptions& options) {
  verb.add_option("--threads", options.threads,
                  "Threads of a step; without it as many as the affinity mask and the control group allow. Results do "
                  "not depend on it")
      ->check(CLI::Range(1, 256))
      ->type_name("N");
  verb.add_option("--target", options.target,
                  "host, avx512, avx2 or baseline: which instructions may be used. Results do not depend on it")
      ->type_name("NAME");
  verb.add_option("--fuse", options.fuse,
                  "on, or off: every statement is a kernel of its own. Results do not depend on it")
      ->check(CLI::IsMember({"on", "off"}))
      ->type_name("on|off");
  verb.add_flag("--interpret", options.interpret,
                "Let the interpreter run the program: slow, and the definition of every result");
  verb.add_option("--bisect", options.bisect,
                  "Stop after the first N passes that change something, and interpret what is there: finds a pass that "
                  "is wrong")
      ->check(WholeNumber(0))
      ->type_name("N");
  verb.add_flag("--timings", options.timings, "Print how long each stage of the compiler took, on standard error");
}

CLI::Validator WholeNumber(int64_t low) {
  const auto check = [low](const std::string& text) -> std::string {
    int64_t value = 0;
    if (absl::SimpleAtoi(text, &value) && value >= low) return "";
    return absl::StrCat(text, " is no whole number from ", low, " to ", std::numeric_limits<int64_t>::max());
  };
  return CLI::Validator(check, "");
}

void AddSeed(CLI::App& verb, ModelOptions& options) {
  verb.add_option("--seed", options.seed,
                  "Replaces the seed of the program: initial values, shuffling, everything random")
      ->check(WholeNumber(0))
      ->type_name("N");
}

void AddText(CLI::App& verb, ModelOptions& options) {
  verb.add_option("--text", options.text, "The file that text(…) of the recipe reads, instead of those that it names")
      ->type_name("FILE");
}

void AddJson(CLI::App& verb, ModelOptions& options) {
  verb.add_flag("--json", options.json, "Print one JSON object instead of text");
}

absl::StatusOr<std::map<std::string, std::string>> ParseSet(const std::vector<std::string>& set) {
  std::map<std::string, std::string> values;
  for (const std::string& one : set) {
    const size_t equals = one.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == one.size()) {
      return ir::ErrorStatus(ir::ErrorKind::kSetValue, "--set ", one, ": expected NAME=VALUE, as in --set B=128");
    }
    if (!values.emplace(one.substr(0, equals), one.substr(equals + 1)).second) {
      return ir::ErrorStatus(ir::ErrorKind::kSetValue, "--set ", one, ": ", one.substr(0, equals), " is set twice");
    }
  }
  return values;
}

namespace {

// Every text(…) of the recipe cuts this file. Its vocabulary is its own, unless the recipe takes that of another one.
absl::Status ReplaceTexts(const std::string& file, frontend::Program& program) {
  const std::string path = std::filesystem::absolute(file).lexically_normal().string();
  int replaced = 0;
  for (std::vector<frontend::DataBinding>* bindings : {&program.data, &program.validate}) {
    for (frontend::DataBinding& binding : *bindings) {
      for (frontend::Source& source : binding.sources) {
        if (!source.text) continue;
        source.path = path;
        ++replaced;
      }
    }
  }
  if (replaced > 0) return absl::OkStatus();
  return ir::ErrorStatus(ir::ErrorKind::kCommandLine, "--text ", file, ": the recipe reads no text(…)");
}

}  // namespace

absl::StatusOr<Model> LoadModel(const ModelOptions& options) {
  Model model;
  ASSIGN_OR_RETURN(model.module, frontend::LoadProgram(options.file));
  ASSIGN_OR_RETURN(model.lower.set, ParseSet(options.set));
  model.lower.name = options.name;
  model.threads = options.threads > 0 ? options.threads : runtime::UsableThreads();
  if (options.threads > runtime::UsableThreads()) {
    std::fprintf(stderr, "gradus: warning: %lld threads on %lld processors take turns; fewer would be faster\n",
                 static_cast<long long>(options.threads), static_cast<long long>(runtime::UsableThreads()));
  }
  if (const frontend::ast::Graph* graph = FindGraph(model.module)) {
    if (model.module.program().definitions.size() != 1) {
      return ir::ErrorStatus(ir::ErrorKind::kOneGraph, options.file,
                             ": a file of a printed graph holds it and nothing else");
    }
    if (!options.set.empty())
      return ir::ErrorStatus(ir::ErrorKind::kSetValue, options.file,
                             ": a printed graph has its sizes written out; --set has nothing to set");
    frontend::Diagnostics diagnostics;
    model.graph = frontend::ReadGraph(*graph, diagnostics);
    RETURN_IF_ERROR(diagnostics.ToStatus());
    return model;
  }
  ASSIGN_OR_RETURN(model.program, frontend::Describe(model.module, model.lower));
  std::fputs(model.program.warnings.c_str(), stderr);
  if (!options.text.empty()) RETURN_IF_ERROR(ReplaceTexts(options.text, model.program));
  return model;
}

absl::StatusOr<Model> LoadProgramModel(const ModelOptions& options, absl::string_view what) {
  ASSIGN_OR_RETURN(Model model, LoadModel(options));
  if (model.graph)
    return ir::ErrorStatus(ir::ErrorKind::kPrintedGraph, options.file, ": is a printed graph; ", what,
                           " needs the program that it was printed from");
  return model;
}

runtime::CompileOptions CompileOptionsOf(const ModelOptions& options, const Model& model) {
  runtime::CompileOptions compile;
  compile.lower = model.lower;
  compile.target = options.target;
  compile.threads = model.threads;
  compile.fuse = options.fuse == "on";
  compile.interpret = options.interpret;
  compile.bisect = options.bisect;
  return compile;
}

absl::StatusOr<runtime::Compiled> CompileModel(const ModelOptions& options, const Model& model,
                                               absl::Span<const runtime::EntryRequest> requests) {
  runtime::CompileOptions compile = CompileOptionsOf(options, model);
  runtime::Progress progress(/*enabled=*/true, kQuiet);
  compile.progress = [&](absl::string_view doing) { progress.Update(-1, absl::StrCat("compiling ", doing)); };
  absl::StatusOr<runtime::Compiled> compiled = model.graph
                                                   ? runtime::CompileGraph(model.graph->Clone(), compile)
                                                   : runtime::Compile(model.module, model.program, requests, compile);
  progress.Clear();
  if (compiled.ok() && options.timings) PrintTimings(*compiled);
  return compiled;
}

absl::StatusOr<runtime::Dataset> LoadData(const Model& model, DataOf which, const std::string& npz) {
  if (!npz.empty()) return runtime::LoadDatasetFromNpz(model.program, npz);
  std::map<int64_t, frontend::Program> at_batch;
  const runtime::BindingsForBatch for_batch =
      [&](int64_t batch) -> absl::StatusOr<const std::vector<frontend::DataBinding>*> {
    if (!at_batch.contains(batch)) {
      ASSIGN_OR_RETURN(frontend::Program program,
                       frontend::Describe(model.module, runtime::AtBatch(model.lower, model.program, batch)));
      at_batch.emplace(batch, std::move(program));
    }
    const frontend::Program& program = at_batch.at(batch);
    return which == DataOf::kTraining ? &program.data : &program.validate;
  };
  runtime::Progress bar(/*enabled=*/true, kQuiet);
  return runtime::LoadDataset(
      model.program, which == DataOf::kTraining ? model.program.data : model.program.validate, model.module.directory,
      for_batch, [&](double done) { bar.Update(done, "loading data"); }, model.trained ? &*model.trained : nullptr);
}

absl::StatusOr<runtime::SavedTensors> LoadSaved(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string bytes, runtime::ReadFile(path));
  if (!absl::EndsWith(path, ".npz")) return runtime::ParseSafetensors(path, bytes);
  ASSIGN_OR_RETURN(auto arrays, runtime::ParseNpz(path, bytes));
  runtime::SavedTensors saved;
  for (auto& [name, tensor] : arrays) saved.tensors.emplace(name, std::move(tensor));
  return saved;
}

absl::StatusOr<std::map<std::string, ir::Tensor>> LoadWeights(const std::string& path, Model& model) {
  if (path.empty()) return std::map<std::string, ir::Tensor>();
  ASSIGN_OR_RETURN(runtime::SavedTensors saved, LoadSaved(path));
  if (const auto known = saved.metadata.find(kVocabulary); known != saved.metadata.end()) {
    ASSIGN_OR_RETURN(runtime::Vocabulary vocabulary, runtime::Vocabulary::Load(path, known->second));
    model.trained = runtime::TrainedVocabulary{std::move(vocabulary), path};
  }
  return std::move(saved.tensors);
}

int64_t SeedOf(const ModelOptions& options, const Model& model) { return options.seed.value_or(model.program.seed); }

// Four places, or three digits of what is very small or large.
std::string Number(double value) {
  const double magnitude = value < 0 ? -value : value;
  return magnitude == 0 || (magnitude >= 0.001 && magnitude < 1e6) ? absl::StrFormat("%.4f", value)
                                                                   : absl::StrFormat("%.2e", value);
}

std::string Describe(const runtime::Averages& averages) {
  std::string text;
  for (const auto& [name, value] : averages) absl::StrAppend(&text, text.empty() ? "" : "  ", name, " ", Number(value));
  return text;
}

std::string DescribeMemory(const runtime::Compiled& compiled, int64_t data_bytes, int64_t staging_bytes) {
  using runtime::HumanBytes;
  const runtime::MemoryUse use = compiled.executable->memory();
  std::string text = absl::StrCat("memory: arena ", HumanBytes(use.arena), " (", HumanBytes(use.state),
                                  " of it parameters and state), scratch ", HumanBytes(use.scratch), ", code ",
                                  HumanBytes(use.code), ", data ", HumanBytes(data_bytes));
  if (staging_bytes > 0) absl::StrAppend(&text, ", staging ", HumanBytes(staging_bytes));
  if (use.stacks > 0) absl::StrAppend(&text, ", stacks ", HumanBytes(use.stacks));
  return absl::StrCat(text, ", compiler ", HumanBytes(compiled.retained_bytes));
}

std::string AsComments(absl::string_view text) {
  std::string comments;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty()))
    absl::StrAppend(&comments, "# ", line, "\n");
  return comments;
}

}  // namespace gradus::tools
