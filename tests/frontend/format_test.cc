#include "frontend/format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>

#include "frontend/lexer.h"
#include "frontend/lower.h"
#include "frontend/parser.h"
#include "frontend/program.h"
#include "ir/printer.h"
#include "tests/frontend/sentences.h"
#include "tests/frontend/tree.h"

namespace gradus::frontend {
namespace {

std::string Formatted(const std::string& text) {
  const auto source = SourceFile::Create("test.gr", text);
  if (!source.ok()) return std::string(source.status().message());
  const absl::StatusOr<std::string> formatted = Format(**source);
  return formatted.ok() ? *formatted : std::string(formatted.status().message());
}

std::string Tree(const std::string& text) {
  const absl::StatusOr<ast::File> file = Parse(*SourceFile::Create("test.gr", text));
  return file.ok() ? TreeOf(*file) : std::string(file.status().message());
}

void ExpectStable(const std::string& text) {
  const std::string once = Formatted(text);
  ASSERT_EQ(Tree(once), Tree(text)) << text << "\nbecomes\n" << once;
  ASSERT_EQ(Formatted(once), once) << text;
}

TEST(FormatTest, LayoutIsCanonical) {
  EXPECT_EQ(Formatted(R"(

# A model.
model   m{   # of the test
    dim B=64 ,H = 4*B;

  input x:float[B , 784]   # images
  input y : i32[B]  # labels


  # Layers.
  fc1=linear( 784,256 , bias = false) ; fc2 = linear(256,10)
  h = relu( - fc1(x)[ : , 0 : 3 ] )-2 **-x+
         0
  logits = f(h,
  fc2)
  if training{ h = ( a , b ) } else {
  h = not(a) }
  for b in(blocks){h=b(h)}
  empty = scan a in xs axis = 1 carry h = zero{}

}
train m{minimize -loss wrt fc2.*,*.b every 2;optimizer adam ( lr = 1e-3*minimum( 1,step/500 ) )
batch(B);epochs 5 ;}
)"),
            R"(# A model.
model m {  # of the test
  dim B = 64, H = 4 * B

  input x : float[B,784]  # images
  input y : i32[B]        # labels

  # Layers.
  fc1 = linear(784, 256, bias=false); fc2 = linear(256, 10)
  h = relu(-fc1(x)[:, 0:3]) - 2 ** -x +
      0
  logits = f(h,
      fc2)
  if training { h = (a, b) } else {
    h = not (a)
  }
  for b in (blocks) { h = b(h) }
  empty = scan a in xs axis=1 carry h = zero {}
}
train m {
  minimize -loss wrt fc2.*, *.b every 2; optimizer adam(lr=1e-3 * minimum(1, step / 500))
  batch (B); epochs 5
}
)");
}

TEST(FormatTest, ATextThatDoesNotParseIsLeftAlone) {
  EXPECT_EQ(Formatted("model m { x = }"),
            R"(test.gr:1:15: error: expected an expression, found `}` [expected-expression]
    1 | model m { x = }
      |               ^
)");
}

TEST(FormatTest, WhatStoodInColumnsStandsInColumns) {
  // Names grow and shrink; the columns follow.
  EXPECT_EQ(Formatted("model m {\n  abc    = f( x )\n  abcdef = g(h)\n  d      =   1\n\n  e   = 2\n}"),
            "model m {\n  abc    = f(x)\n  abcdef = g(h)\n  d      = 1\n\n  e = 2\n}\n");
  EXPECT_EQ(
      Formatted(
          "train m {\n minimize  loss\n metric    acc\n optimizer f()\n data      x = f( a ),    y = 2\n validate  x = "
          "g(ab) / 2, y = 4\n}"),
      "train m {\n  minimize  loss\n  metric    acc\n  optimizer f()\n  data      x = f(a),      y = 2\n  validate  x "
      "= g(ab) / "
      "2, y = 4\n}\n");
}

TEST(FormatTest, ExamplesAndTheLibraryAreFormatted) {
  for (const char* folder : {"/examples", "/frontend/lib"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(std::string(GRADUS_SOURCE_DIR) + folder)) {
      if (entry.path().extension() != ".gr") continue;
      const auto source = SourceFile::Read(entry.path());
      ASSERT_TRUE(source.ok());
      EXPECT_EQ(Formatted(std::string((*source)->text())), (*source)->text()) << entry.path();
    }
  }
}

// The text with other blanks between its tokens, other indentation and empty lines, and some more comments.
std::string Shaken(const SourceFile& source, std::mt19937& random) {
  Diagnostics diagnostics;
  const TokenizedFile file = Tokenize(source, diagnostics);
  std::vector<SourceRange> parts = file.comments;
  for (const Token& token : file.tokens) {
    if (token.kind != TokenKind::kEnd) parts.push_back(token.range);
  }
  std::sort(parts.begin(), parts.end(), [](SourceRange a, SourceRange b) { return a.begin < b.begin; });
  std::string text;
  int32_t at = 0;
  for (const SourceRange& part : parts) {
    const absl::string_view between = source.text().substr(at, part.begin - at);
    const auto lines = std::count(between.begin(), between.end(), '\n');
    if (lines > 0) {
      text += std::string(random() % 3, ' ') + std::string(lines + random() % 3, '\n') + std::string(random() % 9, ' ');
      if (random() % 8 == 0) text += "# said here\n" + std::string(random() % 5, ' ');
    } else if (!between.empty()) {
      text += std::string(1 + random() % 4, ' ');
    }
    text += std::string(part.text());
    at = part.end;
  }
  return text + "\n";
}

std::vector<std::string> Comments(const std::string& text) {
  const auto source = *SourceFile::Create("test.gr", text);
  Diagnostics diagnostics;
  std::vector<std::string> comments;
  for (const SourceRange& comment : Tokenize(*source, diagnostics).comments) comments.emplace_back(comment.text());
  return comments;
}

TEST(FormatTest, ProgramsKeepTreeAndCommentsWhateverTheirBlanks) {
  std::mt19937 random(5);
  int files = 0;
  for (const char* folder : {"/examples", "/frontend/lib", "/tests/golden"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(std::string(GRADUS_SOURCE_DIR) + folder)) {
      if (entry.path().extension() != ".gr" || entry.file_size() > 20000) continue;
      const auto source = SourceFile::Read(entry.path());
      ASSERT_TRUE(source.ok());
      if (!Parse(*source).ok()) continue;
      for (int i = 0; i < 3; ++i) {
        const std::string shaken = Shaken(**source, random);
        ASSERT_EQ(Tree(shaken), Tree(std::string((*source)->text()))) << entry.path() << "\n" << shaken;
        ExpectStable(shaken);
        ASSERT_EQ(Comments(Formatted(shaken)), Comments(shaken)) << entry.path() << "\n" << shaken;
      }
      ++files;
    }
  }
  EXPECT_GT(files, 50);
}

// A lowered program without the places that its text has moved.
std::string GraphText(const std::string& path, const std::string& text) {
  const absl::StatusOr<Module> module = ParseProgram(path, text);
  if (!module.ok()) return std::string(module.status().message());
  std::string graphs;
  for (const Entry entry : {Entry::kStep, Entry::kEvaluate, Entry::kPredict, Entry::kInitialize}) {
    const absl::StatusOr<ir::Graph> graph = Lower(*module, {}, entry);
    if (graph.ok()) graphs += ir::Print(*graph);
  }
  graphs = std::regex_replace(graphs, std::regex(" +\\| (of [^ \n]+ )?([^ \n]*:)?[0-9]+:[0-9]+( *\n)"), "\n");
  return std::regex_replace(graphs, std::regex("rule=\"[^\"]*\""), "rule");
}

TEST(FormatTest, AFormattedProgramIsTheSameGraph) {
  std::mt19937 random(6);
  int lowered = 0;
  for (const char* folder : {"/examples", "/tests/frontend/models"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(std::string(GRADUS_SOURCE_DIR) + folder)) {
      if (entry.path().extension() != ".gr") continue;
      const auto source = SourceFile::Read(entry.path());
      ASSERT_TRUE(source.ok());
      const std::string graph = GraphText(entry.path(), std::string((*source)->text()));
      const std::string formatted = GraphText(entry.path(), Formatted(Shaken(**source, random)));
      if (graph.find("graph ") == std::string::npos) continue;
      EXPECT_EQ(formatted, graph) << entry.path();
      EXPECT_EQ(graph.find(" | "), std::string::npos) << graph;
      ++lowered;
    }
  }
  EXPECT_GT(lowered, 5);
}

TEST(FormatTest, AnExpressionOverSeveralLinesBecomesOne) {
  const auto source = *SourceFile::Create("test.gr", "normal( # why\n  std = 0.5,\n\n key=0xff ) * -2");
  EXPECT_EQ(FormatExpression({source.get(), 0, static_cast<int32_t>(source->text().size())}),
            "normal(std=0.5, key=0xff) * -2");
}

TEST(FormatTest, ModelsKeepTheirTreeAndStayAsTheyAreFormatted) {
  for (const auto& entry : std::filesystem::directory_iterator(GRADUS_SOURCE_DIR "/tests/frontend/models")) {
    const auto source = SourceFile::Read(entry.path());
    ASSERT_TRUE(source.ok());
    ExpectStable(std::string((*source)->text()));
  }
}

TEST(FormatTest, RandomProgramsKeepTheirTreeAndStayAsTheyAreFormatted) {
  std::mt19937 random(4);
  for (int i = 0; i < 3000 && !HasFatalFailure(); ++i) {
    std::vector<std::string> program = RandomProgram(10 + i % 20, random);
    // Blanks here and there, so that some tokens stand in columns.
    for (std::string& token : program) {
      if (token.find('\n') == std::string::npos && random() % 4 == 0) token += std::string(random() % 6, ' ');
    }
    ExpectStable(Join(program));
  }
}

}  // namespace
}  // namespace gradus::frontend
