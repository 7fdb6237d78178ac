// Contractions in the order lanes16: chain k mod 16, then the tree 8, 4, 2, 1. One of the free extents is at most 4, so
// every element of the other operand is used a few times only and reading it once is what counts.
#include <algorithm>

#include "codegen/contraction_emit.h"
#include "codegen/control.h"
#include "ir/order.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

constexpr int64_t kLanes = ir::kLanes;

class LanesEmitter {
 public:
  explicit LanesEmitter(const ContractionJob& job)
      : job_(job),
        loops_(job.loops),
        builder_(job.context.builder),
        element_(ElementType(builder_, job.spec.type)),
        align_(ir::ByteWidth(job.spec.type)),
        width_(job.context.target.vector_bytes() / ir::ByteWidth(job.spec.type)),
        contracted_(job.loops.contracted_outer) {
    contracted_.push_back(loops_.contracted);
    for (const ContractionLoop& loop : contracted_) terms_ *= loop.extent;
  }

  void Emit() {
    const bool adjacent = loops_.column.b.step == 1 && loops_.column.extent >= 4 && contracted_.size() == 1 &&
                          loops_.column.b.panel % width_ == 0 && loops_.contracted.b.panel == 0 &&
                          loops_.contracted.a.panel == 0;
    if (adjacent) {
      EmitColumns();
    } else {
      EmitDots();
    }
  }

 private:
  Value* Int(int64_t value) { return builder_.getInt64(static_cast<uint64_t>(value)); }
  Value* Zero(int64_t lanes) {
    return llvm::Constant::getNullValue(llvm::FixedVectorType::get(element_, static_cast<unsigned>(lanes)));
  }
  Value* Add(Value* x, Value* y) {
    return x->getType()->isIntOrIntVectorTy() ? builder_.CreateAdd(x, y) : builder_.CreateFAdd(x, y);
  }
  Value* MultiplyAdd(Value* a, Value* b, Value* sum) {
    return EmitMultiplyAdd(builder_, job_.context.target, a, b, sum);
  }
  Value* Load(llvm::Type* type, Value* pointer, Value* mask = nullptr) {
    if (mask == nullptr) return builder_.CreateAlignedLoad(type, pointer, align_);
    return builder_.CreateMaskedLoad(type, pointer, align_, mask, llvm::Constant::getNullValue(type));
  }

  // The offsets of one operand or output at the outer indices, a row and a column.
  template <typename Which>
  Value* Offset(const std::vector<Value*>& outer, Value* row, Value* column, Which which) {
    Value* offset = EmitOffsets(builder_, loops_.outer, outer, which);
    offset = IndexAdd(builder_, offset, EmitOffset(builder_, which(loops_.row), row));
    return IndexAdd(builder_, offset, EmitOffset(builder_, which(loops_.column), column));
  }

  void Finish(const std::vector<Value*>& outer, Value* row, Value* column, int64_t lanes, Value* mask, Value* value) {
    std::vector<Value*> offsets;
    std::vector<int64_t> steps;
    for (int o = 0; o < job_.spec.outputs; ++o) {
      offsets.push_back(Offset(outer, row, column, [o](const ContractionLoop& l) { return l.outputs[o]; }));
      steps.push_back(lanes == 1 ? 0 : loops_.column.outputs[o].step);
    }
    job_.epilogue({builder_, value, static_cast<int>(lanes), mask, offsets, steps});
  }

  // Columns are adjacent in b: a vector of them at a time. Chains g, g + 4, g + 8, g + 12 go together, for all rows of
  // the block: their sum is lane g of the tree after its steps 8 and 4, and each row of b is read once.
  void EmitColumns() {
    const int64_t row_block = std::min<int64_t>(loops_.row.extent, job_.context.target.vector_registers() / 8);
    const int64_t row_blocks = (loops_.row.extent + row_block - 1) / row_block;
    const int64_t vectors = (loops_.column.extent + width_ - 1) / width_;
    EmitShare(job_.context, loops_.outer_count() * row_blocks * vectors, loops_.blocking.one_thread,
              [&](Value* first, Value* last) {
                EmitFor(builder_, first, last, 1, [&](Value* item) {
                  Value* column = IndexMultiply(builder_, IndexRemainder(builder_, item, vectors), width_);
                  Value* rest = IndexDivide(builder_, item, vectors);
                  Value* block = IndexRemainder(builder_, rest, row_blocks);
                  const std::vector<Value*> outer =
                      EmitIndices(builder_, loops_.outer, IndexDivide(builder_, rest, row_blocks));
                  EmitColumnBlock(outer, block, row_block, column);
                });
              });
  }

