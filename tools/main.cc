// gradus: the command. One file a verb; this one says what it is all about.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "frontend/suggest.h"
#include "ir/error.h"
#include "tools/verb.h"

namespace gradus::tools {
namespace {

constexpr char kAbout[] =
    "Gradus compiles the training step of a model - forward, gradient, update - from a text that people read\n"
    "to native code.\n"
    "\n"
    "  gradus train examples/digits.gr                           train, printing losses and metrics\n"
    "  gradus train examples/digits.gr --save w.safetensors      and save the parameters\n"
    "  gradus eval examples/digits.gr --load w.safetensors       losses and metrics of saved parameters\n"
    "  gradus predict examples/digits.gr --load w.safetensors    what the model puts out\n"
    "  gradus grad examples/textbook/regression.gr               the gradient, as statements\n"
    "  gradus show examples/mlp.gr --stage plan                  what the compiler makes of the step\n"
    "\n"
    "`gradus VERB --help` says more about each verb, and `gradus help NAME` what a name of the language means.\n";

constexpr char kFooter[] =
    "\n"
    "Exit codes:\n"
    "  0  all went well\n"
    "  1  the program or its data are wrong; the sentence on standard error says where\n"
    "  2  the command line is wrong\n"
    "  3  a check does not hold, or `fmt --check` found something to format\n";

// In the list of verbs each has the first line of what its own help begins with.
class Formatter : public CLI::Formatter {
 public:
  std::string make_subcommand(const CLI::App* verb) const override {
    const std::string about = verb->get_description();
    std::ostringstream out;
    CLI::detail::format_help(out, verb->get_display_name(true), about.substr(0, about.find('\n')), get_column_width());
    return out.str();
  }
};

std::vector<std::string> Verbs(const CLI::App& gradus) {
  std::vector<std::string> names;
  for (const CLI::App* verb : gradus.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(verb->get_name());
  }
  return names;
}

// What is wrong with the command line, in a sentence, and which word may have been meant.
int Explain(const CLI::App& gradus, const CLI::ParseError& error, int argc, char** argv) {
  const std::vector<CLI::App*> called = gradus.get_subcommands();
  if (called.empty()) {
    // Of `gradus tarin` the parser says only that a verb is missing.
    constexpr char kList[] = "`gradus --help` lists the verbs";
    if (argc < 2) return Usage("the command line has no verb", "", kList);
    return Usage(absl::StrCat(argv[1], argv[1][0] == '-' ? " is no option" : " is not a verb"),
                 frontend::Nearest(argv[1], Verbs(gradus)), kList);
  }
  const CLI::App& verb = *called[0];
  const std::string list = absl::StrCat("`gradus ", verb.get_name(), " --help` lists the options");
  if (error.get_name() == "ExtrasError") {
    const std::vector<std::string> extra = verb.remaining(true);
    // The value of an unknown option is unexpected, too.
    const auto dashed = std::find_if(extra.begin(), extra.end(), [](const std::string& e) { return e[0] == '-'; });
    std::string word = dashed != extra.end() ? *dashed : extra.empty() ? "" : extra[0];
    word = word.substr(0, word.find('='));
    std::vector<std::string> options;
    for (const CLI::Option* option : verb.get_options()) {
      for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
    }
    const bool option = word.rfind('-', 0) == 0;
    return Usage(option ? absl::StrCat(word, " is no option of ", verb.get_name())
                        : absl::StrCat(verb.get_name(), " takes no further ", word),
                 option ? frontend::Nearest(word, options) : "", list);
  }
  return Usage(error.what(), "", list);
}

int Main(int argc, char** argv) {
  CLI::App gradus(kAbout, "gradus");
  gradus.formatter(std::make_shared<Formatter>());
  gradus.footer(kFooter);
  gradus.require_subcommand(1);
  gradus.set_version_flag("--version", "gradus " GRADUS_VERSION);
  gradus.get_formatter()->column_width(30);
  Action action;
  AddTrain(gradus, action);
  AddEval(gradus, action);
  AddPredict(gradus, action);
  AddSample(gradus, action);
  AddGrad(gradus, action);
  AddShow(gradus, action);
  AddCheck(gradus, action);
  AddFmt(gradus, action);
  AddBench(gradus, action);
  AddOps(gradus, action);
  AddHelp(gradus, action);
  // The parser of the command line is the one part that throws.
  try {
    gradus.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return Explain(gradus, error, argc, argv);
    gradus.exit(error);  // the help that was asked for
    return kSuccess;
  }
  return action();
}

}  // namespace

int Usage(const std::string& sentence, const std::string& nearest, const std::string& list) {
  std::fprintf(stderr, "gradus: %s\n   help: %s%s\n", ir::WithKind(ir::ErrorKind::kCommandLine, sentence).c_str(),
               nearest.empty() ? "" : absl::StrCat("did you mean ", nearest, "? ").c_str(), list.c_str());
  return kUsage;
}

int Fail(const absl::Status& status) {
  std::string message(status.message());
  if (message.empty() || message.back() != '\n') message.push_back('\n');
  // A rendered diagnostic carries its place; a sentence alone says who speaks.
  if (message.find(": error: ") == std::string::npos) message = "gradus: " + message;
  std::fflush(stdout);
  std::fputs(message.c_str(), stderr);
  return kWrong;
}

}  // namespace gradus::tools

int main(int argc, char** argv) { return gradus::tools::Main(argc, argv); }
