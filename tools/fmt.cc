// gradus fmt: programs in their one form.
#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "frontend/format.h"
#include "frontend/source.h"
#include "ir/check.h"
#include "runtime/file.h"
#include "tools/verb.h"

namespace gradus::tools {
namespace {

constexpr char kAbout[] =
    "Format programs.\n"
    "\n"
    "Format programs in place; `fmt -` reads standard input and prints. Comments stay where they are.\n"
    "\n"
    "  gradus fmt examples/mlp.gr\n"
    "  gradus fmt --check examples/*.gr      say which ones are not formatted, change nothing, exit with 3\n"
    "  gradus fmt - < mlp.gr";

struct FmtOptions {
  std::vector<std::string> files;
  bool check = false;
};

absl::Status FormatStandardInput() {
  const std::string text((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
  ASSIGN_OR_RETURN(const auto source, frontend::SourceFile::Create("<standard input>", text));
  ASSIGN_OR_RETURN(const std::string formatted, frontend::Format(*source));
  std::fwrite(formatted.data(), 1, formatted.size(), stdout);
  return absl::OkStatus();
}

// Whether the file was (or has to be) changed.
absl::StatusOr<bool> FormatFile(const std::string& path, bool check) {
  ASSIGN_OR_RETURN(const std::string text, runtime::ReadFile(path));
  ASSIGN_OR_RETURN(const auto source, frontend::SourceFile::Create(path, text));
  ASSIGN_OR_RETURN(const std::string formatted, frontend::Format(*source));
  if (formatted == text) return false;
  if (!check) RETURN_IF_ERROR(runtime::WriteFileAtomically(path, {formatted}));
  return true;
}

int Run(const FmtOptions& options) {
  int code = kSuccess;
  for (const std::string& file : options.files) {
    if (file == "-") {
      if (const absl::Status status = FormatStandardInput(); !status.ok()) return Fail(status);
      continue;
    }
    const absl::StatusOr<bool> changed = FormatFile(file, options.check);
    if (!changed.ok()) {
      code = Fail(changed.status());
    } else if (*changed && options.check) {
      std::printf("%s is not formatted\n", file.c_str());
      if (code == kSuccess) code = kCheckFailed;
    }
  }
  return code;
}

}  // namespace

void AddFmt(CLI::App& gradus, Action& action) {
  auto options = std::make_shared<FmtOptions>();
  CLI::App* verb = gradus.add_subcommand("fmt", kAbout);
  verb->add_option("files", options->files, "Programs (.gr), or - for standard input")->required();
  verb->add_flag("--check", options->check, "Change nothing; say what is not formatted");
  verb->callback([options, &action] { action = [options] { return Run(*options); }; });
}

}  // namespace gradus::tools
