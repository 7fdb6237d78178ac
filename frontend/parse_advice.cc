// How other languages say it: the help behind `expected …, found …` for those who come from one of them.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "frontend/parser_state.h"
#include "frontend/suggest.h"

namespace gradus::frontend {
namespace {

struct ForeignWord {
  absl::string_view word;
  absl::string_view help;
};

constexpr ForeignWord kForeignWords[] = {
    {"def", "a function is fn name(x) = expression, or fn name(x) { … return … }"},
    {"function", "a function is fn name(x) = expression, or fn name(x) { … return … }"},
    {"func", "a function is fn name(x) = expression, or fn name(x) { … return … }"},
    {"class", "a layer is layer name(n) { param w : float[n] = zeros; apply(x) = … }, a network model name { … }"},
    {"from",
     "activations, losses, layers and optimizers are in scope; import \"file.gr\" takes definitions of your own"},
    {"lambda", "a function has a name and stands outside of the model: fn f(x) = …"},
    {"elif", "write else { if … { … } }"},
    {"let", "a value is bound without a word: name = expression"},
    {"var", "a value is bound without a word: name = expression"},
    {"const", "a value is bound without a word: name = expression; a size is dim n = …"},
    {"assert", "check model(x=[…]) { value ~ expected tol 1e-6 } stands outside of the model"},
    {"print",
     "nothing is printed from inside a model: `output` names what prediction computes, `metric` what training shows"},
    {"with", "there is no context: what stop_gradient(x) gives has no gradient"},
    {"pass", "an empty block needs nothing: { }"},
    {"del", "values need not be deleted: the plan of memory does"},
    {"global", "there is nothing global: pass it as an argument"},
};

absl::string_view HelpForWord(absl::string_view word) {
  for (const ForeignWord& foreign : kForeignWords) {
    if (foreign.word == word) return foreign.help;
  }
  return "";
}

}  // namespace

std::string Parser::Advice(ErrorKind kind) {
  const Token& found = tokens_[at_];
  const Token& after = PeekAfter(1);
  const bool at_word = found.kind == TokenKind::kName;
  // The word at fault, or the one before it that was taken for the name of a value.
  const Token* before = at_ > 0 ? &tokens_[at_ - 1] : nullptr;
  const bool same_line = before != nullptr && !found.starts_line;
  if (kind == ErrorKind::kExpectedRecipeLine && at_word) {
    const std::string nearest = Nearest(found.text, {"minimize", "optimizer", "metric", "data", "validate", "batch",
                                                     "epochs", "steps", "seed", "accumulate", "clip", "ema"});
    return nearest.empty() ? "" : absl::StrCat("did you mean ", nearest, "?");
  }
  if (kind == ErrorKind::kUnexpectedToken && before != nullptr && before->text == "import" && at_word) {
    return "activations, losses, layers and optimizers are in scope; import \"file.gr\" takes definitions of your own";
  }
  if (at_word && absl::StartsWith(found.text, "self.")) return "what a layer owns is called by its name alone";
  if (at_word && !HelpForWord(found.text).empty()) return std::string(HelpForWord(found.text));
  if (same_line && before->kind == TokenKind::kName) {
    if (at_word && !HelpForWord(before->text).empty()) return std::string(HelpForWord(before->text));
    if (found.kind == TokenKind::kString) return "a string is its characters alone: nothing is put into it";
    if (before->text == "lambda") return std::string(HelpForWord("lambda"));
  }
  if (kind == ErrorKind::kExpectedDefinition && at_word) {
    const std::string nearest = Nearest(found.text, {"model", "train", "check", "fn", "layer", "graph", "import"});
    if (!nearest.empty()) return absl::StrCat("did you mean ", nearest, "?");
    if (after.text == "=" || after.text == ":") return "statements stand in a model, a layer or a function";
  }
  if (found.kind == TokenKind::kPunctuation) {
    if (found.text == ":" && !in_graph_ && kind == ErrorKind::kUnexpectedToken) {
      return "a block stands in braces: { … }; indentation means nothing";
    }
    if (found.text == "(" && kind == ErrorKind::kExpectedName) return "names are unpacked without brackets: a, b = …";
    if (found.text == "]" && before != nullptr && before->text == "[") return "a scalar has no brackets: float";
    if ((found.text == "*" || found.text == "**") && before != nullptr &&
        (before->text == "(" || before->text == ",")) {
      return "parameters and arguments are written one by one";
    }
    if (kind == ErrorKind::kUnexpectedToken && after.text == "=" && !after.starts_line && same_line &&
        before->kind == TokenKind::kName) {
      return absl::StrCat("write next ", before->text, " = ", before->text, " ", found.text, " …");
    }
    if (found.text == "=" && before != nullptr && open_brackets_ > 0) return "`=` binds, and `==` compares";
  }
  if (at_word && kind == ErrorKind::kExpectedEndOfLine) {
    if (found.text == "wrt") return "wrt stands before every: minimize loss wrt w every 2";
    if (found.text == "if") return "a choice by element is where(condition, a, b); one by sizes if … { … } else { … }";
  }
  return "";
}

}  // namespace gradus::frontend
