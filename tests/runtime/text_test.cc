// Text as data: which character is which number, which windows a file gives, and the sentence for what cannot be read.
#include "runtime/text.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "runtime/file.h"
#include "tests/matchers.h"
#include "tests/runtime/program.h"

namespace gradus::runtime {
namespace {

using testing::ElementsAre;
using testing_support::FailsWith;
using testing_support::IsOk;

class TextTest : public testing::Test {
 protected:
  TextTest() : folder_(absl::StrCat(testing::TempDir(), "gradus_text_", getpid(), "/")) {
    std::filesystem::create_directories(folder_);
  }
  ~TextTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text) {
    ASSERT_THAT(WriteFileAtomically(folder_ + name, {text}), IsOk());
  }
  // The windows of "t.txt".
  absl::StatusOr<TokenWindows> Read(frontend::TextWindows windows) {
    if (windows.stride == 0) windows.stride = windows.window;
    return ReadTextWindows(folder_, {"t.txt", absl::nullopt, "m.gr:9:3", std::move(windows)});
  }
  std::vector<int32_t> Tokens(const frontend::TextWindows& windows) {
    const auto read = Read(windows);
    EXPECT_THAT(read, IsOk());
    if (!read.ok()) return {};
    EXPECT_EQ(read->tokens.type().shape[1], windows.window);
    const auto tokens = read->tokens.data<int32_t>();
    return {tokens.begin(), tokens.end()};
  }

  std::string folder_;
};

TEST_F(TextTest, CharactersAreNumberedByTheirCodePoints) {
  const auto vocabulary = Vocabulary::Of("t", "ba€ b\nä");
  ASSERT_THAT(vocabulary, IsOk());
  std::string all;
  for (int64_t i = 0; i < vocabulary->size(); ++i) all += vocabulary->Character(i);
  EXPECT_EQ(all, "\n abä€");
  EXPECT_THAT(*vocabulary->Encode("t", "€a\n"), ElementsAre(5, 2, 0));
  EXPECT_THAT(vocabulary->Encode("--prompt", "ab€c"),
              FailsWith("--prompt: the character 'c' at offset 5 is none of the 6 of the vocabulary"));
  EXPECT_EQ(*Vocabulary::Load("w", vocabulary->Saved()), *vocabulary);
  EXPECT_EQ(*Vocabulary::Load("w", Vocabulary::OfBytes().Saved()), Vocabulary::OfBytes());
  EXPECT_THAT(Vocabulary::Load("w", "words"), FailsWith("w: the vocabulary is neither `bytes` nor `characters:…`"));
  EXPECT_THAT(*Vocabulary::OfBytes().Encode("t", "a\xff"), ElementsAre(97, 255));
}

TEST_F(TextTest, AWindowIsFollowedByWhatTheShiftedOneHolds) {
  Write("t.txt", "abcdefgh");
  EXPECT_THAT(Tokens({.window = 3}), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(Tokens({.window = 3, .shift = 1}), ElementsAre(1, 2, 3, 4, 5, 6));
  // A window of the whole text would have nothing behind its last character.
  EXPECT_THAT(Tokens({.window = 4}), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Tokens({.window = 4, .shift = 1}), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Tokens({.window = 5, .stride = 1}), ElementsAre(0, 1, 2, 3, 4, 1, 2, 3, 4, 5, 2, 3, 4, 5, 6));
  EXPECT_THAT(Tokens({.window = 2, .to = 0.5}), ElementsAre(0, 1));
  EXPECT_THAT(Tokens({.window = 2, .from = 0.5}), ElementsAre(4, 5));
  EXPECT_THAT(Tokens({.window = 2, .shift = 1, .from = 0.5}), ElementsAre(5, 6));
  EXPECT_THAT(Tokens({.window = 2, .to = 0.5, .bytes = true}), ElementsAre('a', 'b'));
  Write("other.txt", "xyzabcdefgh");
  EXPECT_THAT(Tokens({.window = 7, .vocabulary = "other.txt"}), ElementsAre(0, 1, 2, 3, 4, 5, 6));
  Write("other.txt", "012abcdefgh");
  EXPECT_THAT(Tokens({.window = 7, .vocabulary = "other.txt"}), ElementsAre(3, 4, 5, 6, 7, 8, 9));
}

TEST_F(TextTest, WhatCannotBeReadGetsASentence) {
  Write("t.txt", "abc");
  EXPECT_THAT(
      Read({.window = 3}),
      FailsWith(absl::StrCat(folder_, "t.txt: 3 characters are too few for a window of 3 and what follows it")));
  Write("other.txt", "ab");
  EXPECT_THAT(
      Read({.window = 1, .vocabulary = "other.txt"}),
      FailsWith(absl::StrCat(folder_, "t.txt: the character 'c' at offset 2 is none of the 2 of the vocabulary")));
  Write("t.txt", "ab\xff");
  EXPECT_THAT(Read({.window = 1}), FailsWith(absl::StrCat(folder_,
                                                          "t.txt: the text is not UTF-8: byte 255 at offset 2; "
                                                          "text(…, bytes=true) takes any file")));
  EXPECT_THAT(Read({.window = 1, .bytes = true}), IsOk());
}

TEST_F(TextTest, ARecipeReadsTextIntoItsInputs) {
  Write("t.txt", "hello world, hello moon");
  Write("m.gr", R"(model m {
  dim B = 2, T = 5
  input tokens : i32[B,T]
  input targets : i32[B,T]
  param table : float[16,16] = zeros
  loss = mean(cross_entropy(table[tokens], targets))
}
train m {
  minimize loss
  optimizer sgd(lr=1)
  data tokens = text("t.txt", window=T), targets = text("t.txt", window=T, shift=1)
  validate tokens = text("t.txt", window=T, from=0.5) + 1 - 1, targets = text("t.txt", window=T, shift=1, from=0.5)
  batch B
}
)");
  const TestProgram loaded = Load(*frontend::LoadProgram(folder_ + "m.gr"));
  EXPECT_EQ(loaded.data.examples, 4);
  EXPECT_EQ(loaded.validation.examples, 2);
  ASSERT_TRUE(loaded.data.vocabulary.has_value());
  EXPECT_EQ(loaded.data.vocabulary->Saved(), "characters: ,dehlmnorw");
  const auto tokens = loaded.data.Find("tokens")->values.data<int32_t>();
  const auto targets = loaded.data.Find("targets")->values.data<int32_t>();
  for (size_t i = 0; i + 1 < tokens.size(); ++i) EXPECT_EQ(targets[i], tokens[i + 1]);
}

}  // namespace
}  // namespace gradus::runtime
