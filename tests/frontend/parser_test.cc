#include "frontend/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "absl/strings/str_cat.h"
#include "frontend/suggest.h"

namespace gradus::frontend {
namespace {

using testing::HasSubstr;

absl::StatusOr<ast::File> ParseText(std::string text) {
  absl::StatusOr<std::shared_ptr<const SourceFile>> source = SourceFile::Create("test.gr", std::move(text));
  if (!source.ok()) return source.status();
  return Parse(*std::move(source));
}

std::string ErrorOf(std::string text) { return std::string(ParseText(std::move(text)).status().message()); }

// `x = TEXT`, in parentheses that show how it was read.
std::string Shape(const ast::Expression& e) {
  auto list = [](const std::vector<ast::ExpressionPtr>& items) {
    std::string out;
    for (const ast::ExpressionPtr& i : items) absl::StrAppend(&out, out.empty() ? "" : " ", Shape(*i));
    return out;
  };
  if (const auto* n = e.As<ast::Number>()) return n->text;
  if (const auto* n = e.As<ast::Name>()) return n->text;
  if (const auto* n = e.As<ast::Unary>()) return absl::StrCat("(", n->op_range.text(), " ", Shape(*n->operand), ")");
  if (const auto* n = e.As<ast::Binary>())
    return absl::StrCat("(", n->op_range.text(), " ", Shape(*n->left), " ", Shape(*n->right), ")");
  if (const auto* n = e.As<ast::Tuple>()) return absl::StrCat("{", list(n->items), "}");
  if (const auto* n = e.As<ast::List>()) return absl::StrCat("[", list(n->items), "]");
  if (const auto* n = e.As<ast::Member>()) return absl::StrCat("(.", n->member.text, " ", Shape(*n->object), ")");
  if (const auto* n = e.As<ast::Repeat>()) return absl::StrCat("(repeat ", Shape(*n->count), " ", Shape(*n->item), ")");
  if (const auto* n = e.As<ast::Call>()) {
    std::string out = absl::StrCat("(", Shape(*n->callee));
    for (const ast::Argument& a : n->arguments)
      absl::StrAppend(&out, " ", a.name.text, a.name.text.empty() ? "" : "=", Shape(*a.value));
    return out + ")";
  }
  return "?";
}

std::string Read(absl::string_view expression) {
  absl::StatusOr<ast::File> file = ParseText(absl::StrCat("model m { x = ", expression, " }"));
  if (!file.ok()) return std::string(file.status().message());
  return Shape(*file->definitions[0].As<ast::Model>()->body[0].As<ast::Assignment>()->value);
}

TEST(ParserTest, PrecedenceIsPythons) {
  EXPECT_EQ(Read("a + b * c - d"), "(- (+ a (* b c)) d)");
  EXPECT_EQ(Read("-a ** -b ** c"), "(- (** a (- (** b c))))");
  EXPECT_EQ(Read("-2 * x"), "(* (- 2) x)");
  EXPECT_EQ(Read("not a == b and c or d"), "(or (and (not (== a b)) c) d)");
  EXPECT_EQ(Read("a @ b.T + c // d % e"), "(+ (@ a (.T b)) (% (// c d) e))");
  EXPECT_EQ(Read("a < b + 1"), "(< a (+ b 1))");
  EXPECT_EQ(Read("(a + b) * c"), "(* (+ a b) c)");
  EXPECT_EQ(Read("a, (b, c)"), "{a {b c}}");
  EXPECT_EQ(Read("repeat(2) f(x) + y"), "(+ (repeat 2 (f x)) y)");
}

TEST(ParserTest, TheTransposeAndTheShapeAreTakenOffTheEndOfAName) {
  EXPECT_EQ(Read("fc2.w.T.T"), "(.T (.T fc2.w))");
  EXPECT_EQ(Read("T.shape"), "(.shape T)");
  EXPECT_EQ(Read("h'2.T"), "(.T h'2)");
  EXPECT_EQ(Read("blocks.0.T.w"), "blocks.0.T.w");
  EXPECT_EQ(Read("f(x).a.b"), "(.b (.a (f x)))");
}

TEST(ParserTest, ALineEndsAStatementUnlessItIsContinued) {
  EXPECT_EQ(Read("a +\n\n # why\n b"), "(+ a b)");
  EXPECT_EQ(Read("a,\n b"), "{a b}");
  EXPECT_EQ(Read("\n a"), "a");
  EXPECT_EQ(Read("(a\n + b\n)"), "(+ a b)");
  EXPECT_EQ(Read("f(a\n,k=\n1)"), "(f a k=1)");
  EXPECT_THAT(ErrorOf("model m {\n x = a\n + b\n}"), HasSubstr("test.gr:3:2: error: expected a statement, found `+`"));
  EXPECT_THAT(ErrorOf("model m {\n x = f\n (b)\n}"), HasSubstr("test.gr:3:2: error: expected a statement, found `(`"));
  // Inside a block inside parentheses, lines count again.
  EXPECT_TRUE(ParseText("graph g {\n x = f(fused(a) {\n b = a\n yield b\n }\n, 2)\n}").ok());
}

TEST(ParserTest, WhatFollowsTheBlockOfALoopOrAChoiceMayStandOnItsLine) {
  for (const char* good : {"fn f(x) { for i in range(3) { x = x + 1 } return x }",
                           "fn f(x) { if a { x = x + 1 } else { x = x + 2 } for i in l { } return x }"}) {
    EXPECT_TRUE(ParseText(good).ok()) << good;
  }
  for (const char* bad : {"fn f(x) { y = x return y }", "fn f(x) { for i in l { } 3 }", "fn f(x) { if a { } + 1 }"}) {
    EXPECT_FALSE(ParseText(bad).ok()) << bad;
  }
}

TEST(ParserTest, EveryModelOfTheLanguageParses) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(GRADUS_SOURCE_DIR "/tests/frontend/models")) {
    auto source = SourceFile::Read(entry.path());
    ASSERT_TRUE(source.ok()) << source.status();
    auto file = Parse(*source);
    EXPECT_TRUE(file.ok()) << file.status();
    ++count;
  }
  EXPECT_GE(count, 8);
}

