// gradus help: what a name means, in the words of the reference.
#include <algorithm>
#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/suggest.h"
#include "tools/reference.h"
#include "tools/terminal_text.h"
#include "tools/verb.h"

namespace gradus::tools {
namespace {

constexpr char kAbout[] =
    "Say what a name means.\n"
    "\n"
    "Print what the reference says of a name: an operation, a function, layer, optimizer or schedule of the library,\n"
    "a word of the language or of a recipe, a verb of this command, the kind of an error. Without a name, list what\n"
    "there is.\n"
    "\n"
    "  gradus help\n"
    "  gradus help gelu\n"
    "  gradus help minimize\n"
    "  gradus help '**'\n"
    "  gradus help --page library          a whole page of docs/, as Markdown\n"
    "  gradus help --plot gelu             the function and its derivative, as an SVG file";

struct HelpOptions {
  std::string name, page, plot;
};

std::vector<Topic> VerbTopics(const CLI::App& gradus) {
  std::vector<Topic> topics;
  for (const CLI::App* verb : gradus.get_subcommands([](const CLI::App*) { return true; })) {
    topics.push_back({verb->get_name(), "Verbs of the command",
                      [verb] {
                        std::string help = verb->help("gradus");
                        help.resize(std::min(help.size(), help.find("\n\nExit codes:")));
                        return CodeBlock(help);
                      },
                      absl::StrCat("../cli.md#gradus-", verb->get_name())});
  }
  return topics;
}

std::vector<Topic> AllTopics(const CLI::App& gradus) {
  std::vector<Topic> all = WordTopics();
  for (std::vector<Topic> topics : {OperationTopics(), LibraryTopics(), VerbTopics(gradus), ErrorTopics()}) {
    all.insert(all.end(), topics.begin(), topics.end());
  }
  return all;
}

int List(const std::vector<Topic>& topics) {
  const TerminalStyle style = StyleOfOutput();
  std::string text = "`gradus help NAME` says more about each of these.\n";
  std::vector<std::string> groups;
  for (const Topic& topic : topics) {
    if (std::count(groups.begin(), groups.end(), topic.group) == 0) groups.push_back(topic.group);
  }
  for (const std::string& group : groups) {
    std::vector<std::string> names;
    for (const Topic& topic : topics) {
      if (topic.group == group) names.push_back(topic.name);
    }
    absl::StrAppend(&text, "\n# ", group, "\n", absl::StrJoin(names, " "), "\n");
  }
  std::fputs(ForTerminal(text, style).c_str(), stdout);
  return kSuccess;
}

int Unknown(const std::string& name, const std::vector<Topic>& topics) {
  std::vector<std::string> names;
  for (const Topic& topic : topics) names.push_back(topic.name);
  const std::string nearest = frontend::Nearest(name, names);
  return Usage(absl::StrCat("the reference has no ", name), nearest, "`gradus help` lists what there is");
}

int Print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return kSuccess;
}

// A topic with its plot in place of the picture.
std::string OnTerminal(const Topic& topic, const TerminalStyle& style) {
  constexpr int kMostColumns = 76;
  std::string text = absl::StrCat("# ", topic.name, " (", topic.group, ")\n\n", topic.text(), "\n\n");
  const size_t picture = text.find("\n![");
  const auto plot = picture == std::string::npos || topic.plot == nullptr ? absl::nullopt : topic.plot();
  if (plot) {
    const int width = std::min(style.width - kCodeIndent, kMostColumns);
    text.replace(picture + 1, text.find('\n', picture + 1) - picture, CodeBlock(ToText(*plot, width, style.color)));
  }
  return ForTerminal(text, style);
}

int Plotted(const std::string& name, const std::vector<Topic>& topics) {
  for (const Topic& topic : topics) {
    if (topic.name != name || topic.plot == nullptr) continue;
    if (const auto plot = topic.plot()) return Print(ToSvg(*plot));
  }
  return Usage(absl::StrCat("there is no plot of ", name), "", "`gradus help NAME` prints what there is of it");
}

int Run(const CLI::App& gradus, const HelpOptions& options) {
  if (options.page == "operations") return Print(OperationsPage());
  if (options.page == "library") return Print(LibraryPage());
  if (options.page == "grammar") return Print(GrammarPage());
  const std::vector<Topic> topics = AllTopics(gradus);
  if (options.page == "index") return Print(IndexPage(topics));
  if (!options.plot.empty()) return Plotted(options.plot, topics);
  if (options.name.empty()) return List(topics);
  const TerminalStyle style = StyleOfOutput();
  std::string text;
  for (const Topic& topic : topics) {
    if (topic.name == options.name || (!topic.symbol.empty() && topic.symbol == options.name))
      absl::StrAppend(&text, text.empty() ? "" : "\n", OnTerminal(topic, style));
  }
  return text.empty() ? Unknown(options.name, topics) : Print(text);
}

}  // namespace

void AddHelp(CLI::App& gradus, Action& action) {
  auto options = std::make_shared<HelpOptions>();
  CLI::App* verb = gradus.add_subcommand("help", kAbout);
  verb->add_option("name", options->name, "What to look up");
  verb->add_option("--page", options->page, "A page of docs/ instead")
      ->check(CLI::IsMember({"operations", "library", "grammar", "index"}))
      ->type_name("operations|library|grammar|index");
  verb->add_option("--plot", options->plot, "The plot of a function or schedule instead, as SVG")->type_name("NAME");
  const CLI::App* all = &gradus;
  verb->callback([options, all, &action] { action = [options, all] { return Run(*all, *options); }; });
}

}  // namespace gradus::tools
