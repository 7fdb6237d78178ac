// What the fuzzers have learned, without them: every text of their corpus, and every one that once broke a promise,
// through the functions that they drive; and the words that they write with.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "frontend/library.h"
#include "ir/op.h"
#include "tests/fuzz/subject.h"
#include "tests/golden.h"

namespace gradus::testing_support {
namespace {

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::set<std::filesystem::path> FilesOf(const std::string& folder) {
  const std::string path = absl::StrCat(GRADUS_SOURCE_DIR, "/tests/fuzz/", folder);
  std::set<std::filesystem::path> files;
  if (!std::filesystem::exists(path)) return files;  // nothing was found yet
  for (const auto& entry : std::filesystem::directory_iterator(path)) files.insert(entry.path());
  return files;
}

// The quoted words of the grammar, the operations and what the library defines.
std::string Dictionary() {
  std::set<std::string> words;
  const std::string grammar = ReadAll(GRADUS_SOURCE_DIR "/frontend/grammar.ebnf");
  const std::regex quoted("\"([^\"\\\\\n]+)\"");
  for (std::sregex_iterator i(grammar.begin(), grammar.end(), quoted), end; i != end; ++i) words.insert((*i)[1]);
  for (const ir::OpInfo& info : ir::AllOps()) {
    words.insert(std::string(info.mnemonic));
    for (const ir::AttributeSchema& attribute : info.attributes)
      words.insert(absl::StrCat(std::string(attribute.name), "="));
  }
  const std::regex defined("(?:^|\n)(?:fn|layer) ([a-z_0-9]+)");
  for (const frontend::LibraryFile& file : frontend::LibraryFiles()) {
    const std::string text(file.text);
    for (std::sregex_iterator i(text.begin(), text.end(), defined), end; i != end; ++i) words.insert((*i)[1]);
  }
  for (const char* word : {"f32", "f64", "i32", "i64", "u8", "bool", "float", "float[]"}) words.insert(word);
  std::string dictionary = "# Words of the language; GRADUS_REWRITE=1 build/tests/fuzz_test writes them.\n";
  for (const std::string& word : words) {
    absl::StrAppend(&dictionary, "\"");
    for (const char c : word) {  // libFuzzer takes printable characters alone
      const auto byte = static_cast<unsigned char>(c);
      absl::StrAppend(&dictionary, byte < 0x20 || byte > 0x7E || c == '"' || c == '\\'
                                       ? absl::StrFormat("\\x%02x", byte)
                                       : std::string(1, c));
    }
    absl::StrAppend(&dictionary, "\"\n");
  }
  return dictionary;
}

TEST(FuzzTest, TheDictionaryHasTheWordsOfTheLanguage) { ExpectGolden("tests/fuzz/gradus.dict", Dictionary()); }

// A broken promise ends this program and says which.
TEST(FuzzTest, EveryTextOfTheCorpusKeepsThePromises) {
  const auto files = FilesOf("corpus");
  EXPECT_GE(files.size(), 100u);
  for (const auto& file : files) {
    SCOPED_TRACE(file.string());
    const std::string text = ReadAll(file);
    FuzzParser(text);
    FuzzProgram(text);
  }
}

TEST(FuzzTest, WhatOnceBrokeAPromiseKeepsIt) {
  for (const auto& file : FilesOf("found")) {
    std::cerr << file.filename().string() << "\n";  // what ends the program is the last one
    const std::string text = ReadAll(file);
    FuzzParser(text);
    FuzzProgram(text);
  }
}

}  // namespace
}  // namespace gradus::testing_support
