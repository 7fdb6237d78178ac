// How a contraction is cut into tiles for a target: pure functions of its shape, so that the memory plan knows the
// scratch of code that it may not see. Nothing here changes a bit: tiles, panels and blocks of the contracted axis keep
// every output's chain of fused multiply-adds (a stored and reloaded accumulator is the same number).
//
// The microkernel holds rows x vectors accumulators in registers, reads A one broadcast scalar at a time and B by
// vectors. A panel is as many columns of B as the microkernel is wide. B is read in place, or packed panel by panel
// ([k][panel width], zero-padded) where its columns are not adjacent or its rows lie too far apart for the TLB and the
// sets of the L1 cache, or lies packed from step to step (a parameter in the layout `packed`).
// Goto, van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008.
#pragma once

#include "ir/target.h"
#include "ir/type.h"

namespace gradus::ir {

// How operand b lies: element strides of its column and contracted axes decide.
enum class RightOperand : uint8_t {
  kRows,     // columns adjacent: can be read in place
  kPacked,   // in panels of the microkernel's width
  kStrided,  // columns not adjacent (transposed and other strides): must be packed
};

struct ContractionShape {
  DType type = DType::kF32;
  int64_t outer = 1;  // batch axes, and free axes that do not collapse with others
  int64_t rows = 1;
  int64_t columns = 1;
  int64_t contracted = 1;        // of the innermost contracted axis
  int64_t contracted_turns = 1;  // of the other contracted axes
  int64_t slices = 1;            // chains that are added left to right at the end
  Size absent = 0;               // multiply-adds that a band leaves out
  bool skips = false;            // a band leaves out tiles of the result
  RightOperand right = RightOperand::kRows;
  int64_t right_row_bytes = 0;  // kRows: between consecutive k
  int64_t panel_columns = 0;    // kPacked: the width of the panels; otherwise 0
  bool direct = true;           // finished accumulators go straight to the result, without an epilogue
};

struct Blocking {
  int64_t lanes = 1;    // elements of a vector
  int64_t vectors = 1;  // panel width in vectors
  int64_t tile_rows = 1;
  bool inlined = false;     // the microkernel is emitted in place, its epilogue on registers: no scratch, no calls
  bool pack = false;        // b is packed into scratch, panel by panel
  bool one_thread = false;  // too little work to share
  int64_t block_k = 1;      // contracted elements between reloads of the accumulators
  int64_t block_tiles = 1;  // tiles whose finished accumulators wait in scratch for the epilogue; 0: direct
  int64_t pack_bytes = 0;   // scratch of each thread: first the packed panel, then the accumulators
  int64_t buffer_bytes = 0;

  int64_t panel_columns() const { return lanes * vectors; }
  int64_t scratch_bytes() const { return pack_bytes + buffer_bytes; }
};

Blocking ChooseBlocking(const ContractionShape& shape, const Target& target);

// The panel width of the layout `packed` of a parameter with this many columns.
int64_t PackedPanelColumns(DType type, int64_t columns, const Target& target);

// The widest panel of the microkernel, in vectors.
int64_t WidestPanelVectors(const Target& target);

// Whether a contraction of this many multiply-adds is worth more than one thread.
bool RunsOnOneThread(Size multiply_adds);

// An upper bound of scratch_bytes() over every way in which axes of these total extents may collapse; `longest` is the
// greater of those of rows and of columns.
int64_t ContractionScratchBound(DType type, int64_t longest, int64_t contracted, int64_t slices, const Target& target);

}  // namespace gradus::ir
