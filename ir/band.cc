#include "ir/band.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "ir/check.h"
#include "ir/error.h"

namespace gradus::ir {
namespace {

constexpr size_t kMostDigits = 9;

// A letter and an offset: `q`, `q+3`, `q-3`.
struct Side {
  char letter = 0;
  int64_t offset = 0;
};

// Takes `<=` or `>=` and what stands around it off the text, which has no blanks.
class BandReader {
 public:
  explicit BandReader(absl::string_view text) : rest_(text) {}

  absl::optional<Side> TakeSide() {
    if (rest_.empty() || !absl::ascii_islower(static_cast<unsigned char>(rest_[0]))) return absl::nullopt;
    Side side{rest_[0], 0};
    rest_.remove_prefix(1);
    if (rest_.empty() || (rest_[0] != '+' && rest_[0] != '-')) return side;
    const bool negative = rest_[0] == '-';
    size_t end = 1;
    while (end < rest_.size() && absl::ascii_isdigit(static_cast<unsigned char>(rest_[end]))) ++end;
    if (end == 1 || end > kMostDigits + 1 || !absl::SimpleAtoi(rest_.substr(1, end - 1), &side.offset)) {
      return absl::nullopt;
    }
    if (negative) side.offset = -side.offset;
    rest_.remove_prefix(end);
    return side;
  }

  // '<' or '>', or 0.
  char TakeRelation() {
    if (rest_.size() < 2 || rest_[1] != '=' || (rest_[0] != '<' && rest_[0] != '>')) return 0;
    const char relation = rest_[0];
    rest_.remove_prefix(2);
    return relation;
  }

  bool done() const { return rest_.empty(); }

 private:
  absl::string_view rest_;
};

std::string Offset(int64_t offset) {
  return offset == 0 ? "" : offset > 0 ? absl::StrCat("+", offset) : absl::StrCat(offset);
}

absl::optional<Band> Read(absl::string_view text) {
  BandReader reader(text);
  const auto first = reader.TakeSide();
  const char relation = reader.TakeRelation();
  const auto second = reader.TakeSide();
  if (!first || !second || relation == 0) return absl::nullopt;
  if (reader.done()) {
    // a + m <= b + n says a - b <= n - m.
    const auto& [small, large] = relation == '<' ? std::pair(*first, *second) : std::pair(*second, *first);
    return Band{.inner = small.letter, .outer = large.letter, .upper = large.offset - small.offset};
  }
  const char relation_again = reader.TakeRelation();
  const auto third = reader.TakeSide();
  if (!third || !reader.done() || relation_again != relation || first->letter != third->letter) return absl::nullopt;
  const auto& [lower, upper] = relation == '<' ? std::pair(*first, *third) : std::pair(*third, *first);
  return Band{second->letter, lower.letter, lower.offset - second->offset, upper.offset - second->offset};
}

absl::StatusOr<Band> ReadFor(absl::string_view text, absl::string_view written, absl::string_view spec) {
  const auto wrong = [&](auto... parts) {
    return ErrorStatus(ErrorKind::kEinsumBand, "the band \"", written, "\" of einsum \"", spec, "\"", parts...);
  };
  const auto band = Read(text);
  if (!band) return wrong(" is not understood: expected one as in \"k<=q\", \"k<=q+3\" or \"q-3<=k<=q\"");
  for (const char letter : {band->inner, band->outer}) {
    if (spec.find(letter) == absl::string_view::npos) {
      return wrong(" names ", std::string(1, letter), ", which is no axis of it");
    }
  }
  if (band->inner == band->outer) return wrong(" compares the axis ", std::string(1, band->inner), " with itself");
  if (band->lower > band->upper) return wrong(" leaves nothing: its lower bound is above the upper one");
  return *band;
}

// How many i < inner and o < outer have i - o <= bound: the sum over o of o + bound + 1, between 0 and `inner`.
int64_t PairsBelow(int64_t bound, int64_t inner, int64_t outer) {
  const int64_t least = std::clamp(bound, -outer, inner - 1) + 1, most = least + outer - 1;
  const int64_t first = std::max<int64_t>(least, 1), last = std::min(most, inner);
  const int64_t rising = first <= last ? (first + last) * (last - first + 1) / 2 : 0;
  return rising + inner * std::max<int64_t>(0, most - std::max(inner, least - 1));
}

}  // namespace

absl::StatusOr<Band> ParseBand(absl::string_view text, absl::string_view spec) {
  ASSIGN_OR_RETURN(const Band band, ReadFor(text, text, spec));
  if (ToString(band) != text) {
    return ErrorStatus(ErrorKind::kEinsumBand, "the band \"", text, "\" of einsum \"", spec, "\" is written \"",
                       ToString(band), "\" in a graph");
  }
  return band;
}

absl::StatusOr<Band> ParseWrittenBand(absl::string_view text, absl::string_view spec) {
  std::string letters(text);
  letters.erase(std::remove(letters.begin(), letters.end(), ' '), letters.end());
  return ReadFor(letters, text, spec);
}

std::string ToString(const Band& band) {
  const std::string upper =
      absl::StrCat(std::string(1, band.inner), "<=", std::string(1, band.outer), Offset(band.upper));
  if (band.lower == -kNoBound) return upper;
  return absl::StrCat(std::string(1, band.outer), Offset(band.lower), "<=", upper);
}

int64_t PairsOf(const Band& band, int64_t inner, int64_t outer) {
  return PairsBelow(band.upper, inner, outer) - PairsBelow(band.lower - 1, inner, outer);
}

}  // namespace gradus::ir
