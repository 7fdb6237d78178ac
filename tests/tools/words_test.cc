// The pages on the language: every word has its section, and every example is a program that parses.
#include <gmock/gmock.h>

#include <regex>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "frontend/builtins.h"
#include "frontend/lexer.h"
#include "frontend/lower.h"
#include "frontend/parser.h"
#include "frontend/program.h"
#include "tests/tools/command.h"

namespace gradus::tools {
namespace {

std::string Page(const std::string& path) { return Slurp(absl::StrCat(GRADUS_SOURCE_DIR, "/", path)); }

// The blocks of code of a page.
std::vector<std::string> Blocks(const std::string& page) {
  std::vector<std::string> blocks;
  bool inside = false;
  for (absl::string_view line : absl::StrSplit(page, '\n')) {
    if (line.substr(0, 3) == "```") {
      inside = !inside;
      if (inside) blocks.emplace_back();
    } else if (inside) {
      absl::StrAppend(&blocks.back(), line, "\n");
    }
  }
  return blocks;
}

// An example as a whole program: it is one, or definitions of one, or the statements of a model. Empty: none of these.
std::string ProgramOf(const std::string& code) {
  for (const std::string& program : {code, "model example {\n" + code + "\nlast = 1.0\noutput last\n}\n"}) {
    const auto source = frontend::SourceFile::Create("example.gr", program);
    if (source.ok() && frontend::Parse(*source).ok()) return program;
  }
  return "";
}

bool ParsesAsItems(const std::string& code) {
  const auto source = frontend::SourceFile::Create("example.gr", "train m {\n" + code + "\n}\n");
  return source.ok() && frontend::Parse(*source).ok();
}

std::set<std::string> Sections(const std::string& page) {
  std::set<std::string> names;
  for (absl::string_view line : absl::StrSplit(page, '\n')) {
    if (line.substr(0, 4) == "### ") names.emplace(line.substr(4));
  }
  return names;
}

TEST(WordsTest, EveryWordOfTheGrammarHasASection) {
  std::set<std::string> known = Sections(Page("docs/reference/words.md"));
  EXPECT_GT(known.size(), 60u);
  for (const std::string& name : Sections(Page("docs/ops.md"))) known.insert(name);
  const std::string grammar = Page("frontend/grammar.ebnf");
  const std::regex quoted(R"re("([a-zA-Z][a-zA-Z0-9]*)")re");
  std::set<std::string> words;
  for (std::sregex_iterator at(grammar.begin(), grammar.end(), quoted), end; at != end; ++at) words.insert((*at)[1]);
  EXPECT_TRUE(words.contains("minimize") && words.contains("until"));
  for (const std::string& name : frontend::BuiltinNames()) words.insert(name);
  for (const std::string& word : words) EXPECT_TRUE(known.contains(word)) << word << " has no section";
  // And no section is about a word that is none.
  for (const std::string& word : Sections(Page("docs/reference/words.md"))) {
    EXPECT_TRUE(words.contains(word) || frontend::IsReserved(word) || word == "shape" || word == "type" || word == "T")
        << word;
  }
}

TEST(WordsTest, EveryExampleParses) {
  for (const char* path : {"docs/reference/words.md", "docs/reference/grammar.md"}) {
    const std::vector<std::string> blocks = Blocks(Page(path));
    EXPECT_GT(blocks.size(), 10u) << path;
    for (const std::string& code : blocks) {
      if (code.find("{ } repeats") != std::string::npos) continue;  // the head of the grammar
      EXPECT_TRUE(!ProgramOf(code).empty() || ParsesAsItems(code)) << path << ":\n" << code;
    }
  }
}

TEST(WordsTest, TheExamplesOfWordsAreProgramsThatLower) {
  int programs = 0;
  for (const std::string& code : Blocks(Page("docs/reference/words.md"))) {
    std::string program = ProgramOf(code);
    if (program.empty()) continue;
    if (program.find("model ") == std::string::npos) program += "model m { output y = 1.0 }\n";
    const auto module = frontend::ParseProgram("example.gr", program);
    ASSERT_TRUE(module.ok()) << module.status();
    const auto graph = frontend::Lower(*module, {}, frontend::Entry::kPredict);
    EXPECT_TRUE(graph.ok()) << program << graph.status();
    ++programs;
  }
  EXPECT_GE(programs, 9);
}

TEST(WordsTest, TheWordsThatAreRefusedAreThoseThatSayIt) {
  // A section that says so is wrong as soon as the compiler takes the word.
  for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{{"bf16", "z : bf16[2] = bf16(x)"}}) {
    const auto module = frontend::ParseProgram("example.gr", "model m { input x : float[2]\n" + text + "\noutput x }");
    ASSERT_TRUE(module.ok()) << module.status();
    const auto graph = frontend::Lower(*module, {}, frontend::Entry::kPredict);
    EXPECT_FALSE(graph.ok()) << name << " is taken now: docs/reference/words.md says that it is refused";
  }
}

}  // namespace
}  // namespace gradus::tools
