#include "absl/strings/str_cat.h"
#include "codegen/control.h"
#include "codegen/convolution_weights.h"
#include "codegen/index_arithmetic.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

// Emits the shared function.
class FunctionEmitter {
 public:
  FunctionEmitter(llvm::Module& module, const ir::Target& target, const ConvolutionTile& tile, const std::string& name)
      : target_(target),
        tile_(tile),
        function_(DeclareShared(module, target, name, 6, 3)),
        b_(llvm::BasicBlock::Create(module.getContext(), "", function_)),
        emitter_(b_, target, tile, function_->getArg(8)),
        shape_(function_->getArg(4)) {
    tiles_ = Number(kTiles);
    rows_ = Number(kRows);
    w_row_ = Number(kWRow);
    x_row_ = Number(kXRow);
    Share();
    Value* slices = Number(kSlices);
    Value* slice_step = Number(kSlice);
    Value* sums = ByteAt(b_, function_->getArg(3), Number(kW));
    Value* w = ByteAt(b_, function_->getArg(2), Number(kW));
    EmitFor(b_, Int(0), slices, 1, [&](Value* slice) { Clear(ByteAt(b_, sums, b_.CreateNSWMul(slice, slice_step))); });
    const int64_t numbers = 1 + 2 * (1 + tile.levels);
    EmitFor(b_, Int(0), Number(kPieces), 1, [&](Value* piece) {
      Value* numbers_at = ByteAt(b_, function_->getArg(5), IndexMultiply(b_, piece, 8 * numbers));
      Accumulate(numbers_at, ByteAt(b_, sums, b_.CreateNSWMul(LoadNumber(b_, numbers_at, 0), slice_step)));
    });
    EmitIf(b_, b_.CreateICmpSGT(slices, Int(1)), [&] { Combine(sums, w, slices, slice_step); });
    b_.CreateRetVoid();
  }
  llvm::Function* function() const { return function_; }

 private:
  Value* Int(int64_t value) { return b_.getInt64(static_cast<uint64_t>(value)); }
  Value* Number(int64_t index) { return LoadNumber(b_, shape_, index); }
  Value* AxisNumber(int axis, int64_t index) { return Number(kAxes + kAxisNumbers * axis + index); }
  Value* Times(Value* x, Value* y) { return b_.CreateNSWMul(x, y); }
  Value* Plus(Value* x, Value* y) { return b_.CreateNSWAdd(x, y); }

  void Share() {
    Value* all = Times(tiles_, Number(kLines));
    Value* thread = function_->getArg(6);
    Value* threads = function_->getArg(7);
    first_ = b_.CreateUDiv(Times(all, thread), threads);
    last_ = b_.CreateUDiv(Times(all, Plus(thread, Int(1))), threads);
  }

  // body(line, first tile, end) for the thread's lines: panels, then groups, then taps.
  void EachLine(const std::function<void(Value*, Value*, Value*)>& body) {
    Value* end = b_.CreateUDiv(b_.CreateNSWSub(Plus(last_, tiles_), Int(1)), tiles_);
    EmitFor(b_, b_.CreateUDiv(first_, tiles_), end, 1, [&](Value* line) {
      Value* before = Times(line, tiles_);
      body(line, IndexMax(b_, b_.CreateNSWSub(first_, before), Int(0)),
           IndexMin(b_, b_.CreateNSWSub(last_, before), tiles_));
    });
  }

  struct Line {
    std::vector<Value*> taps;  // of each axis, the last one first
    Value* group;
    Value* panel;
    Value* w;  // bytes
  };
  Line Decode(Value* line) {
    Line at;
    Value* rest = line;
    at.w = Int(0);
    for (int axis = 0; axis < tile_.levels; ++axis) {
      Value* taps = AxisNumber(axis, kTaps);
      at.taps.push_back(b_.CreateURem(rest, taps));
      rest = b_.CreateUDiv(rest, taps);
      at.w = IndexAdd(b_, at.w, Times(at.taps.back(), AxisNumber(axis, kWTap)));
    }
    Value* groups = Number(kGroups);
    at.group = b_.CreateURem(rest, groups);
    at.panel = b_.CreateUDiv(rest, groups);
    at.w = Plus(at.w, Plus(Times(at.group, Number(kWGroup)), Times(at.panel, Number(kPanel))));
    return at;
  }

