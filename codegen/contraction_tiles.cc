// A contraction by register tiles: outer loops, panels of b (packed, or read in place), blocks of k, tiles.
#include <algorithm>

#include "codegen/contraction_band.h"
#include "codegen/contraction_emit.h"
#include "codegen/contraction_pack.h"
#include "codegen/control.h"
#include "codegen/index_arithmetic.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

class TilesEmitter {
 public:
  explicit TilesEmitter(const ContractionJob& job)
      : job_(job),
        loops_(job.loops),
        blocking_(job.loops.blocking),
        builder_(job.context.builder),
        type_(job.spec.type),
        bytes_(ir::ByteWidth(type_)),
        panel_columns_(blocking_.panel_columns()),
        panels_((loops_.column.extent + panel_columns_ - 1) / panel_columns_),
        last_columns_(loops_.column.extent - (panels_ - 1) * panel_columns_),
        tiles_((loops_.row.extent + blocking_.tile_rows - 1) / blocking_.tile_rows),
        large_tiles_(loops_.row.extent - tiles_ * (blocking_.tile_rows - 1)),
        terms_(loops_.contracted_terms()),
        accumulates_(loops_.contracted_blocks() > 1),
        pack_per_block_(blocking_.pack && accumulates_),
        banded_terms_(loops_.banded == BandedAxis::kTerms),
        banded_elements_(!banded_terms_ && loops_.banded != BandedAxis::kNone),
        outer_(loops_.outer) {
    if (!blocking_.pack || pack_per_block_ || loops_.banded != BandedAxis::kNone) return;
    const auto shared = std::stable_partition(outer_.begin(), outer_.end(), [](const ContractionLoop& loop) {
      return loop.b.step != 0 || loop.b.panel_step != 0;
    });
    for (auto loop = shared; loop != outer_.end(); ++loop) shared_turns_ *= loop->extent;
  }

  void Emit() {
    if (loops_.banded != BandedAxis::kNone) return EmitBanded();
    const int64_t groups = loops_.outer_count() * panels_;
    EmitShare(job_.context, groups * tiles_, blocking_.one_thread, [&](Value* first, Value* last) {
      // The share may begin and end within a panel; a panel that it meets is packed once.
      Value* first_group = Divide(first, tiles_);
      Value* end_group = Divide(Add(last, Int(tiles_ - 1)), tiles_);
      EmitFor(builder_, first_group, end_group, 1, [&](Value* group) {
        Value* base = Multiply(group, tiles_);
        EmitGroup(group, first_group, Max(Subtract(first, base), Int(0)), Min(Subtract(last, base), Int(tiles_)));
      });
    });
  }

 private:
  Value* Int(int64_t value) { return builder_.getInt64(value); }
  Value* Add(Value* x, Value* y) { return IndexAdd(builder_, x, y); }
  Value* Subtract(Value* x, Value* y) { return IndexSubtract(builder_, x, y); }
  Value* Divide(Value* x, int64_t y) { return IndexDivide(builder_, x, y); }
  Value* Remainder(Value* x, int64_t y) { return IndexRemainder(builder_, x, y); }
  Value* Multiply(Value* x, int64_t y) { return IndexMultiply(builder_, x, y); }
  Value* Min(Value* x, Value* y) { return IndexMin(builder_, x, y); }
  Value* Max(Value* x, Value* y) { return IndexMax(builder_, x, y); }
  Value* Bytes(const AxisStep& step) { return Int(step.step * bytes_); }
  Value* Advance(Value* pointer, Value* elements) { return EmitAdvance(builder_, type_, pointer, elements); }
  Value* RowOf(Value* tile) {
    if (large_tiles_ == tiles_) return Multiply(tile, blocking_.tile_rows);
    Value* short_tiles = Max(Subtract(tile, Int(large_tiles_)), Int(0));
    return Subtract(Multiply(tile, blocking_.tile_rows), short_tiles);
  }
  // The tile that a row belongs to.
  Value* TileOf(Value* row) {
    Value* tile = Divide(row, blocking_.tile_rows);
    if (large_tiles_ == tiles_) return tile;
    const int64_t large_rows = large_tiles_ * blocking_.tile_rows;
    Value* behind = Max(Subtract(row, Int(large_rows)), Int(0));
    Value* short_tile = Add(Int(large_tiles_), Divide(behind, blocking_.tile_rows - 1));
    return builder_.CreateSelect(builder_.CreateICmpSLT(row, Int(large_rows)), tile, short_tile);
  }

