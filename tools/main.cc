// gradus: the command. One file a verb; this one says what it is all about.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "frontend/suggest.h"
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
  std::vector<std::string> verbs;
  for (const CLI::App* verb : gradus.get_subcommands([](const CLI::App*) { return true; })) {
    verbs.push_back(verb->get_name());
  }
  return verbs;
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
  } catch (const CLI::RequiredError& error) {
    // Of `gradus tarin` the library says only that a verb is missing.
    const std::vector<std::string> verbs = Verbs(gradus);
    if (argc > 1 && argv[1][0] != '-' && std::count(verbs.begin(), verbs.end(), argv[1]) == 0) {
      const std::string nearest = frontend::Nearest(argv[1], verbs);
      std::fprintf(stderr, "gradus: %s is not a verb%s `gradus --help` lists them\n", argv[1],
                   nearest.empty() ? ";" : absl::StrCat(": did you mean ", nearest, "?").c_str());
      return kUsage;
    }
    return gradus.exit(error) == 0 ? kSuccess : kUsage;
  } catch (const CLI::ParseError& error) {
    return gradus.exit(error) == 0 ? kSuccess : kUsage;
  }
  return action();
}

}  // namespace

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

int main(int argc, char** argv) {
  // What was refused in time never comes here; the rest ends with a sentence too, and allocates nothing for it.
  std::set_new_handler([] {
    constexpr char kSentence[] = "gradus: out of memory: the machine or a limit of this process gives no more\n";
    const auto written = write(STDERR_FILENO, kSentence, sizeof(kSentence) - 1);
    (void)written;
    _exit(gradus::tools::kWrong);
  });
  return gradus::tools::Main(argc, argv);
}
