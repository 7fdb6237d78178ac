// The library documents itself: a function or layer without a comment in front of it fails here.
#include "frontend/library_docs.h"

#include <gtest/gtest.h>

#include <set>

#include "absl/strings/match.h"

namespace gradus::frontend {
namespace {

TEST(LibraryDocsTest, EveryFunctionAndLayerHasACommentInFrontOfIt) {
  std::set<std::string> names;
  for (const LibraryChapter& chapter : LibraryChapters()) {
    EXPECT_GT(chapter.doc.size(), 20u) << chapter.file << ".gr does not begin with a comment";
    EXPECT_FALSE(chapter.title.empty()) << chapter.file;
    for (const LibraryDefinition& definition : chapter.definitions) {
      EXPECT_GT(definition.doc.size(), 5u)
          << chapter.file << ".gr: " << definition.name << " has no comment in front of it";
      EXPECT_TRUE(names.insert(definition.name).second) << definition.name << " is defined twice";
    }
  }
  EXPECT_GT(names.size(), 80u);
}

TEST(LibraryDocsTest, ADefinitionIsReadWithItsParametersAndItsText) {
  const LibraryDefinition* found = nullptr;
  const auto chapters = LibraryChapters();
  for (const LibraryChapter& chapter : chapters) {
    for (const LibraryDefinition& definition : chapter.definitions) {
      if (definition.name == "leaky_relu") found = &definition;
    }
  }
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->Signature(), "leaky_relu(x, slope=0.01)");
  EXPECT_TRUE(absl::StartsWith(found->doc, "x where x > 0, else slope x; its derivative at 0 is slope"));
  EXPECT_EQ(found->source, "fn leaky_relu(x, slope=0.01) = where(x > 0, x, x * slope)");
  EXPECT_FALSE(found->layer);
}

}  // namespace
}  // namespace gradus::frontend