  // With a band the first tiles may have few terms and the last ones many. Shares are of places of all panels: place 0
  // is tile 0, place 1 the last tile, place 2 tile 1, …, so that equal shares are about equal work.
  void EmitBanded() {
    EmitShare(job_.context, loops_.outer_count() * tiles_, blocking_.one_thread, [&](Value* first, Value* last) {
      Value* end_turn = Divide(Add(last, Int(tiles_ - 1)), tiles_);
      EmitFor(builder_, Divide(first, tiles_), end_turn, 1, [&](Value* turn) {
        Value* base = Multiply(turn, tiles_);
        EmitPlaces(turn, Max(Subtract(first, base), Int(0)), Min(Subtract(last, base), Int(tiles_)));
      });
    });
  }

  // A run of places is two runs of tiles; all places are one.
  void EmitPlaces(Value* turn, Value* first, Value* end) {
    Value* whole = builder_.CreateAnd(builder_.CreateICmpEQ(first, Int(0)), builder_.CreateICmpEQ(end, Int(tiles_)));
    EmitFor(builder_, Int(0), builder_.CreateSelect(whole, Int(1), Int(2)), 1, [&](Value* half) {
      Value* lower = builder_.CreateICmpEQ(half, Int(0));
      const auto choose = [&](Value* all, Value* below, Value* above) {
        return builder_.CreateSelect(whole, all, builder_.CreateSelect(lower, below, above));
      };
      Value* from = choose(Int(0), Divide(Add(first, Int(1)), 2), Subtract(Int(tiles_), Divide(end, 2)));
      Value* to = choose(Int(tiles_), Divide(Add(end, Int(1)), 2), Subtract(Int(tiles_), Divide(first, 2)));
      EmitIf(builder_, builder_.CreateICmpSLT(from, to), [&] {
        EmitFor(builder_, Int(0), Int(panels_), 1, [&](Value* panel) {
          Value* group = Add(Multiply(turn, panels_), panel);
          EmitGroup(group, group, from, to);
        });
      });
    });
  }

  // What is fixed while one thread works on one panel of one turn of the outer loops.
  struct Group {
    Value* a;
    Value* b;
    Value* panel;
    Value* first_column;
    Value* columns;
    Value* is_last;               // the last panel
    std::vector<Value*> outputs;  // offsets of the outer indices
    Value* sides = nullptr;       // the sum of the sides of the outer indices, where there is a band
    BandBounds elements;          // of a band of elements
  };

  // The element offset of a column of the group's panel.
  Value* ColumnOffset(const Group& group, const AxisStep& step, Value* column) {
    if (step.panel == panel_columns_) {
      return Add(Multiply(group.panel, step.panel_step), Multiply(column, step.step));
    }
    return EmitOffset(builder_, step, Add(group.first_column, column));
  }

  void EmitGroup(Value* flat, Value* first_group, Value* first_tile, Value* end_tile) {
    // A packed panel serves one turn after another of the loops that b does not have.
    Value* shared_turn = Remainder(flat, shared_turns_);
    Value* line = Divide(flat, shared_turns_);
    Value* panel = Remainder(line, panels_);
    Value* outer = Add(Multiply(Divide(line, panels_), shared_turns_), shared_turn);
    const std::vector<Value*> indices = EmitIndices(builder_, outer_, outer);
    Group group;
    group.panel = panel;
    group.first_column = Multiply(panel, panel_columns_);
    group.is_last = builder_.CreateICmpEQ(panel, Int(panels_ - 1));
    group.columns = last_columns_ == panel_columns_
                        ? Int(panel_columns_)
                        : builder_.CreateSelect(group.is_last, Int(last_columns_), Int(panel_columns_));
    group.a = Advance(job_.a, EmitOffsets(builder_, outer_, indices, [](const auto& l) { return l.a; }));
    Value* b = EmitOffsets(builder_, outer_, indices, [](const auto& l) { return l.b; });
    b = Add(b, ColumnOffset(group, loops_.column.b, Int(0)));
    group.b = Advance(job_.b, b);
    for (int o = 0; o < job_.spec.outputs; ++o) {
      group.outputs.push_back(EmitOffsets(builder_, outer_, indices, [o](const auto& l) { return l.outputs[o]; }));
    }
    if (loops_.banded != BandedAxis::kNone) group.sides = EmitSides(builder_, outer_, indices);
    Value *first = first_tile, *end = end_tile;  // those with a term
    if (banded_elements_) {
      group.elements = EmitBandBounds(builder_, job_.spec, loops_, group.sides);
      const auto rows = EmitRowsWithElements(builder_, loops_, group.elements, group.first_column, panel_columns_);
      Value* some = builder_.CreateICmpSLT(rows.first, rows.second);
      Value* last_row = Max(Subtract(rows.second, Int(1)), Int(0));
      first = Max(TileOf(Min(rows.first, last_row)), first_tile);
      end = builder_.CreateSelect(some, Min(Add(TileOf(last_row), Int(1)), end_tile), first);
    }
    if (blocking_.pack && !pack_per_block_) {
      Value* pack = builder_.getTrue();
      if (banded_elements_) pack = builder_.CreateICmpSLT(first, end);
      if (shared_turns_ > 1) {
        pack = builder_.CreateOr(builder_.CreateICmpEQ(shared_turn, Int(0)), builder_.CreateICmpEQ(flat, first_group));
      }
      EmitIf(builder_, pack, [&] { EmitPackOfTiles(group, first, end); });
    }
    if (job_.direct != nullptr) {
      Value* c = Add(group.outputs[0], group.first_column);
      c = Add(c, Multiply(RowOf(first_tile), loops_.row.outputs[0].step));
      EmitBlocks(group, first_tile, end_tile, 0, terms_, Advance(job_.direct, c), Bytes(loops_.row.outputs[0]));
      return;
    }
    EmitFor(builder_, first_tile, end_tile, blocking_.block_tiles, [&](Value* tile) {
      Value* block_end = Min(Add(tile, Int(blocking_.block_tiles)), end_tile);
      if (banded_elements_) {
        EmitExistingTiles(group, tile, Max(first, tile), Min(end, block_end));
      } else {
        EmitSlices(group, tile, block_end);
      }
      EmitEpilogue(group, tile, block_end);
    });
  }

