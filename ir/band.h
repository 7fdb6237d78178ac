// The band of a contraction: which of its terms exist.
//
// `k<=q+3` says that of all terms of an einsum only those exist for which the index of the axis k is at most 3 more
// than that of the axis q; `q-3<=k<=q` bounds it on both sides. Terms that do not exist are not zeros, they are not
// there: a sum has fewer terms, and an element without any is +0. Both axes stay axes of the contraction's gradients,
// so those have the same band.
//
// Written without blanks; an offset of 0 is left away: one text for one band of two given axes, but for the two ways of
// a band with two bounds.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gradus::ir {

inline constexpr int64_t kNoBound = int64_t{1} << 40;  // more than any two indices differ

// A term exists where lower <= index of `inner` - index of `outer` <= upper.
struct Band {
  char inner = 0;
  char outer = 0;
  int64_t lower = -kNoBound;
  int64_t upper = kNoBound;
  friend bool operator==(const Band&, const Band&) = default;
};

// Reads a band over two letters of `spec`; a sentence says what is wrong with it.
absl::StatusOr<Band> ParseBand(absl::string_view text, absl::string_view spec);
// The same, and `k>=q-3` and blanks as a person writes them.
absl::StatusOr<Band> ParseWrittenBand(absl::string_view text, absl::string_view spec);
std::string ToString(const Band& band);

// How many pairs of indices of two axes of these extents it leaves.
int64_t PairsOf(const Band& band, int64_t inner, int64_t outer);

}  // namespace gradus::ir
