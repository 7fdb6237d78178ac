// The shared functions around the microkernel: a tile after the other, each loaded or begun at zero, computed and
// stored.
#include "absl/strings/str_cat.h"
#include "codegen/contraction_tile.h"
#include "codegen/control.h"
#include "codegen/index_arithmetic.h"
#include "codegen/target_machine.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

std::string BandName(const absl::optional<TileBand>& band) {
  if (!band) return "";
  return absl::StrCat("_band", band->level ? "_level" : "", band->has_lower ? "_lower" : "",
                      band->has_upper ? "_upper" : "");
}

std::string Name(const TileRun& run) {
  const Tile& tile = run.tile;
  return absl::StrCat("contraction_", std::string(ir::Name(tile.type)), "_", tile.rows, "x", tile.vectors * tile.lanes,
                      run.accumulates ? "_more" : "", run.masked ? "_masked" : "", BandName(run.band));
}

// `tiles` tiles of the same height, at least one.
class TileLoop {
 public:
  enum { kA, kB, kC, kContracted, kTiles, kARow, kAK, kBK, kCRow, kValid, kAccumulate, kLower, kUpper, kEnd };

  TileLoop(llvm::Module& module, const ir::Target& target, const TileRun& run)
      : run_(run), tile_(run.tile), target_(target), builder_(module.getContext()) {
    function_ = module.getFunction(Name(run));
    if (function_ != nullptr) return;
    function_ = DeclareShared(module, target, Name(run), 3, (run.band ? kEnd : kLower) - kContracted);
    Emit();
  }
  llvm::Function* function() const { return function_; }

 private:
  Value* Argument(unsigned i) { return function_->getArg(i); }

  void Emit() {
    builder_.SetInsertPoint(llvm::BasicBlock::Create(builder_.getContext(), "", function_));
    TileOperands operands;
    operands.b = Argument(kB);
    operands.a_row = Argument(kARow);
    operands.a_k = Argument(kAK);
    operands.b_k = Argument(kBK);
    operands.contracted = Argument(kContracted);
    if (run_.masked) operands.mask = c_mask_ = EmitLaneMask(builder_, tile_.lanes, Argument(kValid));
    Value* a_tile = IndexMultiply(builder_, operands.a_row, tile_.rows);
    Carried begun = {Argument(kA), Argument(kC)};
    if (run_.band) begun.insert(begun.end(), {Argument(kLower), Argument(kUpper)});
    EmitForCarrying(builder_, builder_.getInt64(0), Argument(kTiles), 1, begun, [&](Value*, const Carried& carried) {
      operands.a = carried[0];
      const std::vector<Value*> initial = run_.accumulates ? Initial(carried[1]) : std::vector<Value*>();
      const std::vector<Value*> finished = run_.band ? EmitBanded(operands, initial, carried[2], carried[3])
                                                     : EmitTile(builder_, target_, tile_, operands, initial, 0);
      Value* c_row = carried[1];
      for (int64_t r = 0; r < tile_.rows; ++r) {
        for (int64_t v = 0; v < tile_.vectors; ++v) Store(c_row, v, finished[r * tile_.vectors + v]);
        c_row = ByteAt(builder_, c_row, Argument(kCRow));
      }
      Carried next = {ByteAt(builder_, carried[0], a_tile), c_row};
      for (size_t bound = 2; bound < carried.size(); ++bound) {
        const int64_t step = run_.band->level ? 0 : tile_.rows;
        next.push_back(IndexAdd(builder_, carried[bound], builder_.getInt64(step)));
      }
      return next;
    });
    builder_.CreateRetVoid();
  }

