// Printed graphs with something wrong in them get sentences, whatever it is: nothing reaches a CHECK.
#include <gtest/gtest.h>

#include <random>

#include "frontend/lexer.h"
#include "frontend/read_graph.h"
#include "ir/builder.h"
#include "ir/printer.h"
#include "passes/backprop.h"
#include "tests/differential/random_graph.h"

namespace gradus {
namespace {

// Replaces, repeats, swaps or removes a few tokens.
std::string Spoil(const std::string& text, std::mt19937& random) {
  const auto source = *frontend::SourceFile::Create("g.gr", text);
  frontend::Diagnostics none;
  const std::vector<frontend::Token> tokens = frontend::Tokenize(*source, none).tokens;
  const char* const kNumbers[] = {
      "0",   "-1",  "1",  "2",   "17",    "9223372036854775807", "4611686018427387904", "1e400",
      "nan", "0.5", "[]", "[1]", "[0, 1]"};
  std::vector<std::string> words;
  for (const frontend::Token& token : tokens) words.emplace_back(token.text);
  auto pick = [&] { return random() % (tokens.size() - 1); };
  for (int edits = 1 + random() % 3; edits > 0; --edits) {
    const size_t at = pick();
    const bool number =
        tokens[at].kind == frontend::TokenKind::kInteger || tokens[at].kind == frontend::TokenKind::kFloat;
    switch (random() % 6) {
      case 0:
        words[at] = "";
        break;
      case 1:
        words[at] += " " + words[at];
        break;
      case 2:
        std::swap(words[at], words[pick()]);
        break;
      case 3:
        words[at] = words[pick()];
        break;
      default:
        // Mostly other numbers and other names: such a text still parses.
        if (number) {
          words[at] = kNumbers[random() % std::size(kNumbers)];
        } else {
          size_t other = pick();
          for (int tries = 0; tries < 50 && tokens[other].kind != tokens[at].kind; ++tries) other = pick();
          words[at] = std::string(tokens[other].text);
        }
    }
  }
  std::string spoiled;
  size_t end = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    spoiled += text.substr(end, tokens[i].range.begin - end) + words[i];
    end = tokens[i].range.end;
  }
  return spoiled;
}

TEST(SpoiledTextTest, AWrongGraphGetsASentenceAndARightOnePrintsAsItReads) {
  std::mt19937 random(1);
  int wrong = 0;
  int right = 0;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    testing_support::RandomGraphOptions options;
    options.gradient = seed % 3 != 0;
    ir::Graph graph = testing_support::RandomGraph(seed, options);
    if (seed % 3 == 1 && passes::Backprop(graph).ok()) ir::NameUnnamed(graph);
    const std::string text = ir::Print(graph);
    for (int i = 0; i < 20; ++i) {
      const std::string spoiled = Spoil(text, random);
      const absl::StatusOr<ir::Graph> read = frontend::ReadGraph("g.gr", spoiled);
      if (read.ok()) {
        ++right;
        const std::string once = ir::Print(*read);
        const absl::StatusOr<ir::Graph> again = frontend::ReadGraph("g.gr", once);
        ASSERT_TRUE(again.ok()) << again.status() << once;
        ASSERT_EQ(ir::Print(*again), once);
      } else {
        ++wrong;
        ASSERT_NE(read.status().message().find("error: "), absl::string_view::npos) << read.status();
        ASSERT_EQ(read.status().message().find("malformed"), absl::string_view::npos) << read.status() << spoiled;
      }
    }
  }
  EXPECT_GT(wrong, 1000);
  EXPECT_GT(right, 50);
}

}  // namespace
}  // namespace gradus