  void EmitSlices(const Group& group, Value* tile, Value* end) {
    for (int64_t slice = 0; slice < job_.spec.slices; ++slice) {
      const auto [begin_k, end_k] = SliceOf(terms_, job_.spec.slices, slice);
      if (begin_k == end_k) continue;
      EmitBlocks(group, tile, end, begin_k, end_k, Buffer(slice), Int(panel_columns_ * bytes_));
    }
  }

  // Of the tiles from `tile` on those of [first, end), into the buffer; the others stay what they are.
  void EmitExistingTiles(const Group& group, Value* tile, Value* first, Value* end) {
    EmitIf(builder_, builder_.CreateICmpSLT(first, end), [&] {
      Value* c = Advance(Buffer(0), Multiply(Subtract(RowOf(first), RowOf(tile)), panel_columns_));
      EmitBlocks(group, first, end, 0, terms_, c, Int(panel_columns_ * bytes_));
    });
  }

  Value* Buffer(int64_t slice) {
    const int64_t rows = blocking_.block_tiles * blocking_.tile_rows;
    return builder_.CreateGEP(builder_.getInt8Ty(), job_.context.scratch,
                              Int(blocking_.pack_bytes + slice * rows * panel_columns_ * bytes_));
  }

  PackSource PackSourceOf() const {
    if (loops_.column.b.step == 1) return PackSource::kRows;
    return loops_.contracted.b.step == 1 ? PackSource::kTransposed : PackSource::kStrided;
  }

  // Packs the terms that the tiles [first, end) have, each to its place among all terms.
  void EmitPackOfTiles(const Group& group, Value* first, Value* end) {
    Value *begin_k = Int(0), *end_k = Int(loops_.contracted.extent);
    if (banded_terms_ && !AnySide(loops_.contracted_outer)) {
      const bool level = TileBandOf(job_.spec, loops_).level;
      const BandBounds bounds = EmitBandBounds(builder_, job_.spec, loops_, group.sides);
      Value* first_row = level ? Int(0) : RowOf(first);
      Value* end_row = level ? Int(1) : RowOf(end);
      if (bounds.lower != nullptr) begin_k = Min(Max(Add(bounds.lower, first_row), Int(0)), end_k);
      if (bounds.upper != nullptr) end_k = Max(Min(Add(bounds.upper, end_row), end_k), begin_k);
    }
    EmitPack(group, Int(0), begin_k, end_k, Int(0));
  }

  static bool AnySide(const std::vector<ContractionLoop>& loops) {
    return std::any_of(loops.begin(), loops.end(), [](const ContractionLoop& loop) { return loop.side != 0; });
  }

