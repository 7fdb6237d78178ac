// The verbs of the `gradus` command. Each adds its subcommand to the parser, and, where it is the one that was called,
// leaves what is to be done in `action`.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "absl/status/status.h"

namespace gradus::tools {

// As the help of `gradus` documents them.
enum ExitCode : int {
  kSuccess = 0,
  kWrong = 1,        // the program or its data are wrong, or training failed
  kUsage = 2,        // the command line is wrong
  kCheckFailed = 3,  // a check does not hold, or `fmt --check` found something to format
};

using Action = std::function<int()>;

void AddTrain(CLI::App& gradus, Action& action);
void AddEval(CLI::App& gradus, Action& action);
void AddPredict(CLI::App& gradus, Action& action);
void AddSample(CLI::App& gradus, Action& action);
void AddGrad(CLI::App& gradus, Action& action);
void AddShow(CLI::App& gradus, Action& action);
void AddCheck(CLI::App& gradus, Action& action);
void AddFmt(CLI::App& gradus, Action& action);
void AddBench(CLI::App& gradus, Action& action);
void AddOps(CLI::App& gradus, Action& action);
void AddHelp(CLI::App& gradus, Action& action);

// Of a wrong command line: the sentence, which name may have been meant (or empty), and what lists the right ones;
// kUsage.
int Usage(const std::string& sentence, const std::string& nearest, const std::string& list);
// Prints the sentence of a failure on standard error; kWrong.
int Fail(const absl::Status& status);
// A failed Status becomes an exit code here, in the outermost function of a verb.
inline int ExitCodeOf(const absl::Status& status) { return status.ok() ? kSuccess : Fail(status); }

}  // namespace gradus::tools
