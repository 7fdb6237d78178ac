// The shared functions of convolutions: register tiles under a nest of loops over the terms, with all steps and counts
// in tables. Private to the convolution code.
#pragma once

#include <vector>

#include "codegen/contraction_tile.h"
#include "ir/convolution.h"

namespace gradus::codegen {

// One loop over terms around the innermost one: bytes from round to round.
struct NestLevel {
  llvm::Value* count;
  llvm::Value* a_step;
  llvm::Value* b_step;
};

// The microkernel under loops of any counts, the first level outermost.
std::vector<llvm::Value*> EmitNest(llvm::IRBuilder<>& builder, const ir::Target& target, const Tile& tile,
                                   const TileOperands& operands, absl::Span<const NestLevel> levels,
                                   const std::vector<llvm::Value*>& initial);

// Depthwise convolutions have products lane by lane.
TileTerms TermsOf(const ir::Convolution& shape);

// What distinguishes two of the shared functions.
struct ConvolutionTile {
  Tile tile;
  bool masked = false;  // whether the last vector is partial
  TileTerms terms = TileTerms::kProducts;
  int levels = 1;      // around the innermost loop over terms
  int64_t groups = 1;  // of rows: so many taps, each with tile.rows / groups rows

  friend bool operator<(const ConvolutionTile& x, const ConvolutionTile& y);
};
std::string Name(const ConvolutionTile& tile);

// Elements of a vector for so many columns: few have a short one, whose loads and stores cross fewer cache lines.
int64_t LanesFor(int64_t columns, ir::DType type, const ir::Target& target);

// Vectors of the widest panel of columns for a tile, and its tallest tile.
int64_t TallestTile(int64_t vectors, const ir::Target& target);
// What one term costs a tile of this shape, in half multiply-adds of a vector: two of these are issued at a time, or
// two loads, and a chain has a multiply-add every fourth cycle.
int64_t TermCost(int64_t rows, int64_t vectors);

// Loads and stores of accumulators, and the tile itself, for the functions below: rows [skip, tile.rows) are stored.
class TileEmitter {
 public:
  TileEmitter(llvm::IRBuilder<>& builder, const ir::Target& target, const ConvolutionTile& tile, llvm::Value* valid);
  std::vector<llvm::Value*> Zeros() const;
  // Rows lie c_row apart, or in groups (ConvolutionTile::groups) c_group apart.
  std::vector<llvm::Value*> Load(llvm::Value* c, llvm::Value* c_row, llvm::Value* c_group = nullptr);
  void Store(const std::vector<llvm::Value*>& values, llvm::Value* c, llvm::Value* c_row, llvm::Value* skip,
             llvm::Value* c_group = nullptr);
  llvm::Value* LoadVector(llvm::Value* row, int64_t vector);
  void StoreVector(llvm::Value* value, llvm::Value* row, int64_t vector);
  llvm::Value* mask() const { return mask_; }

 private:
  bool Partial(int64_t vector) const { return mask_ != nullptr && vector + 1 == tile_.vectors; }
  llvm::Value* Place(llvm::Value* row, int64_t vector);
  std::vector<llvm::Value*> Rows(llvm::Value* c, llvm::Value* c_row, llvm::Value* c_group);

  llvm::IRBuilder<>& builder_;
  const Tile& tile_;
  const int64_t groups_;
  llvm::Type* vector_;
  llvm::Align align_;
  llvm::Value* mask_;
};

// A table of numbers in the module.
llvm::Constant* EmitTable(llvm::Module& module, const std::vector<int64_t>& numbers);
// Number `index` of a table.
llvm::Value* LoadNumber(llvm::IRBuilder<>& builder, llvm::Value* table, int64_t index);

}  // namespace gradus::codegen
