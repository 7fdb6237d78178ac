#include "frontend/diagnostics.h"

#include <gtest/gtest.h>

#include "frontend/ast.h"
#include "frontend/parser.h"
#include "ir/check.h"

namespace gradus::frontend {
namespace {

SourceRange Find(const SourceFile& file, absl::string_view text) {
  const size_t at = file.text().find(text);
  CHECK(at != absl::string_view::npos) << text;
  return {&file, static_cast<int32_t>(at), static_cast<int32_t>(at + text.size())};
}

TEST(DiagnosticsTest, AnErrorShowsTheLineTheCaretTheOperandsAndTheFix) {
  auto file =
      *SourceFile::Create("mlp.gr", "model m {\n  param w2 : f32[10,256] = zeros\n  h = x\n  logits = h @ w2\n}\n");
  Diagnostics diagnostics;
  diagnostics
      .Error(ErrorKind::kInnerSizesDiffer, Find(*file, "@"),
             "cannot multiply f32[64,256] by f32[10,256]: inner sizes 256 and 10 differ")
      .Defined("h", "f32[64,256]", Find(*file, "h = "))
      .Defined("w2", "f32[10,256]", Find(*file, "param"))
      .Help("w2 transposed would fit: h @ w2.T");
  EXPECT_EQ(diagnostics.ToStatus().message(),
            "mlp.gr:4:14: error: cannot multiply f32[64,256] by f32[10,256]: inner sizes 256 and 10 differ "
            "[inner-sizes-differ]\n"
            "    4 |   logits = h @ w2\n"
            "      |              ^\n"
            "   h  : f32[64,256]   defined at 3:3\n"
            "   w2 : f32[10,256]   defined at 2:3\n"
            "   help: w2 transposed would fit: h @ w2.T\n");
}

TEST(DiagnosticsTest, ErrorsComeInTheOrderOfTheTextAndOnce) {
  auto file = *SourceFile::Create("a.gr", "one\ntwo\n");
  Diagnostics diagnostics;
  diagnostics.Error(ErrorKind::kStrayCharacter, Find(*file, "two"), "second");
  diagnostics.Error(ErrorKind::kStrayCharacter, Find(*file, "one"), "first").Note("in f, called", Find(*file, "two"));
  diagnostics.Error(ErrorKind::kStrayCharacter, Find(*file, "two"), "second");
  EXPECT_EQ(diagnostics.Render(),
            "a.gr:1:1: error: first [stray-character]\n    1 | one\n      | ^~~\n   note: in f, called at a.gr:2:1\n"
            "a.gr:2:1: error: second [stray-character]\n    2 | two\n      | ^~~\n");
}

TEST(DiagnosticsTest, CaretsCountCodePointsAndTabsTakeOneColumn) {
  auto file = *SourceFile::Create("a.gr", "\t\"δ³\" ! x");
  Diagnostics diagnostics;
  diagnostics.Error(ErrorKind::kStrayCharacter, Find(*file, "!"), "stray");
  EXPECT_EQ(diagnostics.Render(), "a.gr:1:7: error: stray [stray-character]\n    1 |  \"δ³\" ! x\n      |       ^\n");
}

TEST(DiagnosticsTest, ALongLineIsShownAroundItsFault) {
  auto file = *SourceFile::Create("a.gr", std::string(1000, 'a') + "!" + std::string(1000, 'b'));
  Diagnostics diagnostics;
  diagnostics.Error(ErrorKind::kStrayCharacter, Find(*file, "!"), "stray");
  EXPECT_EQ(diagnostics.Render(), "a.gr:1:1001: error: stray [stray-character]\n    1 | …" + std::string(80, 'a') +
                                      "!" + std::string(79, 'b') + "…\n      | " + std::string(81, ' ') + "^\n");
}

TEST(DiagnosticsTest, AFullPageOfErrorsIsEnough) {
  auto file = *SourceFile::Create("a.gr", std::string(100, 'a'));
  Diagnostics diagnostics;
  for (int i = 0; i < 100; ++i) diagnostics.Error(ErrorKind::kStrayCharacter, {file.get(), i, i + 1}, "wrong");
  EXPECT_NE(diagnostics.Render().find("… and 80 more errors\n"), std::string::npos);
}

TEST(SourceTest, PositionsCountLinesAndCodePointsFromOne) {
  auto file = *SourceFile::Create("a.gr", "ab\r\nδx\n");
  EXPECT_EQ(file->PositionOf(0), (Position{1, 1}));
  EXPECT_EQ(file->PositionOf(4), (Position{2, 1}));
  EXPECT_EQ(file->PositionOf(6), (Position{2, 2}));
  EXPECT_EQ(file->PositionOf(8), (Position{3, 1}));
  EXPECT_EQ(file->Line(1), "ab");
  EXPECT_EQ(file->Line(3), "");
}

TEST(SourceTest, TextThatIsNotUtf8GetsASentence) {
  for (absl::string_view bad : {"\x80", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\xFF"}) {
    auto file = SourceFile::Create("a.gr", "x\n" + std::string(bad));
    ASSERT_FALSE(file.ok());
    EXPECT_NE(file.status().message().find("a.gr: error: the file is not UTF-8 text: byte 0x"),
              absl::string_view::npos);
    EXPECT_NE(file.status().message().find("at offset 2, line 2"), absl::string_view::npos) << file.status();
  }
}

}  // namespace
}  // namespace gradus::frontend
