// gradus ops: the table of operations.
#include <cstdio>

#include "ir/op.h"
#include "tools/reference.h"
#include "tools/verb.h"

namespace gradus::tools {
namespace {

constexpr char kAbout[] =
    "The operations of the language.\n"
    "\n"
    "List every operation of the language with its meaning; --markdown prints the whole reference, formulas and\n"
    "derivatives included (docs/ops.md).\n"
    "\n"
    "  gradus ops\n"
    "  gradus ops --markdown";

int Run(bool markdown) {
  if (markdown) {
    std::fputs(OperationsPage().c_str(), stdout);
    return kSuccess;
  }
  for (const ir::OpInfo& op : ir::AllOps()) {
    if (op.family == ir::OpFamily::kSpecial) continue;
    std::printf("%-14s %-3s %s\n", std::string(op.mnemonic).c_str(), std::string(op.infix).c_str(),
                std::string(op.doc).c_str());
  }
  return kSuccess;
}

}  // namespace

void AddOps(CLI::App& gradus, Action& action) {
  auto markdown = std::make_shared<bool>(false);
  CLI::App* verb = gradus.add_subcommand("ops", kAbout);
  verb->add_flag("--markdown", *markdown, "The whole reference");
  verb->callback([markdown, &action] { action = [markdown] { return Run(*markdown); }; });
}

}  // namespace gradus::tools
