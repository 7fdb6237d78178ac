#include "ir/blocking.h"

#include <algorithm>

namespace gradus::ir {
namespace {

constexpr int64_t kBlockK = 1024;
constexpr int64_t kBufferedRows = 96;  // of the panel, between microkernel and epilogue: stays in the L1 cache
// Narrow panels follow the edge of a band more closely than wide ones: 5 to 7 % of attention over 64 to 256 places, and
// a loss over more.
constexpr int64_t kSkippingVectors = 2;
constexpr int64_t kShortBand = 256;
constexpr int64_t kSlicedRows = 24;   // the same where every slice has a buffer of its own
constexpr int64_t kLargestTile = 14;  // rows
// The same where a panel is packed a block of terms at a time, once for all rows that wait: in the L2 cache, but then
// a block has a thousand terms or is worth packing once.
constexpr int64_t kWaitingBytes = 256 << 10;

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t RoundUp(int64_t a, int64_t b) { return CeilDiv(a, b) * b; }

int64_t Lanes(DType type, const Target& target) { return target.vector_bytes() / ByteWidth(type); }

int64_t PanelVectors(DType type, int64_t columns, const Target& target) {
  const int64_t vectors = CeilDiv(columns, Lanes(type, target));
  return CeilDiv(vectors, CeilDiv(vectors, WidestPanelVectors(target)));
}

// Rows of the largest tile: accumulators, the vectors of B and one broadcast of A fit the registers.
int64_t LargestTile(int64_t vectors, const Target& target) {
  if (target.isa == Isa::kAvx512) return vectors >= 4 ? 6 : vectors == 3 ? 8 : vectors == 2 ? 12 : 14;
  if (target.isa == Isa::kAvx2) return vectors == 2 ? 6 : 10;
  return 2;  // every multiply-add is a call
}

// Rows of the tiles: all equal where a divisor is near the largest tile, or else balanced, of this many and one less.
// Narrow panels have room for that; the widest ones share the kernels of two heights throughout a program.
int64_t TileRows(int64_t rows, int64_t vectors, const Target& target) {
  const int64_t largest = LargestTile(vectors, target);
  if (vectors < WidestPanelVectors(target)) {
    for (int64_t r = largest; r * vectors >= 8; --r) {
      if (rows % r == 0) return r;
    }
  }
  return CeilDiv(rows, CeilDiv(rows, largest));
}

// Packing costs one pass over a panel, what it gains is on every tile below: rows a page apart share the sets of the L1
// cache and take a TLB entry each (1.1 to 1.9 times slower in place from 64 rows on); rows 2 KB apart cost a machine
// with fewer entries half its speed, this one 2 % for the copy (codegen.md §9 of the design).
bool PackingPays(int64_t rows, int64_t row_bytes, int64_t vectors) {
  if (row_bytes % 4096 == 0) return rows >= 8 * vectors;
  return (row_bytes >= 2048 && rows >= 128) || (row_bytes >= 1024 && rows >= 192);
}

}  // namespace

// As the register file allows.
int64_t WidestPanelVectors(const Target& target) { return target.isa == Isa::kAvx512 ? 4 : 2; }

bool RunsOnOneThread(Size multiply_adds) { return multiply_adds.ok() && multiply_adds.value() < 15000; }

int64_t PackedPanelColumns(DType type, int64_t columns, const Target& target) {
  return PanelVectors(type, columns, target) * Lanes(type, target);
}

Blocking ChooseBlocking(const ContractionShape& shape, const Target& target) {
  Blocking blocking;
  const int64_t bytes = ByteWidth(shape.type);
  const Size terms = Size(shape.outer) * Size(shape.rows) * Size(shape.columns) * Size(shape.contracted);
  blocking.one_thread = RunsOnOneThread(terms - shape.absent);
  blocking.lanes = Lanes(shape.type, target);
  blocking.inlined = blocking.one_thread && shape.columns <= WidestPanelVectors(target) * blocking.lanes;
  blocking.vectors = shape.right == RightOperand::kPacked ? CeilDiv(shape.panel_columns, blocking.lanes)
                                                          : PanelVectors(shape.type, shape.columns, target);
  if (shape.skips && shape.right != RightOperand::kPacked && shape.columns <= kShortBand) {
    blocking.vectors = std::min(blocking.vectors, kSkippingVectors);
  }
  blocking.pack = shape.right == RightOperand::kStrided;
  if (shape.right == RightOperand::kRows) {
    blocking.pack = shape.contracted >= 64 && PackingPays(shape.rows, shape.right_row_bytes, blocking.vectors);
  }
  blocking.tile_rows = TileRows(shape.rows, blocking.vectors, target);
  const int64_t tiles = CeilDiv(shape.rows, blocking.tile_rows);
  blocking.block_k = std::min(shape.contracted, kBlockK);
  const bool buffered = !shape.direct || shape.slices > 1;
  int64_t waiting_rows = shape.slices > 1 ? kSlicedRows : kBufferedRows;
  if (blocking.pack && (shape.contracted > kBlockK || shape.contracted_turns > 1)) {
    waiting_rows = std::max(waiting_rows, kWaitingBytes / (shape.slices * blocking.panel_columns() * bytes));
  }
  blocking.block_tiles = buffered ? std::min(tiles, std::max<int64_t>(1, waiting_rows / blocking.tile_rows)) : 0;
  if (blocking.pack) blocking.pack_bytes = RoundUp(blocking.block_k * blocking.panel_columns() * bytes, 64);
  blocking.buffer_bytes =
      RoundUp(shape.slices * blocking.block_tiles * blocking.tile_rows * blocking.panel_columns() * bytes, 64);
  return blocking;
}

int64_t ContractionScratchBound(DType type, int64_t longest, int64_t contracted, int64_t slices, const Target& target) {
  const int64_t lanes = Lanes(type, target);
  const int64_t panel = std::min(RoundUp(longest, lanes), WidestPanelVectors(target) * lanes) * ByteWidth(type);
  const int64_t few_rows = std::max(slices > 1 ? slices * kSlicedRows : kBufferedRows, kLargestTile) * panel;
  const int64_t many_rows = std::min(slices * (longest + kLargestTile) * panel, kWaitingBytes);
  return std::min(contracted, kBlockK) * panel + std::max(few_rows, many_rows) + 128;
}

}  // namespace gradus::ir
