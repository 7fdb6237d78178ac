// The library's part of the reference, from its comments (frontend/library_docs.h) and from what the compiler makes of
// every function and layer.
#include <algorithm>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "frontend/library_docs.h"
#include "ir/check.h"
#include "tools/reference.h"
#include "tools/reference_example.h"
#include "tools/reference_plot.h"

namespace gradus::tools {
namespace {

using frontend::LibraryChapter;
using frontend::LibraryDefinition;

// What a chapter is about decides what is shown beside text and source.
enum class Kind { kFunctions, kInitializers, kOptimizers, kSchedules };

Kind KindOf(const LibraryChapter& chapter) {
  if (chapter.file == "init") return Kind::kInitializers;
  if (chapter.file == "optim") return Kind::kOptimizers;
  return chapter.file == "schedule" ? Kind::kSchedules : Kind::kFunctions;
}

// The statements that show a definition: its own example, else the first argument over points that hold every usual
// kink, and zeros for the others.
std::string Statements(const LibraryDefinition& definition, Kind kind) {
  if (!definition.example.empty()) return definition.example;
  if (kind == Kind::kInitializers) return absl::StrCat("param w : float[2,3] = ", definition.name, "\n");
  std::string inputs;
  std::vector<std::string> names;
  for (const frontend::LibraryParameter& parameter : definition.parameters) {
    if (!parameter.default_text.empty()) continue;
    absl::StrAppend(&inputs, "input ", parameter.name,
                    " : float[7] = ", names.empty() ? "[-6, -3, -1, 0, 1, 3, 6]" : "zeros", "\n");
    names.push_back(parameter.name);
  }
  const std::string result = std::count(names.begin(), names.end(), "y") > 0 ? "z" : "y";
  return absl::StrCat(inputs, result, " = ", definition.name, "(", absl::StrJoin(names, ", "), ")\n");
}

// What the first optimizers' arguments are where they have no default.
std::string OptimizerCall(const LibraryDefinition& definition) {
  std::vector<std::string> arguments;
  for (size_t i = 1; i < definition.parameters.size(); ++i) {
    const frontend::LibraryParameter& parameter = definition.parameters[i];
    if (parameter.default_text.empty()) arguments.push_back(absl::StrCat(parameter.name, "=0.1"));
  }
  return absl::StrCat(definition.name, "(", absl::StrJoin(arguments, ", "), ")");
}

// Null where nobody wrote an example and the usual arguments do not suit the function.
std::unique_ptr<Example> TryExample(const LibraryDefinition& definition, const std::string& statements, bool gradient) {
  ExampleOptions options;
  options.gradient = gradient;
  absl::StatusOr<Example> example = WorkOut(statements, options);
  CHECK(example.ok() || definition.example.empty()) << "the example of " << definition.name << ": " << example.status();
  return example.ok() ? std::make_unique<Example>(*std::move(example)) : nullptr;
}

std::string Joined(const Example& example) {
  auto numbers = example.inputs;
  numbers.insert(numbers.end(), example.results.begin(), example.results.end());
  numbers.insert(numbers.end(), example.gradients.begin(), example.gradients.end());
  return NumberTable(numbers);
}

std::string FunctionText(const LibraryDefinition& definition) {
  const std::string statements = Statements(definition, Kind::kFunctions);
  const auto example = TryExample(definition, statements, true);
  if (example == nullptr) return "";
  std::string text =
      IsPlotted(statements, *example)
          ? absl::StrCat("![", definition.name, " and its derivative](plots/", definition.name, ".svg)\n\n")
          : std::string();
  absl::StrAppend(&text, "For example:\n\n", CodeBlock(statements));
  if (!example->forward.empty()) absl::StrAppend(&text, "becomes\n\n", CodeBlock(example->forward));
  if (!example->backward.empty()) {
    absl::StrAppend(&text, "and its gradient, where `g` is the one that comes in,\n\n", CodeBlock(example->backward));
  }
  return absl::StrCat(text, example->backward.empty() ? "In numbers:\n\n" : "In numbers, for g = 1:\n\n",
                      CodeBlock(Joined(*example)));
}

std::string InitializerText(const LibraryDefinition& definition) {
  const std::string statements = Statements(definition, Kind::kInitializers);
  const auto example = TryExample(definition, statements, false);
  if (example == nullptr) return "";
  return absl::StrCat("For example, with seed 1:\n\n", CodeBlock(statements), CodeBlock(Joined(*example)));
}

std::string OptimizerText(const LibraryDefinition& definition) {
  if (!definition.layer) {
    const auto example = definition.example.empty() ? nullptr : TryExample(definition, definition.example, false);
    if (example == nullptr) return "";
    return absl::StrCat("For example:\n\n", CodeBlock(definition.example), "becomes\n\n", CodeBlock(example->forward),
                        CodeBlock(Joined(*example)));
  }
  const std::string call = OptimizerCall(definition);
  const absl::StatusOr<std::string> update = UpdateOf(call);
  CHECK(update.ok()) << definition.name << ": " << update.status();
  const auto numbers = UpdatesOf(call, {1, 2, 3, 10, 100});
  CHECK(numbers.ok()) << definition.name << ": " << numbers.status();
  return absl::StrCat("`optimizer ", call, "` adds this to the step of a parameter `w : float[2]`:\n\n",
                      CodeBlock(*update), "In numbers, where the loss is |w|² / 2, so that the gradient is w:\n\n",
                      CodeBlock(NumberTable(*numbers)));
}

std::string ScheduleText(const LibraryDefinition& definition) {
  const std::string call(absl::StripAsciiWhitespace(definition.example.substr(definition.example.find('=') + 1)));
  const absl::StatusOr<std::vector<double>> rates = ScheduleValues(definition.example, kScheduleSteps);
  CHECK(rates.ok()) << definition.name << ": " << rates.status();
  std::vector<double> steps, values;
  for (const int64_t step : {1, 2, 10, 20, 21, 50, 100}) {
    steps.push_back(static_cast<double>(step));
    values.push_back((*rates)[step - 1]);
  }
  const auto vector = [](const std::vector<double>& numbers) {
    return ir::Tensor::Of<double>({static_cast<int64_t>(numbers.size())}, numbers);
  };
  return absl::StrCat("![", definition.name, " over ", kScheduleSteps, " steps](plots/", definition.name, ".svg)\n\n`",
                      call, "` in numbers:\n\n",
                      CodeBlock(NumberTable({{"step", vector(steps)}, {"rate", vector(values)}})));
}

std::string Text(const LibraryChapter& chapter, const LibraryDefinition& definition) {
  const Kind kind = KindOf(chapter);
  std::string text = absl::StrCat("`", definition.Signature(), "`", definition.layer ? ", a layer of `" : ", in `",
                                  chapter.file, ".gr`");
  if (definition.layer && kind != Kind::kOptimizers && !definition.apply.empty())
    absl::StrAppend(&text, "; an instance is called as `name(", absl::StrJoin(definition.apply, ", "), ")`");
  absl::StrAppend(&text, "\n\n", definition.doc, "\n\n");
  switch (kind) {
    case Kind::kFunctions:
      absl::StrAppend(&text, FunctionText(definition));
      break;
    case Kind::kInitializers:
      absl::StrAppend(&text, InitializerText(definition));
      break;
    case Kind::kOptimizers:
      absl::StrAppend(&text, OptimizerText(definition));
      break;
    case Kind::kSchedules:
      absl::StrAppend(&text, ScheduleText(definition));
      break;
  }
  return absl::StrCat(text, "Source:\n\n", CodeBlock(definition.source));
}

absl::optional<Plot> PlotOf(const LibraryChapter& chapter, const LibraryDefinition& definition) {
  if (KindOf(chapter) == Kind::kSchedules) {
    const absl::StatusOr<std::vector<double>> rates = ScheduleValues(definition.example, kScheduleSteps);
    CHECK(rates.ok()) << definition.name << ": " << rates.status();
    return PlotSchedule(definition.name, *rates);
  }
  if (KindOf(chapter) != Kind::kFunctions) return absl::nullopt;
  const std::string statements = Statements(definition, Kind::kFunctions);
  const auto example = TryExample(definition, statements, true);
  if (example == nullptr || !IsPlotted(statements, *example)) return absl::nullopt;
  const absl::StatusOr<Plot> plot = PlotFunction(definition.name, statements);
  CHECK(plot.ok()) << definition.name << ": " << plot.status();
  return *plot;
}

const std::vector<LibraryChapter>& Chapters() {
  static const auto& chapters = *new std::vector<LibraryChapter>(frontend::LibraryChapters());
  return chapters;
}

}  // namespace

std::vector<Topic> LibraryTopics() {
  std::vector<Topic> topics;
  for (const LibraryChapter& chapter : Chapters()) {
    for (const LibraryDefinition& definition : chapter.definitions) {
      topics.push_back({definition.name, chapter.title, [&] { return Text(chapter, definition); },
                        absl::StrCat("library.md#", definition.name), "", [&] { return PlotOf(chapter, definition); }});
    }
  }
  return topics;
}

std::string LibraryPage() {
  std::string text =
      "# The library\n\n"
      "Functions and layers written in the language itself, `frontend/lib/*.gr`, always in scope. This page is written "
      "from their comments and from what the compiler makes of them; a test keeps it so "
      "(`GRADUS_REWRITE=1 build/tests/tools_test` rewrites it), and `gradus help NAME` prints the same.\n";
  for (const LibraryChapter& chapter : Chapters()) {
    std::string sections, gallery;
    for (const LibraryDefinition& definition : chapter.definitions) {
      const std::string section = Text(chapter, definition);
      absl::StrAppend(&sections, "\n### ", definition.name, "\n\n", absl::StripTrailingAsciiWhitespace(section), "\n");
      const std::string plot = absl::StrCat("plots/", definition.name, ".svg");
      if (absl::StrContains(section, plot)) {
        absl::StrAppend(&gallery, "<a href=\"#", definition.name, "\"><img src=\"", plot, "\" width=\"200\" alt=\"",
                        definition.name, "\"></a>\n");
      }
    }
    absl::StrAppend(&text, "\n## ", chapter.title, "\n\n", chapter.doc, "\n\n",
                    absl::StrJoin(chapter.definitions, ", ",
                                  [](std::string* out, const LibraryDefinition& definition) {
                                    absl::StrAppend(out, "[", definition.name, "](#", definition.name, ")");
                                  }),
                    "\n", gallery.empty() ? "" : "\n", gallery, sections);
  }
  return text;
}

std::string CodeBlock(absl::string_view code) {
  if (code.empty()) return "";
  return absl::StrCat("```\n", absl::StripTrailingAsciiWhitespace(code), "\n```\n\n");
}

}  // namespace gradus::tools
