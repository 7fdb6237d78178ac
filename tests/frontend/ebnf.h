// Reads an EBNF file and generates random sentences from it.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace gradus::frontend {

struct Rule {
  enum class Kind { kSequence, kChoice, kRepeat, kOptional, kLiteral, kTerminal, kReference };
  Kind kind = Kind::kSequence;
  std::string text;  // of a literal, terminal or reference
  std::vector<Rule> parts;
};

class Grammar {
 public:
  // The text of grammar.ebnf; a CHECK fails where it is no EBNF or a rule is missing.
  explicit Grammar(absl::string_view text);

  // A random derivation of `rule` as tokens: literals as they are, terminals by name.
  std::vector<std::string> Generate(const std::string& rule, int depth, std::mt19937& random) const;
  // The names of the terminals that rules use.
  std::vector<std::string> Terminals() const;

 private:
  void GenerateInto(const Rule& rule, int depth, std::mt19937& random, std::vector<std::string>& out) const;
  int Height(const Rule& rule) const;

  std::map<std::string, Rule> rules_;
  std::map<std::string, int> heights_;
};

}  // namespace gradus::frontend
