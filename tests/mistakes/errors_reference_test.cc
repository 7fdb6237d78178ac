// docs/errors.md: every kind of error with its cause, what a case of the tests really printed, and its fix.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "ir/error.h"
#include "tests/golden.h"
#include "tests/tools/command.h"

namespace gradus {
namespace {

// One message with the lines that belong to it.
struct Message {
  std::string text;  // `cannot multiply …`
  std::string block;
  std::string file;
  int rank = 0;  // how good an example it is; least is best
};

// The folders of cases, the best examples first.
const char* const kFolders[] = {"tests/mistakes/cases", "tests/mistakes/others", "tests/frontend/errors/lower",
                                "tests/frontend/errors"};

// What no case of a second and of every machine can show.
const std::set<std::string> kNotShown = {
    "source-limit",     // a file of 256 MiB
    "statement-limit",  // a program of a million statements
    "random-key",       // two names of one hash
    "arena-limit",      // tensors beyond number
    "gradient-limit",   // 200,000 statements
    "memory-limit",     // says how much memory the machine has
    "thread-limit",     // and how many processors
    "target-not-here",  // needs a machine without the instructions
};

std::string KindOf(absl::string_view line) {
  const size_t open = line.rfind(" [");
  if (open == absl::string_view::npos || !absl::EndsWith(line, "]")) return "";
  return std::string(line.substr(open + 2, line.size() - open - 3));
}

bool BeginsMessage(const std::string& line) {
  return absl::StartsWith(line, "gradus: ") || absl::StartsWith(line, "error: ") ||
         ((absl::StrContains(line, ": error: ") || absl::StrContains(line, ": warning: ") ||
           absl::StrContains(line, ": note: ")) &&
          !absl::StartsWith(line, " "));
}

std::map<std::string, std::vector<Message>> MessagesByKind(std::vector<std::string>& without) {
  std::map<std::string, std::vector<Message>> messages;
  int folder_rank = 0;
  for (const char* folder : kFolders) {
    std::set<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(absl::StrCat(GRADUS_SOURCE_DIR, "/", folder))) {
      if (entry.path().extension() == ".txt") files.insert(entry.path());
    }
    for (const auto& path : files) {
      Message* last = nullptr;
      const std::string printed = tools::Slurp(path);
      for (const absl::string_view view : absl::StrSplit(printed, '\n')) {
        const std::string line(view);
        if (BeginsMessage(line)) {
          const std::string kind = KindOf(line);
          if (kind.empty()) without.push_back(absl::StrCat(path.filename().string(), ": ", line));
          size_t begin = 8;  // behind `gradus: `
          for (const absl::string_view severity : {"note: ", "warning: ", "error: "}) {
            const size_t found = line.find(std::string(severity));
            if (found != std::string::npos) begin = found + severity.size();
          }
          const std::string text = line.substr(begin);
          const std::string stem = absl::StrReplaceAll(path.stem().string(), {{"_", "-"}});
          messages[kind].push_back(
              {text.substr(0, text.rfind(" [")), "", path.filename(), stem == kind ? -1 : folder_rank});
          last = &messages[kind].back();
        }
        if (last != nullptr && !line.empty() && !absl::StartsWith(line, "… and")) {
          absl::StrAppend(&last->block, line, "\n");
        }
      }
    }
    ++folder_rank;
  }
  return messages;
}

std::string Anchor(absl::string_view section) {
  return absl::AsciiStrToLower(absl::StrReplaceAll(section, {{" ", "-"}, {",", ""}}));
}

TEST(ErrorsReferenceTest, EveryMessageOfATestHasAKindAndEveryKindAnExample) {
  std::vector<std::string> without;
  const auto messages = MessagesByKind(without);
  EXPECT_TRUE(without.empty()) << absl::StrJoin(without, "\n");
  std::set<std::string> kinds, distinct;
  std::string page =
      "# Errors\n\nEvery message of Gradus ends in the name of its kind, as in `[unknown-name]`. This page says of "
      "each kind what is wrong, what\n"
      "it looks like, and what to do. It is written from `ir/errors.def` and from what the tests print; "
      "`GRADUS_REWRITE=1\n"
      "build/tests/mistakes_test` rewrites it.\n\n";
  absl::string_view section;
  for (const ir::ErrorInfo& info : ir::AllErrors()) {
    if (info.section != section) absl::StrAppend(&page, "- [", info.section, "](#", Anchor(info.section), ")\n");
    section = info.section;
  }
  section = "";
  for (const ir::ErrorInfo& info : ir::AllErrors()) {
    kinds.insert(info.name);
    if (info.section != section) absl::StrAppend(&page, "\n## ", info.section, "\n");
    section = info.section;
    const auto found = messages.find(info.name);
    if (found == messages.end() && kNotShown.contains(info.name)) {
      absl::StrAppend(&page, "\n### `", info.name, "`\n\n", info.cause, "\n\n**Fix.** ", info.fix, "\n");
      continue;
    }
    if (found == messages.end()) {
      ADD_FAILURE() << "no case shows [" << info.name << "]";
      continue;
    }
    const Message* best = &found->second[0];
    for (const Message& message : found->second) {
      if (message.rank < best->rank) best = &message;
    }
    absl::StrAppend(&page, "\n### `", info.name, "`\n\n", info.cause, "\n\n```\n", best->block, "```\n\n**Fix.** ",
                    info.fix, "\n");
    std::set<std::string> others;
    for (const Message& message : found->second) {
      distinct.insert(message.text);
      if (message.text != best->text) others.insert(message.text);
    }
    if (!others.empty()) absl::StrAppend(&page, "\nOther messages of this kind:\n\n");
    for (const std::string& text : others) absl::StrAppend(&page, "- ", text, "\n");
  }
  for (const auto& [kind, all] : messages) {
    EXPECT_TRUE(kinds.contains(kind)) << kind << " is no kind: " << all[0].block;
  }
  EXPECT_GE(distinct.size(), 120u) << "distinct messages";
  testing_support::ExpectGolden("docs/errors.md", page);
}

// Who makes a failed status of a string gives it no kind. Left are those that no text can cause.
TEST(ErrorsReferenceTest, EverySiteOfAnErrorNamesItsKind) {
  const std::set<std::string> allowed = {
      "ir/interpreter.cc",        // of a caller that binds too little
      "frontend/diagnostics.cc",  // of what is rendered, kinds included
      "passes/backprop.cc",       // of lines that have theirs
      "codegen/compile.cc",       // of a caller that did not plan
      "codegen/emit_entry.cc",    // the same
  };
  for (const char* folder : {"ir", "frontend", "passes", "codegen", "runtime", "tools"}) {
    for (const auto& entry : std::filesystem::directory_iterator(absl::StrCat(GRADUS_SOURCE_DIR, "/", folder))) {
      const std::string path = absl::StrCat(folder, "/", entry.path().filename().string());
      if (allowed.contains(path)) continue;
      const std::string text = tools::Slurp(entry.path());
      for (const char* maker : {"InvalidArgumentError(", "UnimplementedError(", "NotFoundError(", "OutOfRangeError(",
                                "FailedPreconditionError(", "ResourceExhaustedError(", "UnknownError("}) {
        EXPECT_FALSE(absl::StrContains(text, absl::StrCat("absl::", maker)))
            << path << " makes a status without a kind: use ir::ErrorStatus (ir/error.h)";
      }
    }
  }
}

}  // namespace
}  // namespace gradus
