// Holds frontend/grammar.ebnf and the parser together.
#include <gtest/gtest.h>

#include <algorithm>

#include "frontend/parser.h"
#include "tests/frontend/sentences.h"

namespace gradus::frontend {
namespace {

absl::Status ParseText(std::string text) {
  absl::StatusOr<std::shared_ptr<const SourceFile>> source = SourceFile::Create("test.gr", std::move(text));
  return source.ok() ? Parse(*source).status() : source.status();
}

TEST(GrammarTest, TheParserAcceptsWhatTheGrammarDerives) {
  std::mt19937 random(1);
  size_t tokens = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::vector<std::string> program = RandomProgram(10 + i % 20, random);
    tokens += program.size();
    ASSERT_TRUE(ParseText(Join(program)).ok()) << Join(program) << "\n" << ParseText(Join(program));
  }
  EXPECT_GT(tokens, 50000u);  // the sentences say something
}

TEST(GrammarTest, AProgramWithOneBracketLessIsRefused) {
  std::mt19937 random(2);
  int tried = 0;
  for (int i = 0; i < 3000; ++i) {
    std::vector<std::string> program = RandomProgram(10 + i % 15, random);
    std::vector<size_t> brackets;
    for (size_t k = 0; k < program.size(); ++k) {
      if (program[k].size() == 1 && std::string("()[]{}").find(program[k]) != std::string::npos) brackets.push_back(k);
    }
    if (brackets.empty()) continue;
    program.erase(program.begin() + static_cast<int64_t>(brackets[random() % brackets.size()]));
    EXPECT_FALSE(ParseText(Join(program)).ok()) << Join(program);
    ++tried;
  }
  EXPECT_GT(tried, 400);
}

TEST(GrammarTest, AProgramWithAnOperatorOrACommaTwiceIsRefused) {
  std::mt19937 random(3);
  int tried = 0;
  for (int i = 0; i < 3000; ++i) {
    std::vector<std::string> program = RandomProgram(10 + i % 15, random);
    std::vector<size_t> places;
    for (size_t k = 0; k < program.size(); ++k) {
      for (const char* twice : {",", "+", "@", "//", "==", "and", "=", "~", "in"}) {
        if (program[k] == twice) places.push_back(k);
      }
    }
    if (places.empty()) continue;
    const size_t place = places[random() % places.size()];
    program.insert(program.begin() + static_cast<int64_t>(place), program[place]);
    EXPECT_FALSE(ParseText(Join(program)).ok()) << Join(program);
    ++tried;
  }
  EXPECT_GT(tried, 400);
}

TEST(GrammarTest, WhatTheGrammarDoesNotDeriveIsRefused) {
  for (const char* bad : {
           "h = 3",
           "model { }",
           "model m { x }",
           "model m { x = }",
           "model m { x = 1 2 }",
           "model m { x = a < b < c }",
           "model m { x = +a }",
           "model m { x = a.b.1c }",
           "model m { x = 1. }",
           "model m { x = .5 }",
           "model m { x += 1 }",
           "model m { x = f(a=1, b) }",
           "model m { x = f(a=1, a=2) }",
           "model m { x = [a for b] }",
           "model m { x = a[] }",
           "model m { x = () }",
           "model m { x = \"s }",
           "model m { x = 'a' }",
           "model m { in = 1 }",
           "model m { f32 = 1 }",
           "model m { a.b = 1 }",
           "model m { a'2 = 1 }",
           "model m { input x }",
           "model m { input x : int }",
           "model m { param w : float[] = 1 }",
           "model m { for a b { } }",
           "model m { if a b = 1 }",
           "model m { next = 1 }",
           "model m { y = fused(x) { yield x } }",
           "model m { y = cond(x) { yield x } }",
           "model m { y = while until { } }",
           "model m { y = scan in x { } }",
           "model m { barrier }",
           "fn f = 1",
           "fn f(a=1, b) = a",
           "fn f(a, a) = a",
           "fn f(a)",
           "fn f(a) = a vjp { }",
           "layer l { }",
           "layer l() { apply(x) = x; apply(y) = y }",
           "train m { minimise loss }",
           "train m { minimize loss wrt }",
           "train m { data x }",
           "train m { batch }",
           "check m { loss }",
           "check m { loss ~ }",
           "import x",
           "graph g { a = b | nonsense }",
           "graph g { a = b | 3 }",
           "graph g { a = b | of }",
           "graph g { a.T = b }",
           "graph g {",
           "}",
       }) {
    EXPECT_FALSE(ParseText(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace gradus::frontend