  void EmitColumnBlock(const std::vector<Value*>& outer, Value* block, int64_t row_block, Value* column) {
    Value* mask = nullptr;
    if (loops_.column.extent % width_ != 0) {
      Value* left = IndexSubtract(builder_, Int(loops_.column.extent), column);
      mask = EmitLaneMask(builder_, width_, IndexMin(builder_, left, Int(width_)));
    }
    // The last block begins earlier where rows do not divide: it computes some rows twice but finishes its own alone.
    Value* own = IndexMultiply(builder_, block, row_block);
    Value* first_row = IndexMin(builder_, own, Int(loops_.row.extent - row_block));
    auto which_a = [](const ContractionLoop& l) { return l.a; };
    auto which_b = [](const ContractionLoop& l) { return l.b; };
    std::vector<Value*> rows, a;
    for (int64_t r = 0; r < row_block; ++r) {
      rows.push_back(IndexAdd(builder_, first_row, Int(r)));
      a.push_back(EmitAdvance(builder_, job_.spec.type, job_.a, Offset(outer, rows[r], Int(0), which_a)));
    }
    Value* b = EmitAdvance(builder_, job_.spec.type, job_.b, Offset(outer, Int(0), column, which_b));
    std::vector<Carried> groups;
    for (int64_t g = 0; g < 4; ++g) groups.push_back(ChainGroup(a, b, g, mask));
    for (int64_t r = 0; r < row_block; ++r) {
      Value* sum = Add(Add(groups[0][r], groups[2][r]), Add(groups[1][r], groups[3][r]));
      EmitIf(builder_, builder_.CreateICmpSGE(rows[r], own),
             [&] { Finish(outer, rows[r], column, width_, mask, sum); });
    }
  }

  // (chain g + chain g + 8) + (chain g + 4 + chain g + 12), for every row.
  Carried ChainGroup(const std::vector<Value*>& a, Value* b, int64_t g, Value* mask) {
    const size_t rows = a.size();
    auto add_term = [&](Value* k, int64_t chain, Carried& sums) {
      k = IndexAdd(builder_, k, Int(g + 4 * chain));
      Value* right = Load(Zero(width_)->getType(),
                          EmitAdvance(builder_, job_.spec.type, b, EmitOffset(builder_, loops_.contracted.b, k)), mask);
      for (size_t r = 0; r < rows; ++r) {
        Value* left =
            Load(element_, EmitAdvance(builder_, job_.spec.type, a[r], EmitOffset(builder_, loops_.contracted.a, k)));
        Value*& sum = sums[chain * rows + r];
        sum = MultiplyAdd(builder_.CreateVectorSplat(static_cast<unsigned>(width_), left), right, sum);
      }
    };
    const int64_t whole = terms_ / kLanes * kLanes;
    Carried sums = EmitForCarrying(builder_, Int(0), Int(whole), kLanes, Carried(4 * rows, Zero(width_)),
                                   [&](Value* k, const Carried& carried) {
                                     Carried next = carried;
                                     for (int64_t chain = 0; chain < 4; ++chain) add_term(k, chain, next);
                                     return next;
                                   });
    for (int64_t chain = 0; chain < 4; ++chain) {
      if (whole + g + 4 * chain < terms_) add_term(Int(whole), chain, sums);
    }
    Carried result;
    for (size_t r = 0; r < rows; ++r) {
      result.push_back(Add(Add(sums[r], sums[2 * rows + r]), Add(sums[rows + r], sums[3 * rows + r])));
    }
    return result;
  }

  // Sixteen terms of an element at a time, for four elements along the longer free axis: the other operand is read once
  // for them.
  void EmitDots() {
    const bool along_rows = loops_.row.extent >= loops_.column.extent;
    const int64_t longer = std::max(loops_.row.extent, loops_.column.extent);
    const int64_t shorter = std::min(loops_.row.extent, loops_.column.extent);
    const int64_t block = std::min<int64_t>(longer, 4);
    const int64_t blocks = (longer + block - 1) / block;
    EmitShare(job_.context, loops_.outer_count() * shorter * blocks, loops_.blocking.one_thread,
              [&](Value* first, Value* last) {
                EmitFor(builder_, first, last, 1, [&](Value* item) {
                  Value* own = IndexMultiply(builder_, IndexRemainder(builder_, item, blocks), block);
                  Value* start = IndexMin(builder_, own, Int(longer - block));
                  Value* rest = IndexDivide(builder_, item, blocks);
                  Value* other = IndexRemainder(builder_, rest, shorter);
                  const std::vector<Value*> outer =
                      EmitIndices(builder_, loops_.outer, IndexDivide(builder_, rest, shorter));
                  EmitDotBlock(outer, along_rows, own, start, block, other);
                });
              });
  }