  // The terms that exist, ascending: first those that the band's lower bound leaves to some rows, then those of all
  // rows, then those that its upper bound leaves to some. Bounds of row 0 of the tile.
  std::vector<Value*> EmitBanded(const TileOperands& operands, const std::vector<Value*>& initial, Value* lower,
                                 Value* upper) {
    Value *begin = builder_.getInt64(0), *end = Argument(kContracted);
    const auto clamp = [&](Value* k) { return IndexMin(builder_, IndexMax(builder_, k, begin), end); };
    const int64_t slope = run_.band->level ? 0 : tile_.rows - 1;
    const auto after = [&](Value* k, int64_t steps) { return IndexAdd(builder_, k, builder_.getInt64(steps)); };
    const bool rising = run_.band->has_lower && slope != 0, falling = run_.band->has_upper && slope != 0;
    Value* first = run_.band->has_lower ? clamp(lower) : begin;  // of some rows
    Value* last = run_.band->has_upper ? clamp(after(upper, slope + 1)) : end;
    Value* whole = rising ? clamp(after(lower, slope)) : first;  // of all rows
    Value* whole_end = falling ? clamp(after(upper, 1)) : last;
    if (rising && falling) {
      // A band narrower than the tile has no term that all rows have.
      Value* narrow = builder_.CreateICmpSGE(whole, whole_end);
      whole = builder_.CreateSelect(narrow, last, whole);
      whole_end = builder_.CreateSelect(narrow, last, whole_end);
    }
    Carried sums = initial;
    if (sums.empty()) sums.assign(tile_.rows * tile_.vectors, llvm::Constant::getNullValue(Vector()));
    if (rising) sums = EmitPart(operands, sums, first, whole, lower, falling ? upper : nullptr);
    sums = EmitPart(operands, sums, whole, whole_end, nullptr, nullptr);
    if (falling) sums = EmitPart(operands, sums, whole_end, last, nullptr, upper);
    return sums;
  }

  // The terms [begin, end), of the rows that the bounds leave, where there are bounds.
  Carried EmitPart(TileOperands operands, const Carried& sums, Value* begin, Value* end, Value* lower, Value* upper) {
    return EmitIfCarrying(builder_, builder_.CreateICmpSLT(begin, end), sums, [&] {
      operands.a = ByteAt(builder_, operands.a, builder_.CreateNSWMul(begin, operands.a_k));
      operands.b = ByteAt(builder_, operands.b, builder_.CreateNSWMul(begin, operands.b_k));
      operands.contracted = IndexSubtract(builder_, end, begin);
      if (lower != nullptr) operands.lower = IndexSubtract(builder_, lower, begin);
      if (upper != nullptr) operands.upper = IndexSubtract(builder_, upper, begin);
      return EmitTile(builder_, target_, tile_, operands, sums, 0);
    });
  }

  llvm::Type* Vector() {
    return llvm::FixedVectorType::get(ElementType(builder_, tile_.type), static_cast<unsigned>(tile_.lanes));
  }

  Value* Place(Value* row, int64_t v) {
    return ByteAt(builder_, row, builder_.getInt64(v * tile_.lanes * ir::ByteWidth(tile_.type)));
  }
  bool Partial(int64_t v) const { return c_mask_ != nullptr && v + 1 == tile_.vectors; }

  void Store(Value* row, int64_t v, Value* value) {
    const llvm::Align align(ir::ByteWidth(tile_.type));
    if (Partial(v)) {
      builder_.CreateMaskedStore(value, Place(row, v), align, c_mask_);
    } else {
      builder_.CreateAlignedStore(value, Place(row, v), align);
    }
  }

  // Zeros, or what c holds.
  std::vector<Value*> Initial(Value* c) {
    llvm::Type* vector = Vector();
    const llvm::Align align(ir::ByteWidth(tile_.type));
    llvm::BasicBlock* before = builder_.GetInsertBlock();
    llvm::BasicBlock* load = llvm::BasicBlock::Create(builder_.getContext(), "load", function_);
    llvm::BasicBlock* start = llvm::BasicBlock::Create(builder_.getContext(), "start", function_);
    builder_.CreateCondBr(builder_.CreateICmpNE(Argument(kAccumulate), builder_.getInt64(0)), load, start);
    builder_.SetInsertPoint(load);
    std::vector<Value*> values;
    for (int64_t r = 0; r < tile_.rows; ++r) {
      for (int64_t v = 0; v < tile_.vectors; ++v) {
        values.push_back(Partial(v) ? builder_.CreateMaskedLoad(vector, Place(c, v), align, c_mask_,
                                                                llvm::Constant::getNullValue(vector))
                                    : static_cast<Value*>(builder_.CreateAlignedLoad(vector, Place(c, v), align)));
      }
      c = ByteAt(builder_, c, Argument(kCRow));
    }
    builder_.CreateBr(start);
    llvm::BasicBlock* loaded = builder_.GetInsertBlock();
    builder_.SetInsertPoint(start);
    for (Value*& value : values) {
      llvm::PHINode* phi = builder_.CreatePHI(vector, 2);
      phi->addIncoming(llvm::Constant::getNullValue(vector), before);
      phi->addIncoming(value, loaded);
      value = phi;
    }
    return values;
  }