TEST(ParserTest, ANoteGivesOriginPlaceAliasesAndArena) {
  auto file = ParseText(
      "graph g {\n"
      "  a = b | of d.x my net.gr:9:12 alias c d'2 arena 64+128 none 0+8* 64+8/128\n"
      "  a = b | 3:4 # why\n"
      "  a = fused(b) { c = b; yield c } | of h\n"
      "  a = b\n}");
  ASSERT_TRUE(file.ok()) << file.status();
  const ast::Block& body = file->definitions[0].As<ast::Graph>()->body;
  EXPECT_EQ(body[0].note->of, "d.x");
  EXPECT_EQ(body[0].note->file, "my net.gr");
  EXPECT_EQ(body[0].note->line, 9);
  EXPECT_EQ(body[0].note->column, 12);
  EXPECT_EQ(body[0].note->aliases, (std::vector<std::string>{"c", "d'2"}));
  ASSERT_EQ(body[0].note->arena.size(), 4u);
  EXPECT_EQ(*body[0].note->arena[0], (ast::Note::Place{64, 128}));
  EXPECT_FALSE(body[0].note->arena[1].has_value());
  EXPECT_EQ(*body[0].note->arena[2], (ast::Note::Place{0, 8, true}));
  EXPECT_EQ(*body[0].note->arena[3], (ast::Note::Place{64, 8, false, 128}));
  EXPECT_EQ(body[1].note->line, 3);
  EXPECT_EQ(body[2].note->of, "h");
  EXPECT_FALSE(body[3].note.has_value());
}

TEST(ParserTest, RangesAreThoseOfTheText) {
  auto file = ParseText("model m {\n  logits = h @ fc2.w.T\n}");
  ASSERT_TRUE(file.ok());
  const ast::Statement& s = file->definitions[0].As<ast::Model>()->body[0];
  EXPECT_EQ(s.range.text(), "logits = h @ fc2.w.T");
  EXPECT_EQ(s.range.start(), (Position{2, 3}));
  const auto* product = s.As<ast::Assignment>()->value->As<ast::Binary>();
  EXPECT_EQ(product->op_range.start(), (Position{2, 14}));
  EXPECT_EQ(product->right->range.text(), "fc2.w.T");
  EXPECT_EQ(product->right->As<ast::Member>()->object->range.text(), "fc2.w");
}

