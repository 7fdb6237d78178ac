// gradus show: a program at any stage of the compiler.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "codegen/compile.h"
#include "frontend/locate.h"
#include "ir/check.h"
#include "ir/error.h"
#include "ir/printer.h"
#include "passes/memory_report.h"
#include "passes/plan.h"
#include "passes/saved.h"
#include "tools/model.h"
#include "tools/verb.h"

namespace gradus::tools {
namespace {

constexpr char kAbout[] =
    "Print a program at a stage of the compiler.\n"
    "\n"
    "Print what the compiler makes of a program, at one stage:\n"
    "\n"
    "  parsed      the model and its recipe as one graph, gradients still to be filled in\n"
    "  step        after backpropagation\n"
    "  simplified  after algebra; from here on no pass changes a bit of any result\n"
    "  fused       statements grouped into kernels, and why each joined another or did not\n"
    "  plan        ordered, every value with its place in the arena, and what is live at the peak\n"
    "  llvm, asm   the code\n"
    "\n"
    "  gradus show examples/mlp.gr --stage fused\n"
    "  gradus show examples/mlp.gr --stage plan --entry predict --threads 1\n"
    "  gradus show printed.gr --stage fused       a graph that was printed earlier\n";

struct ShowOptions {
  ModelOptions model;
  std::string stage = "plan", entry = "step";
};

std::string Describe(absl::Span<const passes::FusionDecision> decisions) {
  std::string text;
  for (const passes::FusionDecision& d : decisions) {
    absl::StrAppend(&text, d.statement, d.allowed ? " joins " : " does not join ", d.into, d.reason.empty() ? "" : ": ",
                    d.reason, "\n");
  }
  return text;
}

frontend::Entry EntryOf(const std::string& name) {
  if (name == "evaluate") return frontend::Entry::kEvaluate;
  if (name == "predict") return frontend::Entry::kPredict;
  return name == "initialize" ? frontend::Entry::kInitialize : frontend::Entry::kStep;
}

absl::StatusOr<ir::Graph> EntryGraph(const ShowOptions& options, const Model& model) {
  if (model.graph) return model.graph->Clone();
  if (!model.program.trains && (options.entry == "step" || options.entry == "evaluate")) {
    return ir::ErrorStatus(ir::ErrorKind::kNoRecipe, options.model.file, ": has no recipe, so there is no ",
                           options.entry, "; --entry predict shows the model");
  }
  return frontend::Lower(model.module, model.lower, EntryOf(options.entry));
}

absl::Status Run(const ShowOptions& options) {
  ASSIGN_OR_RETURN(const Model model, LoadModel(options.model));
  ASSIGN_OR_RETURN(ir::Graph graph, EntryGraph(options, model));
  const runtime::CompileOptions compile = CompileOptionsOf(options.model, model);
  std::vector<passes::FusionDecision> decisions;
  const bool code = options.stage == "llvm" || options.stage == "asm";
  if (options.stage != "parsed") {
    const auto reports = runtime::Transform(graph, compile, code ? "" : options.stage, &decisions);
    if (!reports.ok()) return model.graph ? reports.status() : frontend::Locate(model.module, reports.status());
    if (options.model.timings) {
      for (const auto& report : *reports)
        std::fprintf(stderr, "%9.3f ms  %s%s\n", report.seconds * 1e3, report.name.c_str(),
                     report.changed ? "" : " (changed nothing)");
    }
  }
  std::string text;
  if (!code) {
    text = ir::Print(graph);
  } else {
    const ir::Graph* const graphs[] = {&graph};
    ASSIGN_OR_RETURN(text, options.stage == "llvm" ? codegen::ShowLlvm(graphs) : codegen::ShowAssembly(graphs));
  }
  if (!code && options.stage != "parsed") text += AsComments(passes::ToString(passes::SavedForGradients(graph)));
  if (options.stage == "fused") text += AsComments(Describe(decisions));
  if (options.stage == "plan") text += AsComments(passes::ToString(passes::ReportMemory(graph)));
  std::fputs(text.c_str(), stdout);
  return absl::OkStatus();
}

}  // namespace

void AddShow(CLI::App& gradus, Action& action) {
  auto options = std::make_shared<ShowOptions>();
  CLI::App* verb = gradus.add_subcommand("show", kAbout);
  AddProgramOptions(*verb, options->model);
  verb->add_option("--stage", options->stage, "parsed, step, simplified, fused, plan, llvm or asm")
      ->check(CLI::IsMember({"parsed", "step", "simplified", "fused", "plan", "llvm", "asm"}))
      ->type_name("STAGE")
      ->capture_default_str();
  verb->add_option("--entry", options->entry, "step, evaluate, predict or initialize")
      ->check(CLI::IsMember({"step", "evaluate", "predict", "initialize"}))
      ->type_name("ENTRY")
      ->capture_default_str();
  AddCompileOptions(*verb, options->model);
  verb->callback([options, &action] { action = [options] { return ExitCodeOf(Run(*options)); }; });
}

}  // namespace gradus::tools
