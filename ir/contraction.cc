#include "ir/contraction.h"

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ir/error.h"

namespace gradus::ir {
namespace {

absl::Status CheckLetters(absl::string_view spec, absl::string_view letters) {
  for (size_t i = 0; i < letters.size(); ++i) {
    if (!absl::ascii_islower(static_cast<unsigned char>(letters[i]))) {
      return ErrorStatus(ErrorKind::kEinsumSpec, "einsum \"", spec, "\": axes are lower-case letters, found '",
                         letters.substr(i, 1), "'");
    }
    if (letters.find(letters[i], i + 1) != absl::string_view::npos) {
      return ErrorStatus(ErrorKind::kEinsumSpec, "einsum \"", spec, "\": the letter ", letters.substr(i, 1),
                         " is repeated in one operand");
    }
  }
  return absl::OkStatus();
}

int Position(absl::string_view letters, char letter) {
  const size_t at = letters.find(letter);
  return at == absl::string_view::npos ? -1 : static_cast<int>(at);
}

struct Parts {
  absl::string_view a, b, result;
};

absl::StatusOr<Parts> Split(absl::string_view spec) {
  const std::vector<absl::string_view> sides = absl::StrSplit(spec, "->");
  if (sides.size() == 2) {
    const std::vector<absl::string_view> operands = absl::StrSplit(sides[0], ',');
    if (operands.size() == 2) return Parts{operands[0], operands[1], sides[1]};
  }
  return ErrorStatus(ErrorKind::kEinsumSpec, "einsum \"", spec,
                     "\": expected two operands and a result, as in \"ab,bc->ac\"");
}

// `text` with the letters that `spec` names in order of first appearance renamed a, b, c, ….
std::string Renamed(absl::string_view text, absl::string_view spec) {
  absl::flat_hash_map<char, char> names;
  for (const char c : spec) {
    if (!absl::ascii_isalpha(static_cast<unsigned char>(c))) continue;
    const char next = static_cast<char>('a' + names.size());
    names.emplace(c, next);
  }
  std::string renamed(text);
  for (char& c : renamed) {
    const auto name = names.find(c);
    if (name != names.end()) c = name->second;
  }
  return renamed;
}

}  // namespace

absl::StatusOr<Contraction> ParseContraction(absl::string_view spec, int64_t rank_a, int64_t rank_b) {
  ASSIGN_OR_RETURN(const Parts parts, Split(spec));
  for (absl::string_view letters : {parts.a, parts.b, parts.result}) RETURN_IF_ERROR(CheckLetters(spec, letters));
  if (static_cast<int64_t>(parts.a.size()) != rank_a || static_cast<int64_t>(parts.b.size()) != rank_b) {
    return ErrorStatus(ErrorKind::kEinsumSpec, "einsum \"", spec, "\" is for operands of rank ", parts.a.size(),
                       " and ", parts.b.size(), ", found ", rank_a, " and ", rank_b);
  }
  Contraction contraction;
  for (char letter : parts.result) {
    const int in_a = Position(parts.a, letter), in_b = Position(parts.b, letter);
    if (in_a < 0 && in_b < 0) {
      return ErrorStatus(ErrorKind::kEinsumSpec, "einsum \"", spec, "\": no operand has the axis ",
                         std::string(1, letter), " of the result");
    }
    const AxisKind kind = in_a < 0 ? AxisKind::kFreeB : in_b < 0 ? AxisKind::kFreeA : AxisKind::kBatch;
    contraction.axes.push_back({letter, kind, in_a, in_b, Position(parts.result, letter)});
  }
  for (char letter : parts.a) {
    if (Position(parts.result, letter) >= 0) continue;
    const int in_b = Position(parts.b, letter);
    if (in_b < 0) {
      return ErrorStatus(ErrorKind::kEinsumSpec, "einsum \"", spec, "\": axis ", std::string(1, letter),
                         " stands in one operand alone");
    }
    contraction.axes.push_back({letter, AxisKind::kContracted, Position(parts.a, letter), in_b, -1});
  }
  for (char letter : parts.b) {
    if (Position(parts.result, letter) < 0 && Position(parts.a, letter) < 0) {
      return ErrorStatus(ErrorKind::kEinsumSpec, "einsum \"", spec, "\": axis ", std::string(1, letter),
                         " stands in one operand alone");
    }
  }
  return contraction;
}

Contraction AxesOf(const Statement& dot) {
  auto contraction = ParseContraction(dot.Text("spec"), dot.operands[0]->type.rank(), dot.operands[1]->type.rank());
  CHECK(contraction.ok()) << contraction.status();
  if (dot.Text("band").empty()) return *std::move(contraction);
  const auto band = ParseBand(dot.Text("band"), dot.Text("spec"));
  CHECK(band.ok()) << band.status();
  contraction->lower = band->lower;
  contraction->upper = band->upper;
  for (ContractionAxis& axis : contraction->axes) {
    axis.side = axis.letter == band->inner ? 1 : axis.letter == band->outer ? -1 : 0;
  }
  return *std::move(contraction);
}

Size MultiplyAdds(const Statement& dot) {
  const Contraction contraction = AxesOf(dot);
  Size terms(1);
  int64_t inner = 1, outer = 1;
  for (const ContractionAxis& axis : contraction.axes) {
    const int64_t extent = contraction.Extent(axis, dot.operands[0]->type, dot.operands[1]->type);
    if (axis.side == 0) terms = terms * Size(extent);
    if (axis.side == 1) inner = extent;
    if (axis.side == -1) outer = extent;
  }
  return terms * Size(PairsOf(Band{.lower = contraction.lower, .upper = contraction.upper}, inner, outer));
}

std::string CanonicalSpec(absl::string_view spec) { return Renamed(spec, spec); }
std::string CanonicalBand(absl::string_view spec, absl::string_view band) { return Renamed(band, spec); }

std::string MatmulSpec(int64_t rank_a, int64_t rank_b, bool transpose_a, bool transpose_b) {
  if (rank_a < 1 || rank_b < 1 || rank_a > 10 || rank_b > 10) return "";
  if ((rank_a < 2 && transpose_a) || (rank_b < 2 && transpose_b)) return "";
  // m, k, n are the matrix axes; batch axes are A, B, … aligned from the right, as NumPy does.
  const int64_t batch_a = std::max<int64_t>(rank_a - 2, 0), batch_b = std::max<int64_t>(rank_b - 2, 0);
  const std::string batch = std::string("ABCDEFGHIJ").substr(0, std::max(batch_a, batch_b));
  std::string a = batch.substr(batch.size() - batch_a), b = batch.substr(batch.size() - batch_b);
  absl::StrAppend(&a, rank_a == 1 ? "k" : transpose_a ? "km" : "mk");
  absl::StrAppend(&b, rank_b == 1 ? "k" : transpose_b ? "nk" : "kn");
  return CanonicalSpec(absl::StrCat(a, ",", b, "->", batch, rank_a == 1 ? "" : "m", rank_b == 1 ? "" : "n"));
}

}  // namespace gradus::ir
