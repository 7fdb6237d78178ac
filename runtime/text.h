// Text as integers: which character has which number, and the windows that a recipe cuts from a file.
//
//   data tokens = text("corpus.txt", window=T), targets = text("corpus.txt", window=T, shift=1)
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "frontend/lower.h"
#include "ir/tensor.h"

namespace gradus::runtime {

// The characters of a text, numbered from 0: its code points in ascending order, or all bytes.
class Vocabulary {
 public:
  // Of the code points of `text`, which must be UTF-8; `name` for the sentence.
  static absl::StatusOr<Vocabulary> Of(absl::string_view name, absl::string_view text);
  static Vocabulary OfBytes();
  // What `Saved` wrote.
  static absl::StatusOr<Vocabulary> Load(absl::string_view name, absl::string_view saved);
  // As it is kept beside the parameters: `bytes`, or `characters:` and the characters in order.
  std::string Saved() const;

  int64_t size() const { return static_cast<int64_t>(characters_.size()); }
  bool is_bytes() const { return bytes_; }
  // Fails with the place of the first character that has no number; `origin`, a file, for the sentence.
  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view name, absl::string_view text,
                                              absl::string_view origin = "") const;
  // The bytes of one character.
  const std::string& Character(int64_t token) const { return characters_[token]; }
  absl::optional<int32_t> Find(absl::string_view character) const;

  friend bool operator==(const Vocabulary&, const Vocabulary&) = default;

 private:
  bool bytes_ = false;
  std::vector<std::string> characters_;  // ascending: UTF-8 sorts as code points do
};

// The vocabulary that parameters were trained with, and where it stands.
struct TrainedVocabulary {
  Vocabulary vocabulary;
  std::string file;
};

struct TokenWindows {
  ir::Tensor tokens;  // i32 [examples, window]
  Vocabulary vocabulary;
};

// Reads the file of a text source, relative to `directory` (empty, or ending in `/`). As many windows as leave one
// character behind the last one, or `shift` where that is more, so that a text and what follows it are of one length.
// `trained`, where there is one, numbers the characters, so that they mean to loaded parameters what they did in
// training.
absl::StatusOr<TokenWindows> ReadTextWindows(const std::string& directory, const frontend::Source& source,
                                             const TrainedVocabulary* trained = nullptr);

}  // namespace gradus::runtime
