// Links between the pages of the repository lead somewhere: to a file that exists, and to a heading of it.
#include <gtest/gtest.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace gradus {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> Pages() {
  std::vector<fs::path> pages;
  for (auto at = fs::recursive_directory_iterator(GRADUS_SOURCE_DIR); at != fs::recursive_directory_iterator(); ++at) {
    const std::string name = at->path().filename();
    if (at->is_directory() && (name[0] == '.' || (at.depth() == 0 && name.rfind("build", 0) == 0))) {
      at.disable_recursion_pending();
    } else if (at->path().extension() == ".md") {
      pages.push_back(at->path());
    }
  }
  return pages;
}

struct Page {
  std::set<std::string> anchors;
  std::vector<std::string> links;
};

// As a heading becomes the name of its place: letters, digits, `_` and `-` in lower case, blanks as `-`.
std::string Anchor(const std::string& heading) {
  std::string anchor;
  for (const char c : heading) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || byte >= 0x80 || c == '_' || c == '-') anchor += static_cast<char>(std::tolower(byte));
    if (c == ' ') anchor += '-';
  }
  return anchor;
}

Page Read(const fs::path& path) {
  static const std::regex link(R"(\]\(([^()\s]+)\)|href="([^"]+)\")"), code(R"(`[^`]*`)");
  Page page;
  std::ifstream in(path);
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("```", 0) == 0) inside = !inside;
    if (inside) continue;
    if (line[0] == '#') {
      const std::string anchor = Anchor(line.substr(std::min(line.find_first_not_of("# "), line.size())));
      std::string unique = anchor;
      for (int i = 1; !page.anchors.insert(unique).second; ++i) unique = anchor + "-" + std::to_string(i);
    }
    // A link whose text is code stays; code that looks like a link goes.
    const std::string text = std::regex_replace(line, code, "c");
    for (std::sregex_iterator at(text.begin(), text.end(), link), end; at != end; ++at)
      page.links.push_back((*at)[1].matched ? (*at)[1].str() : (*at)[2].str());
  }
  return page;
}

TEST(LinksTest, EveryLinkOfAPageLeadsToAFileAndAHeadingThatExist) {
  std::map<fs::path, Page> read;
  const auto page_of = [&](const fs::path& path) -> const Page& {
    const fs::path key = fs::weakly_canonical(path);
    auto found = read.find(key);
    if (found == read.end()) found = read.emplace(key, Read(key)).first;
    return found->second;
  };
  int links = 0;
  for (const fs::path& path : Pages()) {
    for (const std::string& link : page_of(path).links) {
      if (link.rfind("http", 0) == 0) continue;
      ++links;
      const size_t sharp = std::min(link.find('#'), link.size());
      const fs::path target = sharp == 0 ? path : path.parent_path() / link.substr(0, sharp);
      EXPECT_TRUE(fs::exists(target)) << path << " links to " << link;
      if (sharp == link.size() || target.extension() != ".md" || !fs::exists(target)) continue;
      EXPECT_TRUE(page_of(target).anchors.contains(link.substr(sharp + 1))) << path << " links to " << link;
    }
  }
  EXPECT_GT(links, 300);
}

}  // namespace
}  // namespace gradus
