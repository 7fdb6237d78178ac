#include "tests/editors/textmate.h"

namespace gradus::testing_support {

TextMateGrammar::TextMateGrammar(const nlohmann::ordered_json& grammar) {
  for (const auto& include : grammar.at("patterns")) {
    const auto& rule = grammar.at("repository").at(include.at("include").get<std::string>().substr(1));
    Pattern pattern{std::regex(rule.at("match").get<std::string>(), std::regex::optimize), rule.value("name", ""), {}};
    if (rule.contains("captures")) {
      for (const auto& [group, capture] : rule.at("captures").items())
        pattern.captures.emplace_back(std::stoi(group), capture.at("name"));
    }
    patterns_.push_back(std::move(pattern));
  }
}

std::vector<std::string> TextMateGrammar::Scopes(const std::string& line) const {
  std::vector<std::string> scopes(line.size());
  struct Found {
    bool searched = false, any = false;
    std::smatch match;
  };
  std::vector<Found> found(patterns_.size());
  for (size_t at = 0; at < line.size();) {
    int best = -1;
    for (size_t i = 0; i < patterns_.size(); ++i) {
      Found& f = found[i];
      if (!f.searched || (f.any && static_cast<size_t>(f.match[0].first - line.begin()) < at)) {
        const auto flags = at == 0 ? std::regex_constants::match_default : std::regex_constants::match_prev_avail;
        f.any = std::regex_search(line.begin() + at, line.end(), f.match, patterns_[i].regex, flags);
        f.searched = true;
      }
      if (f.any && f.match.length(0) > 0 && (best < 0 || f.match[0].first < found[best].match[0].first))
        best = static_cast<int>(i);
    }
    if (best < 0) break;
    const Pattern& pattern = patterns_[best];
    const auto paint = [&](const std::ssub_match& part, const std::string& scope) {
      for (auto c = part.first; c != part.second; ++c) scopes[c - line.begin()] = scope;
    };
    const std::smatch& match = found[best].match;
    paint(match[0], pattern.name);
    for (const auto& [group, name] : pattern.captures) paint(match[group], name);
    at = match[0].second - line.begin();
  }
  return scopes;
}

}  // namespace gradus::testing_support