  // body(pointer) for the rows of w that are the thread's own.
  void EachRow(Value* w, const std::function<void(Value* row)>& body) {
    EachLine([&](Value* line, Value* first, Value* end) {
      Value* at = ByteAt(b_, w, Decode(line).w);
      const int64_t rows = tile_.tile.rows / tile_.groups;
      Value* last = IndexMin(b_, IndexMultiply(b_, end, rows), rows_);
      Value* joint_step = tile_.groups > 1 ? AxisNumber(kJointAxis, kWTap) : Int(0);
      EmitFor(b_, Int(0), Int(tile_.groups), 1, [&](Value* tap) {
        Value* of_tap = tile_.groups > 1 ? ByteAt(b_, at, Times(tap, joint_step)) : at;
        EmitFor(b_, IndexMultiply(b_, first, rows), last, 1,
                [&](Value* row) { body(ByteAt(b_, of_tap, Times(row, w_row_))); });
      });
    });
  }

  void Clear(Value* sums) {
    EachRow(sums, [&](Value* row) {
      for (int64_t v = 0; v < tile_.tile.vectors; ++v) emitter_.StoreVector(emitter_.Zeros()[0], row, v);
    });
  }

  void Combine(Value* sums, Value* w, Value* slices, Value* slice_step) {
    Value* to_result = b_.CreateSub(b_.CreatePtrToInt(w, b_.getInt64Ty()), b_.CreatePtrToInt(sums, b_.getInt64Ty()));
    EachRow(sums, [&](Value* row) {
      Carried initial;
      for (int64_t v = 0; v < tile_.tile.vectors; ++v) initial.push_back(emitter_.LoadVector(row, v));
      const Carried sum = EmitForCarrying(b_, Int(1), slices, 1, initial, [&](Value* slice, const Carried& carried) {
        Value* part = ByteAt(b_, row, Times(slice, slice_step));
        Carried next;
        for (int64_t v = 0; v < tile_.tile.vectors; ++v) {
          next.push_back(b_.CreateFAdd(carried[v], emitter_.LoadVector(part, v)));
        }
        return next;
      });
      Value* result = ByteAt(b_, row, to_result);
      for (int64_t v = 0; v < tile_.tile.vectors; ++v) emitter_.StoreVector(sum[v], result, v);
    });
  }

  static constexpr int kJointAxis = 1;  // of axes that are numbered from the last one on

  struct Terms {
    Value* x;  // bytes
    Value* g;
    std::vector<NestLevel> levels;  // images, then each axis
    Value* any;
  };

  // Adds the windows of a piece along one axis under which a tap sees elements.
  void AddAxis(int axis, Value* tap, Value* piece, Terms& terms) {
    Value* numbers = ByteAt(b_, ByteAt(b_, shape_, AxisNumber(axis, kTapTable)), IndexMultiply(b_, tap, 24));
    Value* step = AxisNumber(axis, kWindowStep);
    Value* seen = LoadNumber(b_, numbers, 0);
    // The first window of the piece that is one of the tap's.
    Value* from = IndexMax(b_, b_.CreateNSWSub(PieceBegin(piece, axis), seen), Int(0));
    Value* turns = b_.CreateUDiv(b_.CreateNSWSub(Plus(from, step), Int(1)), step);
    Value* window = Plus(seen, Times(turns, step));
    Value* last = IndexMin(b_, PieceEnd(piece, axis), LoadNumber(b_, numbers, 1));
    Value* left = IndexMax(b_, b_.CreateNSWSub(last, window), Int(0));
    Value* count = b_.CreateUDiv(b_.CreateNSWSub(Plus(left, step), Int(1)), step);
    terms.any = b_.CreateAnd(terms.any, b_.CreateICmpSGT(count, Int(0)));
    Value* x_step = AxisNumber(axis, kXWindowStep);
    terms.x = Plus(terms.x, Plus(Times(LoadNumber(b_, numbers, 2), AxisNumber(axis, kXPlace)), Times(turns, x_step)));
    terms.g = Plus(terms.g, Times(window, AxisNumber(axis, kGPlace)));
    terms.levels[tile_.levels - axis] = {count, x_step, AxisNumber(axis, kGWindowStep)};
  }

  Value* PieceBegin(Value* piece, int axis) { return LoadNumber(b_, piece, 1 + 2 * (tile_.levels - axis)); }
  Value* PieceEnd(Value* piece, int axis) { return LoadNumber(b_, piece, 2 + 2 * (tile_.levels - axis)); }