  void EmitDotBlock(const std::vector<Value*>& outer, bool along_rows, Value* own, Value* start, int64_t block,
                    Value* other) {
    auto which_a = [](const ContractionLoop& l) { return l.a; };
    auto which_b = [](const ContractionLoop& l) { return l.b; };
    std::vector<Value*> indices, many;
    Value* one = nullptr;
    for (int64_t i = 0; i < block; ++i) {
      Value* index = IndexAdd(builder_, start, Int(i));
      indices.push_back(index);
      Value* row = along_rows ? index : other;
      Value* column = along_rows ? other : index;
      Value* a = EmitAdvance(builder_, job_.spec.type, job_.a, Offset(outer, row, column, which_a));
      Value* b = EmitAdvance(builder_, job_.spec.type, job_.b, Offset(outer, row, column, which_b));
      many.push_back(along_rows ? a : b);
      one = along_rows ? b : a;
    }
    auto add_terms = [&](Value* k, int64_t lanes, Carried sums) {
      Value* shared = Terms(one, !along_rows, k, lanes);
      for (int64_t i = 0; i < block; ++i) {
        Value* next = MultiplyAdd(Terms(many[i], along_rows, k, lanes), shared, sums[i]);
        // A lane without a term keeps its sum.
        sums[i] =
            lanes == kLanes ? next : builder_.CreateSelect(EmitLaneMask(builder_, kLanes, Int(lanes)), next, sums[i]);
      }
      return sums;
    };
    const int64_t whole = terms_ / kLanes * kLanes;
    Carried sums = EmitForCarrying(builder_, Int(0), Int(whole), kLanes, Carried(block, Zero(kLanes)),
                                   [&](Value* k, const Carried& carried) { return add_terms(k, kLanes, carried); });
    if (whole < terms_) sums = add_terms(Int(whole), terms_ - whole, sums);
    for (int64_t i = 0; i < block; ++i) {
      EmitIf(builder_, builder_.CreateICmpSGE(indices[i], own), [&] {
        Finish(outer, along_rows ? indices[i] : other, along_rows ? other : indices[i], 1, nullptr, Tree(sums[i]));
      });
    }
  }

  // `lanes` terms from k on of operand a (left) or b.
  Value* Terms(Value* pointer, bool left, Value* k, int64_t lanes) {
    const ContractionLoop& inner = contracted_.back();
    const AxisStep& step = left ? inner.a : inner.b;
    if (contracted_.size() == 1 && step.step == 1 && step.panel % kLanes == 0) {
      Value* mask = lanes == kLanes ? nullptr : EmitLaneMask(builder_, kLanes, Int(lanes));
      Value* offset = EmitOffset(builder_, step, k);
      return Load(Zero(kLanes)->getType(), EmitAdvance(builder_, job_.spec.type, pointer, offset), mask);
    }
    Value* vector = Zero(kLanes);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const std::vector<Value*> indices = EmitIndices(builder_, contracted_, IndexAdd(builder_, k, Int(lane)));
      Value* offset =
          EmitOffsets(builder_, contracted_, indices, [left](const ContractionLoop& l) { return left ? l.a : l.b; });
      vector = builder_.CreateInsertElement(
          vector, Load(element_, EmitAdvance(builder_, job_.spec.type, pointer, offset)), Int(lane));
    }
    return vector;
  }

  Value* Tree(Value* sums) {
    for (int half = kLanes / 2; half >= 1; half /= 2) {
      llvm::SmallVector<int, kLanes> low, high;
      for (int lane = 0; lane < half; ++lane) {
        low.push_back(lane);
        high.push_back(lane + half);
      }
      sums = Add(builder_.CreateShuffleVector(sums, low), builder_.CreateShuffleVector(sums, high));
    }
    return builder_.CreateExtractElement(sums, Int(0));
  }

  const ContractionJob& job_;
  const ContractionLoops& loops_;
  llvm::IRBuilder<>& builder_;
  llvm::Type* element_;
  const llvm::Align align_;
  const int64_t width_;
  std::vector<ContractionLoop> contracted_;
  int64_t terms_ = 1;
};

}  // namespace

void EmitLanes(const ContractionJob& job) { LanesEmitter(job).Emit(); }

}  // namespace gradus::codegen
