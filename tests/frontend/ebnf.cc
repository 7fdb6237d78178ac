#include "tests/frontend/ebnf.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "ir/check.h"

namespace gradus::frontend {
namespace {

constexpr int kInfinite = 1000000;

class EbnfReader {
 public:
  explicit EbnfReader(absl::string_view text) : text_(text) { Advance(); }

  std::map<std::string, Rule> Read() {
    std::map<std::string, Rule> rules;
    while (!token_.empty()) {
      const std::string name = Take();
      Expect("=");
      CHECK(rules.emplace(name, ReadChoice()).second) << "two rules for " << name;
      Expect(";");
    }
    return rules;
  }

 private:
  void Advance() {
    token_.clear();
    while (at_ < text_.size()) {
      if (text_.substr(at_, 2) == "(*") {
        at_ = text_.find("*)", at_) + 2;
      } else if (absl::ascii_isspace(text_[at_])) {
        ++at_;
      } else {
        break;
      }
    }
    if (at_ >= text_.size()) return;
    size_t end = at_ + 1;
    if (text_[at_] == '"') {
      end = text_.find('"', end) + 1;
    } else {
      while (absl::ascii_isalpha(text_[at_]) && (absl::ascii_isalnum(text_[end]) || text_[end] == '_')) ++end;
    }
    token_ = std::string(text_.substr(at_, end - at_));
    at_ = end;
  }
  std::string Take() {
    std::string taken = token_;
    Advance();
    return taken;
  }
  void Expect(absl::string_view text) { CHECK(Take() == text) << "expected " << text << " before " << token_; }

  Rule ReadChoice() {
    Rule choice{Rule::Kind::kChoice, "", {ReadSequence()}};
    while (token_ == "|") {
      Take();
      choice.parts.push_back(ReadSequence());
    }
    return choice.parts.size() == 1 ? choice.parts[0] : choice;
  }
  Rule ReadSequence() {
    Rule sequence;
    while (token_ != "|" && token_ != ";" && token_ != ")" && token_ != "]" && token_ != "}")
      sequence.parts.push_back(ReadPart());
    return sequence;
  }
  Rule ReadPart() {
    const std::string token = Take();
    CHECK(!token.empty()) << "the grammar ends inside a rule";
    if (token == "(" || token == "[" || token == "{") {
      Rule inner = ReadChoice();
      Expect(token == "(" ? ")" : token == "[" ? "]" : "}");
      if (token == "(") return inner;
      return {token == "[" ? Rule::Kind::kOptional : Rule::Kind::kRepeat, "", {inner}};
    }
    if (token[0] == '"') return {Rule::Kind::kLiteral, token.substr(1, token.size() - 2), {}};
    const bool terminal = std::all_of(token.begin(), token.end(), [](char c) { return absl::ascii_isupper(c); });
    return {terminal ? Rule::Kind::kTerminal : Rule::Kind::kReference, token, {}};
  }

  absl::string_view text_;
  size_t at_ = 0;
  std::string token_;
};

void CollectTerminals(const Rule& rule, std::set<std::string>& out) {
  if (rule.kind == Rule::Kind::kTerminal) out.insert(rule.text);
  for (const Rule& part : rule.parts) CollectTerminals(part, out);
}

}  // namespace

Grammar::Grammar(absl::string_view text) : rules_(EbnfReader(text).Read()) {
  for (const auto& [name, rule] : rules_) heights_[name] = kInfinite;
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& [name, rule] : rules_) {
      const int height = std::min(kInfinite, Height(rule) + 1);
      changed |= height != heights_[name];
      heights_[name] = height;
    }
  }
  for (const auto& [name, height] : heights_) CHECK(height < kInfinite) << name << " derives nothing";
}

// The least depth of a derivation.
int Grammar::Height(const Rule& rule) const {
  switch (rule.kind) {
    case Rule::Kind::kLiteral:
    case Rule::Kind::kTerminal:
    case Rule::Kind::kRepeat:
    case Rule::Kind::kOptional:
      return 0;
    case Rule::Kind::kReference: {
      const auto found = heights_.find(rule.text);
      CHECK(found != heights_.end()) << "no rule " << rule.text;
      return found->second;
    }
    case Rule::Kind::kSequence: {
      int height = 0;
      for (const Rule& part : rule.parts) height = std::max(height, Height(part));
      return height;
    }
    case Rule::Kind::kChoice:
      break;
  }
  int height = kInfinite;
  for (const Rule& part : rule.parts) height = std::min(height, Height(part));
  return height;
}

std::vector<std::string> Grammar::Generate(const std::string& rule, int depth, std::mt19937& random) const {
  std::vector<std::string> out;
  GenerateInto(rules_.at(rule), depth, random, out);
  return out;
}

std::vector<std::string> Grammar::Terminals() const {
  std::set<std::string> names;
  for (const auto& [name, rule] : rules_) CollectTerminals(rule, names);
  return {names.begin(), names.end()};
}

void Grammar::GenerateInto(const Rule& rule, int depth, std::mt19937& random, std::vector<std::string>& out) const {
  switch (rule.kind) {
    case Rule::Kind::kLiteral:
    case Rule::Kind::kTerminal:
      out.push_back(rule.text);
      return;
    case Rule::Kind::kReference:
      GenerateInto(rules_.at(rule.text), depth - 1, random, out);
      return;
    case Rule::Kind::kSequence:
      for (const Rule& part : rule.parts) GenerateInto(part, depth, random, out);
      return;
    case Rule::Kind::kOptional:
    case Rule::Kind::kRepeat: {
      if (depth <= Height(rule.parts[0])) return;
      int times = rule.kind == Rule::Kind::kOptional ? random() % 2 : random() % 4 < 2 ? 0 : random() % 3;
      while (times-- > 0) GenerateInto(rule.parts[0], depth, random, out);
      return;
    }
    case Rule::Kind::kChoice:
      break;
  }
  std::vector<const Rule*> possible;
  for (const Rule& part : rule.parts) {
    if (Height(part) < depth) possible.push_back(&part);
  }
  if (possible.empty()) {
    for (const Rule& part : rule.parts) {
      if (Height(part) == Height(rule)) possible.push_back(&part);
    }
  }
  GenerateInto(*possible[random() % possible.size()], depth, random, out);
}

}  // namespace gradus::frontend
