// The convolution itself: boxes of windows with the same taps, each a job of one of the shared tile functions.
#include "codegen/convolution.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "codegen/contraction_emit.h"
#include "codegen/contraction_pack.h"
#include "codegen/control.h"
#include "codegen/convolution_boxes.h"
#include "codegen/convolution_tile.h"
#include "codegen/index_arithmetic.h"
#include "ir/convolution_scratch.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

constexpr int kMaxOuter = 6;              // panels, groups, images, three axes
constexpr int64_t kAliasingBytes = 4096;  // rows so far apart share the sets of the L1 cache
constexpr int64_t kTallestAliasing = 8;   // rows of a tile of these, each of which costs
constexpr int64_t kAliasingCost = 5;      //   a quarter more
constexpr int64_t kTileCost = 60;         // of a tile beside its terms, in half multiply-adds
constexpr int64_t kLittleWork = 16;       // a box of less than this part of the work takes a tile that is there

// One job: numbers of the table of a shared function, bytes where they are steps.
enum Number {
  kA,
  kB,
  kC,
  kPositions,  // rows of a line
  kTiles,      // of a line
  kLines,
  kARow,
  kCRow,
  kOuter,                               // how many axes number the lines, and of each, the innermost first:
  kOuterAxes,                           //   extent, steps of a, b, c
  kTerms = kOuterAxes + 4 * kMaxOuter,  // the innermost loop over terms: count, steps of a, b
  kLevels = kTerms + 3,                 // the loops around it, the outermost first: the same
  kNumbers = kLevels + 3 * 3,
};

class ConvolutionEmitter {
 public:
  ConvolutionEmitter(const ContractionContext& context, const ConvolutionSpec& spec, TileTerms terms)
      : context_(context),
        spec_(spec),
        shape_(spec.shape),
        builder_(context.builder),
        module_(*builder_.GetInsertBlock()->getModule()),
        bytes_(ir::ByteWidth(spec.type)),
        terms_(terms),
        paired_(terms != TileTerms::kProducts),
        lanes_(LanesFor(paired_ ? shape_.groups : shape_.out, spec.type, context.target)),
        pack_(!paired_ && ir::PacksWindows(spec.type, spec.shape)) {}

  void Emit(Value* x, Value* w, Value* y) {
    const int64_t columns = paired_ ? shape_.groups : shape_.out;
    const int64_t panel = ir::PackedPanelColumns(spec_.type, columns, context_.target);
    const int64_t whole = columns / panel;
    if (whole > 0) EmitPanels(x, w, y, 0, whole, panel);
    if (columns % panel != 0) EmitPanels(x, w, y, whole * panel, 1, columns % panel);
  }

 private:
  Value* Int(int64_t value) { return builder_.getInt64(static_cast<uint64_t>(value)); }

  // `count` panels of `columns` columns, from column `first` on.
  void EmitPanels(Value* x, Value* w, Value* y, int64_t first, int64_t count, int64_t columns) {
    jobs_.clear();
    if (!pack_) {
      AddJobs(BoxesOf(shape_, {first, count, columns, shape_.groups * shape_.out, paired_}), columns);
      EmitJobs(x, w, y);
      return;
    }
    const int64_t packed_columns = (columns + lanes_ - 1) / lanes_ * lanes_;
    AddJobs(BoxesOf(shape_, {0, 1, columns, packed_columns, false}), columns);
    llvm::Function* pack = PackFunction(module_, context_.target, spec_.type, PackSource::kRows, packed_columns);
    EmitFor(builder_, Int(0), Int(count), 1, [&](Value* panel) {
      Value* column = IndexMultiply(builder_, panel, columns * bytes_);
      column = IndexAdd(builder_, column, Int(first * bytes_));
      builder_.CreateCall(pack, {context_.scratch, ByteAt(builder_, w, column), Int(shape_.taps() * shape_.in),
                                 Int(columns), Int(shape_.out * bytes_), Int(bytes_)});
      EmitJobs(x, context_.scratch, ByteAt(builder_, y, column));
    });
  }

  void EmitJobs(Value* x, Value* w, Value* y) {
    for (const auto& [tile, numbers] : jobs_) {
      llvm::Function* function = Function(tile.first);
      llvm::Constant* table = EmitTable(module_, numbers);
      EmitFor(builder_, Int(0), Int(static_cast<int64_t>(numbers.size()) / kNumbers), 1, [&, f = function](Value* job) {
        Value* at = ByteAt(builder_, table, IndexMultiply(builder_, job, 8 * kNumbers));
        builder_.CreateCall(f, {x, w, y, at, context_.thread, context_.threads, Int(tile.second)});
      });
    }
  }

