#include "codegen/contraction_loops.h"

#include <algorithm>
#include <utility>

#include "codegen/index_arithmetic.h"

namespace gradus::codegen {
namespace {

// Whether `outer` and `inner`, adjacent in the nest, move the operand like one loop.
bool Adjoin(const AxisStep& outer, const AxisStep& inner, int64_t inner_extent) {
  return outer.panel == 0 && inner.panel == 0 && outer.step == inner.step * inner_extent;
}

bool Adjoin(const ContractionLoop& outer, const ContractionLoop& inner) {
  if (!Adjoin(outer.a, inner.a, inner.extent) || !Adjoin(outer.b, inner.b, inner.extent)) return false;
  for (size_t i = 0; i < inner.outputs.size(); ++i) {
    if (!Adjoin(outer.outputs[i], inner.outputs[i], inner.extent)) return false;
  }
  return true;
}

std::vector<ContractionLoop> Collapse(const std::vector<ContractionLoop>& loops) {
  std::vector<ContractionLoop> result;
  for (const ContractionLoop& loop : loops) {
    if (loop.extent == 1) continue;
    const bool free = loop.side == 0 && (result.empty() || result.back().side == 0);
    if (!result.empty() && free && Adjoin(result.back(), loop)) {
      const int64_t extent = result.back().extent * loop.extent;
      result.back() = loop;
      result.back().extent = extent;
    } else {
      result.push_back(loop);
    }
  }
  return result;
}

// Takes one loop out of `loops`; a loop of one turn where there is none.
ContractionLoop Take(std::vector<ContractionLoop>& loops, int index, int outputs) {
  if (index < 0) {
    ContractionLoop none;
    none.outputs.resize(outputs);
    return none;
  }
  ContractionLoop taken = std::move(loops[index]);
  loops.erase(loops.begin() + index);
  return taken;
}

int AdjacentInOutput(const std::vector<ContractionLoop>& loops) {
  for (int i = static_cast<int>(loops.size()) - 1; i >= 0; --i) {
    if (loops[i].outputs[0].step == 1) return i;
  }
  return -1;
}

int Longest(const std::vector<ContractionLoop>& loops) {
  int longest = -1;
  for (int i = 0; i < static_cast<int>(loops.size()); ++i) {
    if (longest < 0 || loops[i].extent >= loops[longest].extent) longest = i;
  }
  return longest;
}

ir::RightOperand RightOperandOf(const ContractionLoops& loops, int64_t lanes, int64_t widest) {
  const AxisStep& column = loops.column.b;
  const AxisStep& contracted = loops.contracted.b;
  if (contracted.panel != 0 || column.step != 1) return ir::RightOperand::kStrided;
  if (column.panel == 0) return ir::RightOperand::kRows;
  const bool width_fits = column.panel % lanes == 0 && column.panel / lanes <= widest;
  return width_fits ? ir::RightOperand::kPacked : ir::RightOperand::kStrided;
}

bool HasSide(const ContractionLoop& loop) { return loop.side != 0; }

bool AnyHasSide(const std::vector<ContractionLoop>& loops) { return std::any_of(loops.begin(), loops.end(), HasSide); }

BandedAxis BandedAxisOf(const ContractionLoops& loops) {
  const bool row = HasSide(loops.row), column = HasSide(loops.column), outside = AnyHasSide(loops.contracted_outer);
  if (HasSide(loops.contracted)) return column || (row && outside) ? BandedAxis::kOther : BandedAxis::kTerms;
  if (outside) return BandedAxis::kOther;
  if (column) return BandedAxis::kColumns;
  return row ? BandedAxis::kRows : AnyHasSide(loops.outer) ? BandedAxis::kOuter : BandedAxis::kNone;
}

// The multiply-adds that the band leaves out.
ir::Size Absent(const ContractionSpec& spec) {
  ir::Size others = 1;
  int64_t inner = 1, outer = 1;
  for (const auto* loops : {&spec.batch, &spec.rows, &spec.columns, &spec.contracted}) {
    for (const ContractionLoop& loop : *loops) {
      if (loop.side == 0) others = others * ir::Size(loop.extent);
      if (loop.side == 1) inner = loop.extent;
      if (loop.side == -1) outer = loop.extent;
    }
  }
  const int64_t pairs = ir::PairsOf(ir::Band{.lower = spec.lower, .upper = spec.upper}, inner, outer);
  return others * (ir::Size(inner) * ir::Size(outer) - ir::Size(pairs));
}

bool InPanels(const AxisStep& step) { return step.panel != 0; }

}  // namespace

int64_t ContractionLoops::outer_count() const {
  int64_t count = 1;
  for (const ContractionLoop& loop : outer) count *= loop.extent;
  return count;
}

int64_t ContractionLoops::contracted_blocks() const {
  int64_t count = (contracted.extent + blocking.block_k - 1) / blocking.block_k;
  for (const ContractionLoop& loop : contracted_outer) count *= loop.extent;
  return count;
}

int64_t ContractionLoops::contracted_terms() const {
  int64_t terms = contracted.extent;
  for (const ContractionLoop& loop : contracted_outer) terms *= loop.extent;
  return terms;
}

ContractionLoops Normalize(const ContractionSpec& spec, const ir::Target& target, bool direct) {
  CHECK(spec.outputs >= 1) << "a contraction that writes nothing";
  std::vector<ContractionLoop> rows = Collapse(spec.rows);
  std::vector<ContractionLoop> columns = Collapse(spec.columns);
  std::vector<ContractionLoop> contracted = Collapse(spec.contracted);
  ContractionLoops result;
  const auto exchange = [&] {
    result.swapped = !result.swapped;
    std::swap(rows, columns);
    for (std::vector<ContractionLoop>* loops : {&rows, &columns, &contracted}) {
      for (ContractionLoop& loop : *loops) std::swap(loop.a, loop.b);
    }
  };
  if (columns.empty() || (AdjacentInOutput(columns) < 0 && AdjacentInOutput(rows) >= 0)) exchange();
  const auto column_of = [](const std::vector<ContractionLoop>& loops) {
    const int adjacent = AdjacentInOutput(loops);
    return adjacent >= 0 ? adjacent : Longest(loops);
  };
  int column = column_of(columns);
  // A vector has one range of terms, so what bounds them is a row.
  if (AnyHasSide(contracted) && !rows.empty() && column >= 0 && HasSide(columns[column])) {
    exchange();
    column = column_of(columns);
  }
  result.column = Take(columns, column, spec.outputs);
  result.row = Take(rows, Longest(rows), spec.outputs);
  result.contracted = Take(contracted, static_cast<int>(contracted.size()) - 1, spec.outputs);
  result.contracted_outer = std::move(contracted);
  result.outer = Collapse(spec.batch);
  if (result.swapped) {
    for (ContractionLoop& loop : result.outer) std::swap(loop.a, loop.b);
  }
  for (std::vector<ContractionLoop>* loops : {&rows, &columns}) {
    for (ContractionLoop& loop : *loops) result.outer.push_back(std::move(loop));
  }

  if (spec.banded()) result.banded = BandedAxisOf(result);
  const bool whole_elements = result.banded == BandedAxis::kNone || result.banded == BandedAxis::kTerms;

  ir::ContractionShape shape;
  shape.type = spec.type;
  shape.outer = result.outer_count();
  shape.rows = result.row.extent;
  shape.columns = result.column.extent;
  shape.contracted = result.contracted.extent;
  shape.contracted_turns = result.contracted_terms() / result.contracted.extent;
  shape.slices = spec.slices;
  shape.absent = Absent(spec);
  shape.skips = result.banded == BandedAxis::kColumns;
  shape.direct = direct && whole_elements && result.column.outputs[0].step == 1 && result.column.outputs[0].panel == 0;
  const int64_t bytes = ir::ByteWidth(spec.type);
  const int64_t lanes = target.vector_bytes() / bytes;
  shape.right = RightOperandOf(result, lanes, ir::WidestPanelVectors(target));
  shape.right_row_bytes = result.contracted.b.step * bytes;
  shape.panel_columns = result.column.b.panel;
  result.blocking = ir::ChooseBlocking(shape, target);

  bool tiles = !spec.lanes16 && result.banded != BandedAxis::kOther;
  tiles &= !InPanels(result.row.a) && !InPanels(result.contracted.a) && !InPanels(result.row.b);
  for (const ContractionLoop& loop : result.contracted_outer) tiles &= !InPanels(loop.a);
  for (const AxisStep& step : result.row.outputs) tiles &= !InPanels(step);
  tiles &= shape.right == ir::RightOperand::kPacked || !InPanels(result.column.b);
  bool in_place = tiles && result.banded == BandedAxis::kNone && result.blocking.inlined && spec.slices == 1 &&
                  result.contracted_outer.empty();
  in_place &= !InPanels(result.column.b) || result.column.extent <= result.column.b.panel;
  in_place &= !InPanels(result.contracted.b) || result.contracted.extent <= result.contracted.b.panel;
  result.method = spec.lanes16 ? ContractionMethod::kLanes
                  : in_place   ? ContractionMethod::kInline
                  : tiles      ? ContractionMethod::kTiles
                               : ContractionMethod::kScalar;
  return result;
}

llvm::Value* EmitOffset(llvm::IRBuilder<>& builder, const AxisStep& step, llvm::Value* index) {
  if (step.panel == 0) return IndexMultiply(builder, index, step.step);
  return IndexAdd(builder, IndexMultiply(builder, IndexDivide(builder, index, step.panel), step.panel_step),
                  IndexMultiply(builder, IndexRemainder(builder, index, step.panel), step.step));
}

std::pair<int64_t, int64_t> SliceOf(int64_t contracted, int64_t slices, int64_t i) {
  const int64_t length = (contracted + slices - 1) / slices;
  return {std::min(contracted, i * length), std::min(contracted, (i + 1) * length)};
}

}  // namespace gradus::codegen
