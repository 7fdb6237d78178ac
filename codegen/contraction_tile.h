// The microkernel of a contraction: rows x vectors accumulators in registers. Private to the contraction code.
#pragma once

#include <vector>

#include "absl/types/optional.h"
#include "ir/target.h"
#include "ir/type.h"
#include "llvm/IR/IRBuilder.h"

namespace gradus::codegen {

llvm::Type* ElementType(llvm::IRBuilder<>& builder, ir::DType type);

// a * b + accumulator, scalars or vectors: fused for floating-point types, modulo 2^bits for integers.
llvm::Value* EmitMultiplyAdd(llvm::IRBuilder<>& builder, const ir::Target& target, llvm::Value* a, llvm::Value* b,
                             llvm::Value* accumulator);

// The mask of the first `valid` (i64) of `lanes` lanes.
llvm::Value* EmitLaneMask(llvm::IRBuilder<>& builder, int64_t lanes, llvm::Value* valid);

struct Tile {
  ir::DType type;
  int64_t lanes = 1;  // of a vector; 1 makes everything scalar
  int64_t vectors = 1;
  int64_t rows = 1;
};

// What is added to an accumulator.
enum class TileTerms : uint8_t {
  kProducts,  // an element of a row of a times a column of b
  kPaired,    // the same where a has the columns of b: products lane by lane
  kSums,      // a, which has columns, alone; there is no b
};

// Where the microkernel finds its operands; steps in bytes, i64.
struct TileOperands {
  llvm::Value* a;
  llvm::Value* b;
  llvm::Value* a_row;
  llvm::Value* a_k;
  llvm::Value* b_k;
  llvm::Value* contracted;      // at least 1
  llvm::Value* mask = nullptr;  // of the last vector of b; null: whole
  int64_t b_column = 0;         // bytes between columns of b where they are not adjacent: they are gathered,
  int64_t columns = 0;          //   this many of them
  TileTerms terms = TileTerms::kProducts;
  int64_t group_rows = 0;          // not 0: so many rows lie a_row apart, then the next group begins a_group behind the
  llvm::Value* a_group = nullptr;  //   beginning of the one before
  llvm::Value* lower = nullptr;    // where not null, row r has term t, counted from 0, only if lower + r <= t
  llvm::Value* upper = nullptr;    //   and only if t <= upper + r; kProducts alone
};

// Emits the loop over k in place; `initial` are the accumulators at its start, vectors of one row after another, empty:
// zeros. The result are those at its end. Unrolls where the number of terms is a constant up to `unroll`.
std::vector<llvm::Value*> EmitTile(llvm::IRBuilder<>& builder, const ir::Target& target, const Tile& tile,
                                   const TileOperands& operands, const std::vector<llvm::Value*>& initial,
                                   int64_t unroll);

// The tile of a small contraction that is emitted in place.
Tile InlineTile(int64_t rows, int64_t columns, ir::DType type, const ir::Target& target);

// An internal function `void name(pointers…, numbers…)`, numbers i64, with the attributes of the target.
llvm::Function* DeclareShared(llvm::Module& module, const ir::Target& target, const std::string& name, int pointers,
                              int numbers);

// Which terms exist in the tiles of a contraction with a band: in row r those of [lower + r, upper + r], or, where it
// is level, in every row those of [lower, upper].
struct TileBand {
  bool level = false;
  bool has_lower = false;
  bool has_upper = false;
};

// A run of tiles one below the other: the first ones have tile.rows rows, those behind them one row less.
struct TileRun {
  Tile tile;
  bool short_tiles = false;  // whether there are tiles of one row less
  bool accumulates = false;  // whether c may hold the sums of earlier terms
  bool masked = false;       // whether the last vector is partial
  absl::optional<TileBand> band;
};

// The shared function `void(ptr a, ptr b, ptr c, i64 contracted, i64 first, i64 end, i64 large, i64 a_row, i64 a_k, i64
// b_k, i64 c_row, i64 valid, i64 accumulate)` that computes the tiles [first, end), of which those below `large` have
// tile.rows rows: c = a * b, or c += a * b where `accumulate` is not 0. `a` is the row of tile 0, `c` that of tile
// `first`; `valid` lanes of the last vector count. Steps in bytes. With a band `i64 lower, i64 upper` follow: its
// bounds for the row of tile 0, in terms counted from `a` and `b`.
llvm::Function* TileRunFunction(llvm::Module& module, const ir::Target& target, const TileRun& run);

}  // namespace gradus::codegen