  const TileRun& run_;
  const Tile& tile_;
  const ir::Target& target_;
  llvm::IRBuilder<> builder_;
  llvm::Function* function_;
  Value* c_mask_ = nullptr;
};

}  // namespace

llvm::Function* DeclareShared(llvm::Module& module, const ir::Target& target, const std::string& name, int pointers,
                              int numbers) {
  llvm::IRBuilder<> builder(module.getContext());
  llvm::SmallVector<llvm::Type*, 13> parameters(pointers, builder.getPtrTy());
  parameters.append(numbers, builder.getInt64Ty());
  auto* function = llvm::Function::Create(llvm::FunctionType::get(builder.getVoidTy(), parameters, false),
                                          llvm::Function::InternalLinkage, name, &module);
  SetTargetAttributes(target, *function);
  return function;
}

llvm::Function* TileRunFunction(llvm::Module& module, const ir::Target& target, const TileRun& run) {
  const std::string name = Name(run) + (run.short_tiles ? "_run" : "_even_run");
  if (llvm::Function* existing = module.getFunction(name)) return existing;
  enum {
    kA,
    kB,
    kC,
    kContracted,
    kFirst,
    kEnd,
    kLarge,
    kARow,
    kAK,
    kBK,
    kCRow,
    kValid,
    kAccumulate,
    kLower,
    kUpper,
    kArguments
  };
  llvm::Function* function = DeclareShared(module, target, name, 3, (run.band ? kArguments : kLower) - kContracted);
  llvm::IRBuilder<> builder(llvm::BasicBlock::Create(module.getContext(), "", function));
  auto argument = [&](unsigned i) { return function->getArg(i); };
  auto row_of = [&](Value* tile) {
    Value* row = IndexMultiply(builder, tile, run.tile.rows);
    if (!run.short_tiles) return row;
    return IndexSubtract(builder, row,
                         IndexMax(builder, IndexSubtract(builder, tile, argument(kLarge)), builder.getInt64(0)));
  };
  Value* first_row = row_of(argument(kFirst));
  auto call = [&](Value* from, Value* to, int64_t rows) {
    Value* count = IndexSubtract(builder, to, from);
    EmitIf(builder, builder.CreateICmpSGT(count, builder.getInt64(0)), [&] {
      Value* row = from == argument(kFirst) ? first_row : row_of(from);
      Value* a = ByteAt(builder, argument(kA), builder.CreateNSWMul(row, argument(kARow)));
      Value* c =
          ByteAt(builder, argument(kC), builder.CreateNSWMul(IndexSubtract(builder, row, first_row), argument(kCRow)));
      TileRun same_height = run;
      same_height.tile.rows = rows;
      std::vector<Value*> arguments = {a,
                                       argument(kB),
                                       c,
                                       argument(kContracted),
                                       count,
                                       argument(kARow),
                                       argument(kAK),
                                       argument(kBK),
                                       argument(kCRow),
                                       argument(kValid),
                                       argument(kAccumulate)};
      if (run.band) {
        Value* rise = run.band->level ? builder.getInt64(0) : row;
        arguments.push_back(IndexAdd(builder, argument(kLower), rise));
        arguments.push_back(IndexAdd(builder, argument(kUpper), rise));
      }
      builder.CreateCall(TileLoop(module, target, same_height).function(), arguments);
    });
  };
  if (run.short_tiles) {
    call(argument(kFirst), IndexMin(builder, argument(kEnd), argument(kLarge)), run.tile.rows);
    call(IndexMax(builder, argument(kFirst), argument(kLarge)), argument(kEnd), run.tile.rows - 1);
  } else {
    call(argument(kFirst), argument(kEnd), run.tile.rows);
  }
  builder.CreateRetVoid();
  return function;
}

}  // namespace gradus::codegen
