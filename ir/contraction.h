// The axes of a contraction (`einsum`, operation Dot), read from its spec.
//
// A spec is `ab,bc->ac`: one lower-case letter an axis. A letter in both operands and the result is a batch axis, in
// one operand and the result a free axis, in both operands but not in the result a contracted axis. Nothing else is
// legal in the operation: lowering turns a letter of one operand alone into a sum first, and a repeated letter is
// refused. Contracted axes are summed in the order in which they stand in the first operand, the last one fastest. The
// canonical spelling names letters a, b, c, … in order of first appearance, those of the band (ir/band.h) with them.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ir/band.h"
#include "ir/graph.h"

namespace gradus::ir {

enum class AxisKind : uint8_t { kBatch, kFreeA, kFreeB, kContracted };

struct ContractionAxis {
  char letter = 0;
  AxisKind kind = AxisKind::kBatch;
  int in_a = -1;  // position in the first operand, -1: absent
  int in_b = -1;
  int in_result = -1;
  int64_t side = 0;  // of the band: 1 the inner axis, -1 the outer one
};

struct Contraction {
  std::vector<ContractionAxis>
      axes;  // batch and free in the order of the result, then contracted in the order of operand a
  // A term exists where lower <= Σ side · index <= upper.
  int64_t lower = -kNoBound;
  int64_t upper = kNoBound;
  // The extents of an axis from the operands' types.
  int64_t Extent(const ContractionAxis& axis, const Type& a, const Type& b) const {
    return axis.in_a >= 0 ? a.shape[axis.in_a] : b.shape[axis.in_b];
  }
};

// Reads a spec for operands of these ranks; a sentence says what is wrong with it.
absl::StatusOr<Contraction> ParseContraction(absl::string_view spec, int64_t rank_a, int64_t rank_b);
// The axes of a verified Dot, with its band.
Contraction AxesOf(const Statement& dot);
// The multiply-adds of a verified Dot: its terms that exist.
Size MultiplyAdds(const Statement& dot);
// The same spec with its letters named in order of first appearance.
std::string CanonicalSpec(absl::string_view spec);
// A band over letters of `spec` (or none, the empty text) in those of CanonicalSpec(spec).
std::string CanonicalBand(absl::string_view spec, absl::string_view band);
// The spec of `a @ b` for these ranks (NumPy's matmul: leading axes are batch, which must have equal rank here; rank 1
// is a vector), with the last two axes of an operand swapped where `transpose_…` says so; empty where `@` does not
// apply.
std::string MatmulSpec(int64_t rank_a, int64_t rank_b, bool transpose_a, bool transpose_b);

}  // namespace gradus::ir