  void AddJobs(std::vector<Box> boxes, int64_t columns) {
    std::stable_sort(boxes.begin(), boxes.end(), [](const Box& x, const Box& y) { return x.work() > y.work(); });
    int64_t all = 0;
    for (const Box& box : boxes) all += box.work();
    const int64_t vectors = (columns + lanes_ - 1) / lanes_;
    std::vector<int64_t> heights;  // of the tiles used so far
    for (const Box& box : boxes) AddJob(box, vectors, columns, box.work() * kLittleWork < all, heights);
  }

  struct Choice {
    size_t axis = 0;
    int64_t height = 0;
    int64_t cost = 0;
  };

  // The axis whose positions are the rows of tiles, and their number.
  Choice Choose(const Box& box, int64_t vectors, bool little, const std::vector<int64_t>& heights) const {
    Choice best;
    const int64_t terms = std::max<int64_t>(1, Box::Product(box.terms));
    for (size_t i = box.rows.size(); i-- > 0;) {
      const BoxAxis& axis = box.rows[i];
      int64_t tallest = std::min(axis.extent, TallestTile(vectors, context_.target));
      const bool aliases = axis.a * bytes_ % kAliasingBytes == 0;
      if (aliases) tallest = std::min(tallest, kTallestAliasing);
      for (int64_t height = tallest; height >= 1; --height) {
        const bool is_known = std::find(heights.begin(), heights.end(), height) != heights.end();
        const int64_t tiles = box.positions() / axis.extent * ((axis.extent + height - 1) / height);
        int64_t cost = tiles * (terms * TermCost(height, vectors) + kTileCost);
        cost *= aliases ? kAliasingCost : 4;
        if (little && !is_known) cost *= 8;
        if (best.height == 0 || cost < best.cost) best = {i, height, cost};
      }
    }
    return best;
  }

  void AddJob(const Box& box, int64_t vectors, int64_t columns, bool little, std::vector<int64_t>& heights) {
    const Choice choice = Choose(box, vectors, little, heights);
    if (std::find(heights.begin(), heights.end(), choice.height) == heights.end()) heights.push_back(choice.height);
    const BoxAxis& rows = box.rows[choice.axis];
    std::vector<BoxAxis> outer = box.outer;
    for (size_t i = 0; i < box.rows.size(); ++i) {
      if (i != choice.axis) outer.push_back(box.rows[i]);
    }
    CHECK(outer.size() <= kMaxOuter && box.terms.size() <= 4);
    ConvolutionTile tile;
    tile.tile = {spec_.type, lanes_, vectors, choice.height};
    tile.masked = columns % lanes_ != 0;
    tile.terms = terms_;
    tile.levels = box.terms.size() <= 2 ? 1 : 3;
    std::vector<int64_t>& table = jobs_[{tile, (columns - 1) % lanes_ + 1}];
    const size_t begin = table.size();
    table.resize(begin + kNumbers);
    int64_t* numbers = &table[begin];
    numbers[kA] = box.a * bytes_;
    numbers[kB] = box.b * bytes_;
    numbers[kC] = box.c * bytes_;
    numbers[kPositions] = rows.extent;
    numbers[kTiles] = (rows.extent + choice.height - 1) / choice.height;
    numbers[kLines] = Box::Product(outer);
    numbers[kARow] = rows.a * bytes_;
    numbers[kCRow] = rows.c * bytes_;
    outer.erase(std::remove_if(outer.begin(), outer.end(), [](const BoxAxis& axis) { return axis.extent == 1; }),
                outer.end());
    numbers[kOuter] = static_cast<int64_t>(outer.size());
    for (size_t i = 0; i < outer.size(); ++i) {
      const BoxAxis& axis = outer[outer.size() - 1 - i];
      int64_t* at = numbers + kOuterAxes + 4 * i;
      at[0] = axis.extent;
      at[1] = axis.a * bytes_;
      at[2] = axis.b * bytes_;
      at[3] = axis.c * bytes_;
    }
    std::vector<BoxAxis> terms = box.terms;
    while (static_cast<int>(terms.size()) < tile.levels + 1) terms.insert(terms.begin(), BoxAxis());
    for (size_t i = 0; i < terms.size(); ++i) {
      int64_t* at = numbers + (i + 1 == terms.size() ? static_cast<size_t>(kTerms) : kLevels + 3 * i);
      at[0] = terms[i].extent;
      at[1] = terms[i].a * bytes_;
      at[2] = terms[i].b * bytes_;
    }
  }

