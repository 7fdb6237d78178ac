#include "tests/frontend/sentences.h"

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ir/check.h"

namespace gradus::frontend {
namespace {

std::string Terminal(const std::string& name, int count, std::mt19937& random) {
  auto pick = [&](std::initializer_list<const char*> list) {
    return std::string(list.begin()[random() % list.size()]);
  };
  if (name == "NAME") {
    // Contextual words are names, too, where nothing else is said.
    if (random() % 40 == 0)
      return absl::StrCat(pick({"model", "input", "axis", "tol", "every", "wrt", "reverse", "T", "shape", "apply"}),
                          count);
    return absl::StrCat("v", count);
  }
  if (name == "INTEGER") return pick({"0", "1", "42", "9223372036854775807", "0xff"});
  if (name == "FLOAT") return pick({"0.5", "1e-3", "2.5e+10", "inf", "nan", "1e400"});
  if (name == "STRING") return pick({"\"\"", "\"a.npy\"", "\"δ \\\"x\\\" \\\\\"", "\"# no comment\""});
  if (name == "PATTERN") return pick({"fc2.*", "*.b", "blocks.*.ln1.*", "w", "*"});
  if (name == "NOTE")
    return pick({"| 3:4\n", "| of d.x my file.gr:1:2 alias a b'2 arena 0+64 none\n", "| arena 1+2 # comment\n"});
  CHECK(name == "END") << "an unknown terminal " << name;
  return pick({";", "\n", "\n\n", " # comment\n", ";\n"});
}

}  // namespace

const Grammar& TheGrammar() {
  static const Grammar* const grammar = [] {
    std::ifstream in(GRADUS_SOURCE_DIR "/frontend/grammar.ebnf");
    std::ostringstream text;
    text << in.rdbuf();
    return new Grammar(text.str());
  }();
  return *grammar;
}

std::vector<std::string> RandomProgram(int depth, std::mt19937& random) {
  static const std::vector<std::string> terminals = TheGrammar().Terminals();
  std::vector<std::string> tokens = TheGrammar().Generate("file", depth, random);
  int names = 0;
  for (std::string& token : tokens) {
    const bool terminal = std::find(terminals.begin(), terminals.end(), token) != terminals.end();
    if (terminal) {
      token = Terminal(token, token == "NAME" ? ++names : 0, random);
      continue;
    }
    const bool continues =
        token == "," || token == "(" || token == "[" || token == "=" || token == "*" || token == "==" || token == "and";
    if (continues && random() % 20 == 0) token += "\n";
  }
  return tokens;
}

std::string Join(const std::vector<std::string>& tokens) { return absl::StrJoin(tokens, " "); }

}  // namespace gradus::frontend