TEST(ParserTest, ErrorsOfSeveralStatementsAreReportedTogether) {
  const std::string errors =
      ErrorOf("model m {\n  a = 1 +\n  b = )\n  c = f(1, 2\n  d = 3\n  e = 4 5\n}\nlayer x {\n}\n");
  EXPECT_THAT(errors, HasSubstr("test.gr:3:5: error: expected the end of the line after a statement, found `=`"));
  EXPECT_THAT(errors, HasSubstr("test.gr:5:3: error: expected `)` or `,`, found `d`"));
  EXPECT_THAT(errors, HasSubstr("the `(` was opened at test.gr:4:8"));
  EXPECT_THAT(errors, HasSubstr("test.gr:6:9: error"));
  EXPECT_THAT(errors, HasSubstr("test.gr:8:9: error: expected `(` and parameters, found `{`"));
}

TEST(ParserTest, DepthIsLimitedByName) {
  auto nested = [](int n, absl::string_view open, absl::string_view close) {
    std::string text = "model m { x = ";
    for (int i = 0; i < n; ++i) absl::StrAppend(&text, open);
    absl::StrAppend(&text, "a");
    for (int i = 0; i < n; ++i) absl::StrAppend(&text, close);
    return text + " }";
  };
  for (auto [open, close] :
       std::vector<std::pair<const char*, const char*>>{{"(", ")"},
                                                        {"[", "]"},
                                                        {"f(", ")"},
                                                        {"-", ""},
                                                        {"a ** ", ""},
                                                        {"a + ", ""},
                                                        {"", " + a"},
                                                        {"", "(a)"},
                                                        {"", "[a]"},
                                                        {"", "(b).c"},
                                                        {"not ", ""},
                                                        {"repeat(2) ", ""},

                                                        {"cond(a) { yield ", " } else { yield b }"}}) {
    EXPECT_THAT(ErrorOf(nested(100000, open, close)), HasSubstr("the nesting limit of 256")) << open;
    EXPECT_TRUE(ParseText(nested(50, open, close)).ok()) << ErrorOf(nested(50, open, close));
  }
  std::string regions = "graph g { x = ";
  for (int i = 0; i < 100000; ++i) regions += "fused() { yield ";
  EXPECT_THAT(ErrorOf(regions), HasSubstr("the nesting limit of 256"));
  std::string ifs = "model m { ";
  for (int i = 0; i < 100000; ++i) ifs += "if a { b = 1 } else ";
  EXPECT_THAT(ErrorOf(ifs), HasSubstr("the nesting limit of 256"));
}

TEST(ParserTest, AnyTextGetsAnAnswer) {
  const absl::string_view pieces[] = {
      "model",  " m ",       "{",        "}",        "(",      ")",     "[",        "]",
      ",",      "\n",        ";",        "=",        ":",      "x",     "f32",      "1",
      "2.",     "\"s",       "\"",       "|",        "of",     "..",    "...",      " if ",
      " else ", " for ",     " in ",     " scan ",   "while",  "fn ",   "a'",       "'2",
      "train ", "minimize ", "wrt ",     "*",        "**",     "~",     "\xCE\xB4", "#c",
      "-",      "not ",      "graph g ", "param p ", "yield ", "next ", "cond",     "repeat",
      "carry ", "until ",    "\t",       "1e",       "vjp",    "fused", "\\",       absl::string_view("\0", 1)};
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    std::string text = i % 2 ? "model m {" : "";
    for (int n = random() % 40; n > 0; --n) absl::StrAppend(&text, pieces[random() % std::size(pieces)]);
    const absl::Status status = ParseText(text).status();
    if (!status.ok()) {
      EXPECT_THAT(std::string(status.message()), HasSubstr("error: ")) << text;
    }
  }
}

TEST(SuggestTest, TheNearestNameIsSuggestedAndAFarOneIsNot) {
  EXPECT_EQ(Nearest("simgoid", {"sigmoid", "sign"}), "sigmoid");
  EXPECT_EQ(Nearest("rleu", {"relu", "real"}), "relu");
  EXPECT_EQ(Nearest("x", {"y"}), "");
  EXPECT_EQ(Nearest("attention", {"relu"}), "");
}

}  // namespace
}  // namespace gradus::frontend
