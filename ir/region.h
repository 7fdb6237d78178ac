// What a fused region may be: the contract between the pass that makes regions, the verifier and code generation.
//
// A region is one of four kinds, told from its content alone:
//
//   kLoop         elementwise statements over one iteration space, the shape of every yield.
//   kRow          reductions over the trailing axes of the space (softmax, cross-entropy, argmax, layer norm): the
//   space
//                 is `rows… × columns…`. Statements before, between and after the reductions work on whole rows
//                 `[rows…, columns…]` or on one value a row, `[rows…]` or `[rows…, 1…]`.
//   kReduction    reductions over other axes (a bias gradient), all over the same ones, of elementwise producers; what
//                 follows them works on the reduced shape.
//   kContraction  one Dot of two region parameters, then elementwise statements on its result: the epilogue.
//
// Every statement but the reductions, the Dot and the accesses is elementwise or a scalar literal. Its value is defined
// at each index of the *space* or, after a reduction, at each index of the *reduced* shape (`Alignment`); operands
// broadcast to it by NumPy's rule, so a value with extent 1 on an axis is the same along it and is worth computing
// once. `broadcast` of anything is legal and means nothing more than that. In a kRow region a reshape that appends the
// unit axes of the columns carries a value of each row back to the space, and one that drops them the other way.
//
// Accesses are movement statements that say where a region parameter is read: their operands are parameters or other
// accesses. In an epilogue they only add or remove unit axes.
//
// The order of a reduction and of a contraction is what ir/order.h says of that statement, whatever the kind of region.
// Values have one definition of their bits, so a kernel may recompute a value instead of keeping it. For the indices
// that it works on, a kernel reads everything that its yields depend on before it stores any of them: a yield may lie
// in place of a parameter that is read at its own index only (MayLieInPlace).
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "ir/graph.h"

namespace gradus::ir {

enum class RegionKind : uint8_t { kLoop, kRow, kReduction, kContraction };
absl::string_view Name(RegionKind kind);  // `loop`

enum class Alignment : uint8_t { kSpace, kReduced };

struct RegionForm {
  RegionKind kind = RegionKind::kLoop;
  Shape space;    // kLoop, kContraction: the shape of every yield; kRow, kReduction: of every reduced operand
  Shape reduced;  // kRow: the extents of the rows; kReduction: of the axes that stay
  Ints axes;      // the reduced axes of the space, ascending; kRow: the trailing ones
  const Statement* dot = nullptr;            // kContraction
  std::vector<const Statement*> reductions;  // kRow, kReduction, in text order
  // One a statement of the region: the shape to which its result broadcasts. The result of a reduction has kReduced.
  // A scalar that is read at both has kReduced.
  std::vector<Alignment> alignment;
  // One a yield. A yield has the shape of the space or the reduced shape, or (kRow) the reduced shape with unit
  // columns, which has kSpace.
  std::vector<Alignment> yields;
};

// The form of a region whose statements are typed. The error is a sentence that says what no kind allows.
absl::StatusOr<RegionForm> ClassifyRegion(const Region& region);

// Statements, in text order, that could become a region: whatever they read that none of them defines would be
// a parameter.
struct RegionView {
  std::vector<const Statement*> statements;
  std::vector<const Value*> yields;
};
absl::StatusOr<RegionForm> ClassifyRegion(const RegionView& view);

// Whether a statement of this operation may be an access: reshape (of unit axes only), transpose, slice, flip, iota,
// one_hot, random_bits, gather. (Broadcast may stand anywhere.)
bool IsAccess(Op op);
// Whether two shapes differ in unit axes only.
bool SameButUnitAxes(absl::Span<const int64_t> a, absl::Span<const int64_t> b);

// Whether the yield with this number may be written over this parameter: it has its type, depends on it, and the region
// reads it only at the index that it computes. (A yield of the space in a kRow or kReduction region may not: such
// kernels pass over the space more than once.)
bool MayLieInPlace(const Region& region, const RegionForm& form, size_t yield, const Value* parameter);

// Whether this statement alone is what a region of some kind says: elementwise, an access, a reduction, a Dot. Such
// a statement is a kernel like a region and is not wrapped in the text; Wrap makes the region that stands for it.
bool IsKernelOfOneStatement(const Statement& statement);
// `fused(operands) { the statement; yield its results }`: results keep name and type, definition and arena are those of
// the new statement. The graph does not hold it.
std::unique_ptr<Statement> Wrap(const Statement& statement);

}  // namespace gradus::ir