  // Copies the terms [begin, end) of the innermost contracted axis of the panel into scratch, which begins with the
  // term `origin`.
  void EmitPack(const Group& group, Value* outer_offset, Value* begin, Value* end, Value* origin) {
    llvm::Function* pack = PackFunction(*builder_.GetInsertBlock()->getModule(), job_.context.target, type_,
                                        PackSourceOf(), panel_columns_);
    const AxisStep& step = loops_.contracted.b;
    auto copy = [&](Value* from_k, Value* to_k) {
      Value* from = Advance(group.b, Add(outer_offset, EmitOffset(builder_, step, from_k)));
      Value* to = Advance(job_.context.scratch, Multiply(Subtract(from_k, origin), panel_columns_));
      builder_.CreateCall(pack, {to, from, Subtract(to_k, from_k), group.columns, Bytes(step), Bytes(loops_.column.b)});
    };
    if (step.panel == 0) return copy(begin, end);
    Value* first = Divide(begin, step.panel);
    Value* last = Divide(Add(end, Int(step.panel - 1)), step.panel);
    EmitFor(builder_, first, last, 1, [&](Value* panel) {
      Value* start = Multiply(panel, step.panel);
      copy(Max(start, begin), Min(Add(start, Int(step.panel)), end));
    });
  }

  // Tiles [first, end) over the terms [begin_k, end_k), into c. They may begin and end within a turn of the outer
  // contracted loops.
  void EmitBlocks(const Group& group, Value* first, Value* end, int64_t begin_k, int64_t end_k, Value* c,
                  Value* c_row) {
    const int64_t extent = loops_.contracted.extent;
    const int64_t first_turn = begin_k / extent;
    EmitFor(builder_, Int(first_turn), Int((end_k + extent - 1) / extent), 1, [&](Value* turn) {
      const std::vector<Value*> indices = EmitIndices(builder_, loops_.contracted_outer, turn);
      Value* a = EmitOffsets(builder_, loops_.contracted_outer, indices, [](const auto& l) { return l.a; });
      Value* b = EmitOffsets(builder_, loops_.contracted_outer, indices, [](const auto& l) { return l.b; });
      BandBounds bounds;
      if (banded_terms_) {
        Value* sides = Add(group.sides, EmitSides(builder_, loops_.contracted_outer, indices));
        bounds = EmitBandBounds(builder_, job_.spec, loops_, sides);
      }
      Value* before = Multiply(turn, extent);
      Value* from = begin_k % extent == 0 ? Int(0) : Max(Subtract(Int(begin_k), before), Int(0));
      Value* to = end_k % extent == 0 ? Int(extent) : Min(Subtract(Int(end_k), before), Int(extent));
      EmitFor(builder_, from, to, blocking_.block_k, [&](Value* k) {
        Value* block_end = Min(Add(k, Int(blocking_.block_k)), to);
        Value* terms = Subtract(block_end, k);
        Value* a_block = Advance(group.a, Add(a, EmitOffset(builder_, loops_.contracted.a, k)));
        Value* b_block = nullptr;
        Value* b_k = Int(panel_columns_ * bytes_);
        if (pack_per_block_) {
          EmitPack(group, b, k, block_end, k);
          b_block = job_.context.scratch;
        } else if (blocking_.pack) {
          b_block = Advance(job_.context.scratch, Multiply(k, panel_columns_));
        } else {
          b_block = Advance(group.b, Add(b, EmitOffset(builder_, loops_.contracted.b, k)));
          b_k = Bytes(loops_.contracted.b);
        }
        Value* accumulate = Int(0);
        if (accumulates_) {
          Value* begun =
              builder_.CreateOr(builder_.CreateICmpNE(k, from), builder_.CreateICmpNE(turn, Int(first_turn)));
          accumulate = builder_.CreateZExt(begun, builder_.getInt64Ty());
        }
        EmitTileCall(group, first, end, terms, accumulate, a_block, b_block, b_k, c, c_row,
                     {bounds.lower == nullptr ? Int(0) : Subtract(bounds.lower, k),
                      bounds.upper == nullptr ? Int(0) : Subtract(bounds.upper, k)});
      });
    });
  }

  TileRun Run(bool last) const {
    const int64_t columns = last ? last_columns_ : panel_columns_;
    TileRun run;
    run.tile = {type_, blocking_.lanes, (columns + blocking_.lanes - 1) / blocking_.lanes, blocking_.tile_rows};
    run.short_tiles = large_tiles_ < tiles_;
    run.accumulates = accumulates_;
    run.masked = columns % blocking_.lanes != 0;
    if (banded_terms_) run.band = TileBandOf(job_.spec, loops_);
    return run;
  }

