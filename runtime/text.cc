#include "runtime/text.h"

#include <algorithm>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "frontend/source.h"
#include "ir/check.h"
#include "ir/error.h"
#include "runtime/file.h"
#include "runtime/memory.h"

namespace gradus::runtime {
namespace {

constexpr absl::string_view kBytes = "bytes";
constexpr absl::string_view kCharacters = "characters:";

// Calls use(character, offset) for each; fails where the text is not UTF-8.
template <typename Use>
absl::Status ForEachCharacter(absl::string_view name, absl::string_view text, Use use) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = frontend::SequenceLength(text.substr(i, 4));
    if (length == 0) {
      return ir::ErrorStatus(ir::ErrorKind::kNotUtf8, name, ": the text is not UTF-8: byte ",
                             static_cast<int>(static_cast<unsigned char>(text[i])), " at offset ", i,
                             "; text(…, bytes=true) takes any file");
    }
    RETURN_IF_ERROR(use(text.substr(i, length), i));
    i += length;
  }
  return absl::OkStatus();
}

std::string InDirectory(const std::string& directory, const std::string& path) {
  return absl::StartsWith(path, "/") ? path : directory + path;
}

}  // namespace

absl::StatusOr<Vocabulary> Vocabulary::Of(absl::string_view name, absl::string_view text) {
  std::set<absl::string_view> characters;
  RETURN_IF_ERROR(ForEachCharacter(name, text, [&](absl::string_view character, size_t) {
    characters.insert(character);
    return absl::OkStatus();
  }));
  Vocabulary vocabulary;
  for (const absl::string_view character : characters) vocabulary.characters_.emplace_back(character);
  return vocabulary;
}

Vocabulary Vocabulary::OfBytes() {
  Vocabulary vocabulary;
  vocabulary.bytes_ = true;
  for (int byte = 0; byte < 256; ++byte) vocabulary.characters_.emplace_back(1, static_cast<char>(byte));
  return vocabulary;
}

absl::StatusOr<Vocabulary> Vocabulary::Load(absl::string_view name, absl::string_view saved) {
  if (saved == kBytes) return OfBytes();
  if (!absl::ConsumePrefix(&saved, kCharacters)) {
    return ir::ErrorStatus(ir::ErrorKind::kBrokenFile, name, ": the vocabulary is neither `bytes` nor `characters:…`");
  }
  return Of(name, saved);
}

std::string Vocabulary::Saved() const {
  if (bytes_) return std::string(kBytes);
  std::string saved(kCharacters);
  for (const std::string& character : characters_) saved += character;
  return saved;
}

absl::optional<int32_t> Vocabulary::Find(absl::string_view character) const {
  const auto at = std::lower_bound(characters_.begin(), characters_.end(), character);
  if (at == characters_.end() || *at != character) return absl::nullopt;
  return static_cast<int32_t>(at - characters_.begin());
}

absl::StatusOr<std::vector<int32_t>> Vocabulary::Encode(absl::string_view name, absl::string_view text,
                                                        absl::string_view origin) const {
  std::vector<int32_t> tokens;
  tokens.reserve(text.size());
  if (bytes_) {
    for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
    return tokens;
  }
  RETURN_IF_ERROR(ForEachCharacter(name, text, [&](absl::string_view character, size_t offset) -> absl::Status {
    const auto token = Find(character);
    if (!token) {
      return ir::ErrorStatus(ir::ErrorKind::kUnknownCharacter, name, ": the character '",
                             absl::Utf8SafeCEscape(character), "' at offset ", offset, " is none of the ", size(),
                             " of the vocabulary",
                             origin.empty() ? "" : absl::StrCat(" that the parameters of ", origin, " know"));
    }
    tokens.push_back(*token);
    return absl::OkStatus();
  }));
  return tokens;
}

namespace {

absl::StatusOr<Vocabulary> VocabularyOf(const std::string& directory, const frontend::TextWindows& cut,
                                        const std::string& path, absl::string_view text,
                                        const TrainedVocabulary* trained) {
  if (trained != nullptr) {
    if (cut.bytes == trained->vocabulary.is_bytes()) return trained->vocabulary;
    return ir::ErrorStatus(ir::ErrorKind::kUnknownCharacter, path, ": is read as ", cut.bytes ? "bytes" : "characters",
                           ", but the parameters of ", trained->file, " were trained on ",
                           cut.bytes ? "characters" : "bytes");
  }
  if (cut.bytes) return Vocabulary::OfBytes();
  if (cut.vocabulary.empty()) return Vocabulary::Of(path, text);
  const std::string other = InDirectory(directory, cut.vocabulary);
  ASSIGN_OR_RETURN(const std::string characters, ReadMaybeGzip(other));
  return Vocabulary::Of(other, characters);
}

}  // namespace

absl::StatusOr<TokenWindows> ReadTextWindows(const std::string& directory, const frontend::Source& source,
                                             const TrainedVocabulary* trained) {
  const frontend::TextWindows& cut = *source.text;
  const std::string path = InDirectory(directory, source.path);
  ASSIGN_OR_RETURN(const std::string text, ReadMaybeGzip(path));
  ASSIGN_OR_RETURN(Vocabulary vocabulary, VocabularyOf(directory, cut, path, text, trained));
  ASSIGN_OR_RETURN(const std::vector<int32_t> tokens,
                   vocabulary.Encode(path, text, trained != nullptr ? trained->file : ""));
  const auto share = [&](double at) { return static_cast<int64_t>(at * static_cast<double>(tokens.size())); };
  const int64_t first = share(cut.from), length = share(cut.to) - first;
  const int64_t starts = length - std::max<int64_t>(cut.shift, 1) - cut.window;  // the last one, without the shift
  if (starts < 0) {
    return ir::ErrorStatus(ir::ErrorKind::kTooFewExamples, path, ": ", length,
                           length == 1 ? " character is" : " characters are", " too few for a window of ", cut.window,
                           " and what follows it");
  }
  const int64_t examples = starts / cut.stride + 1;
  const ir::Type type{ir::DType::kI32, {examples, cut.window}};
  RETURN_IF_ERROR(CheckMemory(type.bytes(), absl::StrCat("the windows of ", path, " : ", ir::ToString(type))));
  TokenWindows result{ir::Tensor(type), std::move(vocabulary)};
  const auto to = result.tokens.data<int32_t>();
  for (int64_t i = 0; i < examples; ++i) {
    const auto from = tokens.begin() + (first + i * cut.stride + cut.shift);
    std::copy(from, from + cut.window, to.begin() + i * cut.window);
  }
  return result;
}

}  // namespace gradus::runtime