  // `void(ptr x, ptr w, ptr y, ptr job, i64 thread, i64 threads, i64 valid)`: the thread's share of the tiles of a job.
  llvm::Function* Function(const ConvolutionTile& tile) {
    const std::string name = absl::StrCat("convolution_", Name(tile));
    if (llvm::Function* existing = module_.getFunction(name)) return existing;
    llvm::Function* function = DeclareShared(module_, context_.target, name, 4, 3);
    llvm::IRBuilder<> b(llvm::BasicBlock::Create(module_.getContext(), "", function));
    Value* job = function->getArg(3);
    const auto number = [&](int64_t index) { return LoadNumber(b, job, index); };
    const auto argument = [&](unsigned i, int64_t offset) { return ByteAt(b, function->getArg(i), number(offset)); };
    TileEmitter emitter(b, context_.target, tile, function->getArg(6));
    Value *x = argument(0, kA), *w = argument(1, kB), *y = argument(2, kC);
    Value *positions = number(kPositions), *tiles = number(kTiles), *a_row = number(kARow), *c_row = number(kCRow);
    std::vector<NestLevel> levels;
    for (int level = 0; level < tile.levels; ++level) {
      const int64_t at = kLevels + 3 * level;
      levels.push_back({number(at), number(at + 1), number(at + 2)});
    }
    TileOperands operands{};
    operands.a_row = a_row;
    operands.contracted = number(kTerms);
    operands.a_k = number(kTerms + 1);
    operands.b_k = number(kTerms + 2);
    operands.mask = emitter.mask();
    operands.terms = tile.terms;
    Value* all = b.CreateNSWMul(tiles, number(kLines));
    Value* thread = function->getArg(4);
    Value* threads = function->getArg(5);
    Value* first = b.CreateUDiv(b.CreateNSWMul(all, thread), threads);
    Value* last = b.CreateUDiv(b.CreateNSWMul(all, b.CreateNSWAdd(thread, b.getInt64(1))), threads);
    Value* end = b.CreateUDiv(b.CreateNSWSub(b.CreateNSWAdd(last, tiles), b.getInt64(1)), tiles);
    EmitFor(b, b.CreateUDiv(first, tiles), end, 1, [&](Value* line) {
      const Carried at = EmitForCarrying(
          b, b.getInt64(0), number(kOuter), 1, {line, x, w, y}, [&](Value* axis, const Carried& carried) {
            Value* numbers = ByteAt(b, job, b.CreateNSWAdd(IndexMultiply(b, axis, 32), b.getInt64(8 * kOuterAxes)));
            Value* extent = LoadNumber(b, numbers, 0);
            Value* index = b.CreateURem(carried[0], extent);
            const auto moved = [&](int i) {
              return ByteAt(b, carried[i], b.CreateNSWMul(index, LoadNumber(b, numbers, i)));
            };
            return Carried{b.CreateUDiv(carried[0], extent), moved(1), moved(2), moved(3)};
          });
      Value* before = b.CreateNSWMul(line, tiles);
      Value* first_tile = IndexMax(b, b.CreateNSWSub(first, before), b.getInt64(0));
      Value* end_tile = IndexMin(b, b.CreateNSWSub(last, before), tiles);
      EmitFor(b, first_tile, end_tile, 1, [&](Value* turn) {
        // The last tile of a line begins earlier where rows do not divide: it stores what is its own.
        Value* own = IndexMultiply(b, turn, tile.tile.rows);
        Value* row = IndexMin(b, own, b.CreateNSWSub(positions, b.getInt64(tile.tile.rows)));
        operands.a = ByteAt(b, at[1], b.CreateNSWMul(row, a_row));
        operands.b = at[2];
        const std::vector<Value*> sums = EmitNest(b, context_.target, tile.tile, operands, levels, emitter.Zeros());
        emitter.Store(sums, ByteAt(b, at[3], b.CreateNSWMul(row, c_row)), c_row, b.CreateNSWSub(own, row));
      });
    });
    b.CreateRetVoid();
    return function;
  }

  const ContractionContext& context_;
  const ConvolutionSpec& spec_;
  const ir::Convolution& shape_;
  llvm::IRBuilder<>& builder_;
  llvm::Module& module_;
  const int64_t bytes_;
  const TileTerms terms_;
  const bool paired_;  // the groups are columns
  const int64_t lanes_;
  const bool pack_;                                                           // panels of the weights are copied
  std::map<std::pair<ConvolutionTile, int64_t>, std::vector<int64_t>> jobs_;  // by tile and valid lanes
};

}  // namespace

void EmitConvolution(const ContractionContext& context, const ConvolutionSpec& spec, Value* x, Value* w, Value* y) {
  ConvolutionEmitter(context, spec, TermsOf(spec.shape)).Emit(x, w, y);
}

void EmitWindowSums(const ContractionContext& context, const ConvolutionSpec& spec, Value* x, Value* y) {
  CHECK(spec.shape.in == 1 && spec.shape.out == 1);
  ConvolutionEmitter(context, spec, TileTerms::kSums).Emit(x, x, y);
}

}  // namespace gradus::codegen