  void EmitTileCall(const Group& group, Value* first, Value* end, Value* terms, Value* accumulate, Value* a, Value* b,
                    Value* b_k, Value* c, Value* c_row, const BandBounds& bounds) {
    llvm::Module& module = *builder_.GetInsertBlock()->getModule();
    llvm::Function* last = TileRunFunction(module, job_.context.target, Run(true));
    llvm::Function* whole = panels_ == 1 ? last : TileRunFunction(module, job_.context.target, Run(false));
    Value* function = last == whole ? whole : builder_.CreateSelect(group.is_last, last, whole);
    const int64_t last_lanes = (last_columns_ - 1) % blocking_.lanes + 1;
    std::vector<Value*> arguments = {a,
                                     b,
                                     c,
                                     terms,
                                     first,
                                     end,
                                     Int(large_tiles_),
                                     Bytes(loops_.row.a),
                                     Bytes(loops_.contracted.a),
                                     b_k,
                                     c_row,
                                     Int(last_lanes),
                                     accumulate};
    if (banded_terms_) arguments.insert(arguments.end(), {bounds.lower, bounds.upper});
    builder_.CreateCall(whole->getFunctionType(), function, arguments);
  }

  void EmitEpilogue(const Group& group, Value* first, Value* end) {
    Value* first_row = RowOf(first);
    EmitFor(builder_, first_row, RowOf(end), 1, [&](Value* row) {
      std::vector<Value*> rows;
      for (int o = 0; o < job_.spec.outputs; ++o) {
        rows.push_back(Add(group.outputs[o], EmitOffset(builder_, loops_.row.outputs[o], row)));
      }
      Value* buffered = Multiply(Subtract(row, first_row), panel_columns_);
      auto finish = [&](Value* column, Value* mask) {
        std::vector<Value*> offsets;
        std::vector<int64_t> steps;
        for (int o = 0; o < job_.spec.outputs; ++o) {
          const AxisStep& step = loops_.column.outputs[o];
          CHECK(step.panel % blocking_.lanes == 0) << "a vector across two panels";
          offsets.push_back(Add(rows[o], ColumnOffset(group, step, column)));
          steps.push_back(step.step);
        }
        Value* value = Finished(Add(buffered, column));
        if (banded_elements_) {
          value = EmitExisting(builder_, loops_, group.elements, row, Add(group.first_column, column), value);
        }
        job_.epilogue({builder_, value, static_cast<int>(blocking_.lanes), mask, offsets, steps});
      };
      const int64_t tail = last_columns_ % blocking_.lanes;
      Value* whole = group.columns;
      if (tail != 0) {
        whole = panels_ == 1 ? Int(last_columns_ - tail)
                             : builder_.CreateSelect(group.is_last, Int(last_columns_ - tail), Int(panel_columns_));
      }
      EmitFor(builder_, Int(0), whole, blocking_.lanes, [&](Value* column) { finish(column, nullptr); });
      if (tail == 0) return;
      EmitIf(builder_, panels_ == 1 ? builder_.getTrue() : group.is_last,
             [&] { finish(Int(last_columns_ - tail), EmitLaneMask(builder_, blocking_.lanes, Int(tail))); });
    });
  }

  Value* Finished(Value* element) {
    llvm::Type* vector =
        llvm::FixedVectorType::get(ElementType(builder_, type_), static_cast<unsigned>(blocking_.lanes));
    Value* sum = nullptr;
    for (int64_t slice = 0; slice < job_.spec.slices; ++slice) {
      const auto [begin, end] = SliceOf(terms_, job_.spec.slices, slice);
      Value* part = begin == end ? llvm::Constant::getNullValue(vector)
                                 : static_cast<Value*>(builder_.CreateAlignedLoad(
                                       vector, Advance(Buffer(slice), element), llvm::Align(bytes_)));
      if (sum == nullptr) {
        sum = part;
      } else {
        sum = vector->isIntOrIntVectorTy() ? builder_.CreateAdd(sum, part) : builder_.CreateFAdd(sum, part);
      }
    }
    return sum;
  }

  const ContractionJob& job_;
  const ContractionLoops& loops_;
  const ir::Blocking& blocking_;
  llvm::IRBuilder<>& builder_;
  const ir::DType type_;
  const int64_t bytes_;
  const int64_t panel_columns_;
  const int64_t panels_;
  const int64_t last_columns_;
  const int64_t tiles_;
  const int64_t large_tiles_;
  const int64_t terms_;        // of an element
  const bool accumulates_;     // more than one block of terms
  const bool pack_per_block_;  // else a panel is packed as a whole
  const bool banded_terms_;
  const bool banded_elements_;
  std::vector<ContractionLoop> outer_;
  int64_t shared_turns_ = 1;  // of the last loops of outer_, where a packed panel stays the same
};

}  // namespace

void EmitTiles(const ContractionJob& job) { TilesEmitter(job).Emit(); }

}  // namespace gradus::codegen
