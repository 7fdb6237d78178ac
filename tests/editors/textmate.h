// Reads a line as a TextMate engine does, for grammars of `match` patterns alone.
#pragma once

#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

namespace gradus::testing_support {

class TextMateGrammar {
 public:
  explicit TextMateGrammar(const nlohmann::ordered_json& grammar);

  // The scope of every byte of the line; empty where no pattern matches. The pattern that matches first wins, among
  // those that match at one place the first of the grammar.
  std::vector<std::string> Scopes(const std::string& line) const;

 private:
  struct Pattern {
    std::regex regex;
    std::string name;
    std::vector<std::pair<int, std::string>> captures;
  };
  std::vector<Pattern> patterns_;
};

}  // namespace gradus::testing_support
