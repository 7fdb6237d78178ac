// gradus grad: the training step, printed: what backpropagation is, line by line.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "frontend/locate.h"
#include "ir/check.h"
#include "ir/error.h"
#include "ir/printer.h"
#include "passes/saved.h"
#include "tools/model.h"
#include "tools/verb.h"

namespace gradus::tools {
namespace {

constexpr char kAbout[] =
    "Print the training step, gradient and all.\n"
    "\n"
    "Print the training step of a recipe: forward, backward and update as statements of the same language, as\n"
    "backpropagation writes them. The adjoint of h is d.h; what stands behind | says which line of the program a\n"
    "statement comes from.\n"
    "\n"
    "  gradus grad examples/textbook/regression.gr\n"
    "  gradus grad examples/digits.gr --section backward\n"
    "  gradus grad examples/digits.gr --simplified        as the later passes make it shorter\n"
    "\n"
    "What is printed is a program: `gradus show` and `gradus bench` take it back.";

struct GradOptions {
  ModelOptions model;
  std::string section;
  bool simplified = false;
};

// The lines of one section of a printed graph.
std::string SectionOf(const std::string& text, const std::string& section) {
  std::string out;
  bool inside = false;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    absl::string_view name = line;
    if (absl::ConsumePrefix(&name, "section ")) {
      inside = name == section;
    } else if (inside && line != "}" && !line.empty() && line[0] != '#') {
      absl::StrAppend(&out, line, "\n");
    }
  }
  return out;
}

absl::Status Run(const GradOptions& options) {
  ASSIGN_OR_RETURN(const Model model, LoadProgramModel(options.model, "the gradient"));
  if (!model.program.trains)
    return ir::ErrorStatus(ir::ErrorKind::kNoRecipe, options.model.file, ": has no recipe: `train ",
                           model.program.model, " { minimize … }` says what to differentiate");
  ASSIGN_OR_RETURN(ir::Graph step, frontend::Lower(model.module, model.lower, frontend::Entry::kStep));
  const absl::string_view stage = options.simplified ? "simplified" : "step";
  const auto reports = runtime::Transform(step, CompileOptionsOf(options.model, model), std::string(stage));
  RETURN_IF_ERROR(frontend::Locate(model.module, reports.status()));
  const std::string text = absl::StrCat(ir::Print(step), AsComments(passes::ToString(passes::SavedForGradients(step))));
  std::fputs((options.section.empty() ? text : SectionOf(text, options.section)).c_str(), stdout);
  return absl::OkStatus();
}

}  // namespace

void AddGrad(CLI::App& gradus, Action& action) {
  auto options = std::make_shared<GradOptions>();
  CLI::App* verb = gradus.add_subcommand("grad", kAbout);
  AddProgramOptions(*verb, options->model);
  verb->add_option("--section", options->section, "Only one section")
      ->check(CLI::IsMember({"forward", "backward", "update"}))
      ->type_name("forward|backward|update");
  verb->add_flag("--simplified", options->simplified,
                 "After the passes that make it shorter: equal things joined, constants folded");
  verb->callback([options, &action] { action = [options] { return ExitCodeOf(Run(*options)); }; });
}

}  // namespace gradus::tools