  // Adds the terms of one piece.
  void Accumulate(Value* piece, Value* sums) {
    EachLine([&](Value* number, Value* first, Value* end) {
      const Line line = Decode(number);
      Value* first_image = LoadNumber(b_, piece, 1);
      Terms terms;
      terms.x = Plus(Number(kX), Times(first_image, Number(kXImage)));
      terms.x = Plus(terms.x, Times(line.group, Number(kXGroup)));
      terms.x = Plus(terms.x, Times(line.panel, Number(kXPanel)));
      terms.g = Plus(Number(kG), Times(first_image, Number(kGImage)));
      terms.g = Plus(terms.g, Times(line.group, Number(kGGroup)));
      terms.g = Plus(terms.g, Times(line.panel, Number(kPanel)));
      terms.any = b_.getTrue();
      terms.levels.resize(1 + tile_.levels);
      terms.levels[0] = {b_.CreateNSWSub(LoadNumber(b_, piece, 2), first_image), Number(kXImage), Number(kGImage)};
      for (int axis = 0; axis < tile_.levels; ++axis) {
        if (tile_.groups == 1 || axis != kJointAxis) AddAxis(axis, line.taps[axis], piece, terms);
      }
      Value* at = ByteAt(b_, sums, line.w);
      if (tile_.groups == 1) {
        EmitIf(b_, terms.any, [&] { Tiles(tile_, terms, at, first, end); });
        return;
      }
      Value* begins = b_.CreateICmpSGE(PieceBegin(piece, kJointAxis), Number(kWholeBegin));
      Value* whole = b_.CreateAnd(begins, b_.CreateICmpSLE(PieceEnd(piece, kJointAxis), Number(kWholeEnd)));
      EmitIf(b_, whole, [&] {
        Terms all = terms;
        AddAxis(kJointAxis, Int(0), piece, all);
        EmitIf(b_, all.any, [&] { Tiles(tile_, all, at, Int(0), Int(1)); });
      });
      EmitIf(b_, b_.CreateNot(whole), [&] {
        ConvolutionTile apart = tile_;
        apart.groups = 1;
        apart.tile.rows = tile_.tile.rows / tile_.groups;
        EmitFor(b_, Int(0), Int(tile_.groups), 1, [&](Value* tap) {
          Terms one = terms;
          AddAxis(kJointAxis, tap, piece, one);
          Value* place = ByteAt(b_, at, Times(tap, AxisNumber(kJointAxis, kWTap)));
          EmitIf(b_, one.any, [&] { Tiles(apart, one, place, Int(0), Int(1)); });
        });
      });
    });
  }

  void Tiles(const ConvolutionTile& shape, const Terms& terms, Value* sums, Value* first, Value* end) {
    const Tile& tile = shape.tile;
    const int64_t rows = tile.rows / shape.groups;
    TileOperands operands{};
    operands.b = ByteAt(b_, function_->getArg(1), terms.g);
    operands.a_row = x_row_;
    operands.contracted = terms.levels.back().count;
    operands.a_k = terms.levels.back().a_step;
    operands.b_k = terms.levels.back().b_step;
    operands.mask = emitter_.mask();
    operands.terms = shape.terms;
    Value* w_group = nullptr;
    if (shape.groups > 1) {
      operands.group_rows = rows;
      operands.a_group = Number(kJointRows);
      w_group = AxisNumber(kJointAxis, kWTap);
    }
    Value* x = ByteAt(b_, function_->getArg(0), terms.x);
    TileEmitter emitter(b_, target_, shape, function_->getArg(8));
    EmitFor(b_, first, end, 1, [&](Value* turn) {
      // The last tile begins earlier where rows do not divide: it stores what is its own.
      Value* own = IndexMultiply(b_, turn, rows);
      Value* row = IndexMin(b_, own, b_.CreateNSWSub(rows_, Int(rows)));
      operands.a = ByteAt(b_, x, Times(row, x_row_));
      Value* c = ByteAt(b_, sums, Times(row, w_row_));
      const std::vector<Value*> values =
          EmitNest(b_, target_, tile, operands, absl::MakeSpan(terms.levels).first(terms.levels.size() - 1),
                   emitter.Load(c, w_row_, w_group));
      emitter.Store(values, c, w_row_, b_.CreateNSWSub(own, row), w_group);
    });
  }

  const ir::Target& target_;
  const ConvolutionTile& tile_;
  llvm::Function* function_;
  llvm::IRBuilder<> b_;
  TileEmitter emitter_;
  Value* shape_;
  Value *tiles_, *rows_, *w_row_, *x_row_, *first_, *last_;
};

}  // namespace

llvm::Function* WeightsFunction(llvm::Module& module, const ir::Target& target, const ConvolutionTile& tile) {
  const std::string name = absl::StrCat("convolution_weights_", Name(tile));
  llvm::Function* existing = module.getFunction(name);
  return existing != nullptr ? existing : FunctionEmitter(module, target, tile, name).function();
}

}  // namespace gradus::codegen
