// The editor files know the words of the language, and colour every program of the repository as the lexer reads it.
#include <gmock/gmock.h>

#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "frontend/builtins.h"
#include "frontend/lexer.h"
#include "frontend/library_docs.h"
#include "frontend/parser.h"
#include "ir/op.h"
#include "tests/editors/textmate.h"
#include "tests/golden.h"

namespace gradus::testing_support {
namespace {

using nlohmann::ordered_json;

constexpr char kTextMate[] = "editors/vscode/syntaxes/gradus.tmLanguage.json";
constexpr char kVim[] = "editors/vim/syntax/gradus.vim";

std::string Slurp(const std::string& path) {
  std::ifstream in(absl::StrCat(GRADUS_SOURCE_DIR, "/", path));
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

using Words = std::vector<std::string>;

struct WordLists {
  Words control;       // reserved words that are no constant, operator or number
  Words types;         // and `like`
  Words declarations;  // words that begin a definition, a statement or an item, or stand in one, before a name
  Words operations, library, initializers;
};

WordLists Lists() {
  WordLists lists;
  std::set<std::string> quoted;
  const std::string grammar = Slurp("frontend/grammar.ebnf");
  const std::regex literal(R"re("([a-zA-Z][a-zA-Z0-9]*)")re");
  for (std::sregex_iterator at(grammar.begin(), grammar.end(), literal), end; at != end; ++at) quoted.insert((*at)[1]);
  const std::set<std::string> plain = {"true", "false", "none", "inf", "nan", "and", "or", "not"};
  // Reserved words of the lexer that the grammar has in its text alone are found by their name in it.
  for (const std::string& word : quoted) {
    if (plain.contains(word)) continue;
    if (frontend::IsReserved(word)) {
      lists.control.push_back(word);
    } else if (frontend::IsTypeName(word) || word == "like") {
      lists.types.push_back(word);
    } else if (word != "apply" && word != "vjp" && word != "barrier") {
      lists.declarations.push_back(word);
    }
  }
  std::set<std::string> operations;
  for (const std::string& name : frontend::BuiltinNames()) operations.insert(name);
  for (const char* word : {"step", "epoch", "training", "pi", "float", "and", "or", "not"}) operations.erase(word);
  lists.operations.assign(operations.begin(), operations.end());
  for (const frontend::LibraryChapter& chapter : frontend::LibraryChapters()) {
    for (const frontend::LibraryDefinition& definition : chapter.definitions) {
      const bool shaped = !definition.parameters.empty() && definition.parameters[0].name == "shape";
      (shaped && chapter.file == "init" && definition.name.rfind("fan_", 0) != 0 ? lists.initializers : lists.library)
          .push_back(definition.name);
    }
  }
  return lists;
}

std::string Choice(const Words& words, absl::string_view separator = "|") { return absl::StrJoin(words, separator); }

TEST(EditorsTest, TheTextMateGrammarHasTheWordsOfTheLanguage) {
  const WordLists lists = Lists();
  ordered_json grammar = ordered_json::parse(Slurp(kTextMate));
  ordered_json& rules = grammar["repository"];
  const auto set = [&](const char* rule, const Words& words, const char* after) {
    rules.at(rule)["match"] = absl::StrCat("\\b(?:", Choice(words), ")\\b", after);
  };
  set("reserved", lists.control, "");
  set("type", lists.types, "");
  // Two names side by side: no expression has that but around words such as `in`.
  set("declaration", lists.declarations, "(?=[ \\t]+[\"A-Za-z_0-9(\\[])(?![ \\t]+(?:in|and|or|if|else|for)\\b)");
  set("operation", lists.operations, "(?=\\()");
  set("library", lists.library, "(?=\\()");
  set("initializer", lists.initializers, "");
  ExpectGolden(kTextMate, grammar.dump(2) + "\n");
}

TEST(EditorsTest, TheVimSyntaxHasTheWordsOfTheLanguage) {
  const WordLists lists = Lists();
  const auto match = [](const Words& words, absl::string_view after) {
    return absl::StrCat(" \"\\<\\%(", Choice(words, "\\|"), "\\)", after, "\"");
  };
  const std::pair<std::string, std::string> generated[] = {
      {"syntax keyword gradusReserved", absl::StrCat(" ", Choice(lists.control, " "))},
      {"syntax keyword gradusType", absl::StrCat(" ", Choice(lists.types, " "))},
      {"syntax keyword gradusInitializer", absl::StrCat(" ", Choice(lists.initializers, " "))},
      {"syntax match gradusOperation", match(lists.operations, "\\ze(")},
      {"syntax match gradusLibrary", match(lists.library, "\\ze(")},
      {"syntax match gradusDeclaration",
       match(lists.declarations, "\\ze\\s\\+\\%(\\%(in\\|and\\|or\\|if\\|else\\|for\\)\\>\\)\\@![\\\"A-Za-z_0-9([]")}};
  std::set<std::string> done;
  std::vector<std::string> lines = absl::StrSplit(Slurp(kVim), '\n');
  for (std::string& line : lines) {
    for (const auto& [prefix, words] : generated) {
      // The first line of a group is the generated one.
      if (absl::StartsWith(line, prefix) && done.insert(prefix).second) line = absl::StrCat(prefix, words);
    }
  }
  EXPECT_EQ(done.size(), std::size(generated));
  ExpectGolden(kVim, absl::StrJoin(lines, "\n"));
}

TEST(EditorsTest, EveryReservedWordOfTheLexerIsInTheGrammar) {
  const Words control = Lists().control;
  for (const char* word :
       {"in", "if", "else", "for", "repeat", "scan", "cond", "while", "carry", "until", "next", "yield", "return"})
    EXPECT_THAT(control, testing::Contains(word));
  EXPECT_EQ(control.size(), 13u);
}

// What is wrong with the colours of a program, or nothing.
std::string Wrong(const TextMateGrammar& grammar, const frontend::SourceFile& source, const Words& declarations) {
  std::vector<std::vector<std::string>> scopes;
  for (int line = 1; line <= source.line_count(); ++line)
    scopes.push_back(grammar.Scopes(std::string(source.Line(line))));
  frontend::Diagnostics diagnostics;
  const frontend::TokenizedFile file = frontend::Tokenize(source, diagnostics);
  const auto expect = [&](frontend::SourceRange range, absl::string_view scope, bool is = true) {
    const int line = range.start().line;
    for (int32_t at = range.begin; at < range.end; ++at) {
      const std::string& found = scopes[line - 1][at - source.LineStart(line)];
      if (absl::StartsWith(found, scope) != is)
        return absl::StrCat(frontend::ToString(range), ": `", range.text(), "` is ", found.empty() ? "plain" : found,
                            is ? ", expected " : ", not expected ", scope, "\n");
    }
    return std::string();
  };
  std::string wrong;
  for (const frontend::SourceRange& comment : file.comments) wrong += expect(comment, "comment.line");
  const std::set<std::string> constants = {"true", "false", "none"}, operators = {"and", "or", "not"};
  const std::set<std::string> inside = {"wrt",  "every",   "as",         "tol",     "vjp",       "apply",
                                        "axis", "reverse", "checkpoint", "capture", "recompute", "length"};
  int depth = 0;
  for (size_t i = 0; i + 1 < file.tokens.size(); ++i) {
    const frontend::Token& token = file.tokens[i];
    const std::string text(token.text);
    if (text == "(" || text == "[") ++depth;
    if (text == ")" || text == "]") --depth;
    switch (token.kind) {
      case frontend::TokenKind::kString:
        wrong += expect(token.range, "string.");
        break;
      case frontend::TokenKind::kInteger:
      case frontend::TokenKind::kFloat:
        wrong += expect(token.range, "constant.numeric");
        break;
      case frontend::TokenKind::kNote:
        wrong += expect(token.range, "comment.line.note");
        break;
      case frontend::TokenKind::kName: {
        const frontend::Token& next = file.tokens[i + 1];
        const bool argument = next.text == "=" && next.range.begin == token.range.end;
        const std::string before(i == 0 ? "" : file.tokens[i - 1].text);
        const bool begins = (token.starts_line || before == "{" || before == ";") && depth == 0;
        const bool operand = next.kind == frontend::TokenKind::kString || next.kind == frontend::TokenKind::kInteger ||
                             next.kind == frontend::TokenKind::kFloat ||
                             (next.kind == frontend::TokenKind::kName && !frontend::IsReserved(next.text)) ||
                             (next.text == "none" && !next.starts_line);
        const bool declares = std::count(declarations.begin(), declarations.end(), text) > 0;
        if (before == ".") break;  // the name of a member, or a part of a pattern
        if (constants.contains(text)) {
          wrong += expect(token.range, "constant.language");
        } else if (operators.contains(text)) {
          wrong += expect(token.range, "keyword.operator.word");
        } else if (frontend::IsReserved(text)) {
          wrong += expect(token.range, "keyword.control");
        } else if (argument) {
          wrong += expect(token.range, "variable.parameter");
        } else if (frontend::IsTypeName(text)) {
          wrong += expect(token.range, "storage.type");
        } else if (begins && declares && operand && !next.starts_line) {
          wrong += expect(token.range, "keyword.declaration");
        } else {
          for (const char* scope : {"keyword.control", "string", "comment", "constant.numeric", "storage.type"})
            if (text != "like") wrong += expect(token.range, scope, false);
          if (!inside.contains(text) && text != "barrier") wrong += expect(token.range, "keyword.declaration", false);
        }
        break;
      }
      default:
        for (const char* scope : {"string", "comment", "constant"}) wrong += expect(token.range, scope, false);
    }
  }
  return wrong;
}

TEST(EditorsTest, EveryProgramOfTheRepositoryHasTheColoursOfItsTokens) {
  const TextMateGrammar grammar(ordered_json::parse(Slurp(kTextMate)));
  const Words declarations = Lists().declarations;
  int files = 0;
  for (const char* folder : {"examples", "frontend/lib", "tests/golden", "tests/frontend/models"}) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(absl::StrCat(GRADUS_SOURCE_DIR, "/", folder))) {
      if (entry.path().extension() != ".gr" || entry.file_size() > 20000) continue;
      auto source = frontend::SourceFile::Read(entry.path());
      ASSERT_TRUE(source.ok()) << entry.path();
      if (!frontend::Parse(*source).ok()) continue;
      EXPECT_EQ(Wrong(grammar, **source, declarations), "");
      ++files;
    }
  }
  EXPECT_GT(files, 40);
}

TEST(EditorsTest, WordsAreKeywordsOnlyWhereTheyDeclare) {
  const TextMateGrammar grammar(ordered_json::parse(Slurp(kTextMate)));
  const auto scope = [&](const std::string& line, const std::string& word) {
    return grammar.Scopes(line)[line.find(word)];
  };
  EXPECT_EQ(scope("  input x : float[2]", "input"), "keyword.declaration.gradus");
  EXPECT_EQ(scope("  y = input + 1", "input"), "variable.other.gradus");
  EXPECT_EQ(scope("  for batch in batches {", "batch"), "variable.other.gradus");
  EXPECT_EQ(scope("  y = \"# no comment\" # one", "# no"), "string.quoted.double.gradus");
  EXPECT_EQ(scope("  y = \"# no comment\" # one", "# one"), "comment.line.number-sign.gradus");
  EXPECT_EQ(scope("  h'2 : f32[2] = fc1.next  | of h 9:12 # why", "fc1.next"), "variable.other.gradus");
  EXPECT_EQ(scope("  h'2 : f32[2] = fc1.next  | of h 9:12 # why", "| of"), "comment.line.note.gradus");
  EXPECT_EQ(scope("  h'2 : f32[2] = fc1.next  | of h 9:12 # why", "# why"), "comment.line.number-sign.gradus");
  EXPECT_EQ(scope("y = relu(1.5e-3)", "relu"), "support.function.library.gradus");
  EXPECT_EQ(scope("y = relu(1.5e-3)", "1.5e-3"), "constant.numeric.gradus");
  EXPECT_EQ(scope("y = sum(x, axis=-1)", "sum"), "support.function.operation.gradus");
  EXPECT_EQ(scope("y = sum(x, axis=-1)", "axis"), "variable.parameter.gradus");
}

TEST(EditorsTest, SnippetsAreProgramsThatParse) {
  const ordered_json snippets = ordered_json::parse(Slurp("editors/vscode/snippets/gradus.json"));
  EXPECT_GE(snippets.size(), 3u);
  for (const auto& [name, snippet] : snippets.items()) {
    const std::string body = absl::StrJoin(snippet.at("body").get<Words>(), "\n");
    const std::string text = std::regex_replace(body, std::regex(R"(\$\{\d+:([^}]*)\})"), "$1") + "\n";
    const auto source = frontend::SourceFile::Create("snippet.gr", text);
    ASSERT_TRUE(source.ok());
    EXPECT_TRUE(frontend::Parse(*source).ok()) << name << ":\n" << text << frontend::Parse(*source).status();
  }
}

TEST(EditorsTest, TheExtensionNamesFilesThatExist) {
  const ordered_json package = ordered_json::parse(Slurp("editors/vscode/package.json"));
  const ordered_json& contributes = package.at("contributes");
  for (const std::string path : {package.at("main"), contributes.at("languages")[0].at("configuration"),
                                 contributes.at("grammars")[0].at("path"), contributes.at("snippets")[0].at("path")})
    EXPECT_NE(Slurp(absl::StrCat("editors/vscode/", path)), "") << path;
  EXPECT_EQ(contributes.at("languages")[0].at("extensions")[0], ".gr");
  EXPECT_EQ(contributes.at("grammars")[0].at("scopeName"), ordered_json::parse(Slurp(kTextMate)).at("scopeName"));
  EXPECT_FALSE(ordered_json::parse(Slurp("editors/vscode/language-configuration.json")).empty());
}

}  // namespace
}  // namespace gradus::testing_support
