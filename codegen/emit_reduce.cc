#include <algorithm>

#include "codegen/elementwise.h"
#include "codegen/emit_kernels.h"
#include "codegen/reduction.h"
#include "codegen/reduction_stages.h"
#include "ir/check.h"
#include "ir/order.h"

namespace gradus::codegen {
namespace {

using ir::Op;
using ir::ReductionOrder;
using ir::Statement;
using llvm::Value;

constexpr int kLanes = static_cast<int>(ir::kLanes);

// The mask of the first `valid` lanes; null where it is all of them.
Value* Mask(Builder& b, int64_t valid) { return valid == kLanes ? nullptr : FirstLanes(b, kLanes, valid); }

// A region with reductions is computed for one or several reduced elements at a time (`outer` frames), stage by stage
// (reduction_stages.h). Values are computed again in a later pass, unless the passes are short enough to be unrolled,
// where they stay in registers, or the value is kept in a yield.
class ReducingEmitter {
 public:
  explicit ReducingEmitter(RegionCode& code) : code_(code), b_(code.kernel().builder) {
    for (int g = 0; g < code.groups(); ++g) (code.IsReducedGroup(g) ? reduced_ : staying_).push_back(g);
    for (int g : reduced_) {
      reduced_mask_ |= uint64_t{1} << g;
      count_ *= code.extents()[g];
    }
    stages_ = FindStages(code, reduced_mask_, reduced_yields_);
    ChooseShape();
    if (!unrolled_) kept_ = FindKept(code, reduced_mask_, stages_);
  }

  void Run() {
    Frame outermost;
    if (staying_.empty()) {
      const auto one = [&] { Reduce({&outermost}); };
      if (code_.kernel().threads == 1) return one();
      return EmitIf(b_, b_.CreateICmpEQ(code_.kernel().thread, b_.getInt64(0)), one);
    }
    split_ = SplitGroup();
    Descend(outermost, 0);
  }

 private:
  // Vectors along the reduced elements where an order asks for lanes, else along the last axis that stays.
  void ChooseShape() {
    bool lanes = false;
    bool chain = false;
    for (const Statement* s : code_.form().reductions) {
      if (s->op == Op::kArgMax || s->op == Op::kArgMin) continue;
      (ir::OrderOfReduction(*s).lanes ? lanes : chain) = true;
    }
    const bool last_stays = !staying_.empty() && staying_.back() == code_.groups() - 1;
    along_reduced_ = lanes || (!chain && !last_stays);
    // As many vectors of a row as leave registers for what is computed with them.
    const int64_t most = kLanes * (code_.kernel().target.isa == ir::Isa::kAvx512 ? 8 : 4);
    const bool short_enough = count_ <= kLanes || UnrolledStatements() <= kMostUnrolled;
    if (along_reduced_) unrolled_ = !chain && short_enough && count_ <= most && code_.groups() - staying_.size() <= 1;
    for (const ReductionStage& stage : stages_) {
      for (const Reduction& r : stage.reductions) unrolled_ = unrolled_ && OrderFor(r).rows == 1;
    }
  }

  // An arg reduction has no order: it takes what suits the others.
  ReductionOrder OrderFor(const Reduction& r) const {
    if (!r.is_arg()) return ir::OrderOfReduction(r.statement());
    ReductionOrder order;
    order.lanes = along_reduced_;
    (along_reduced_ ? order.inner : order.rows) = count_;
    order.block_rows = order.rows;
    return order;
  }

  int SplitGroup() const {
    const int64_t enough = 4 * code_.kernel().threads;
    int longest = staying_.back();
    for (int g : staying_) {
      if (g == staying_.back()) break;
      if (code_.extents()[g] >= enough) return g;
      if (code_.extents()[g] > code_.extents()[longest]) longest = g;
    }
    return longest;
  }

  // Loops over the axes that stay.
  void Descend(Frame& outer, size_t depth) {
    const int group = staying_[depth];
    const bool innermost = depth + 1 == staying_.size();
    const bool vectors = innermost && !along_reduced_;
    const int64_t extent = code_.extents()[group];
    Share share{b_.getInt64(0), b_.getInt64(extent)};
    if (group == split_) share = ShareOf(code_.kernel(), extent, vectors ? kLanes : innermost ? RowsAbreast(group) : 1);
    OpenInner(b_, outer);
    if (vectors) {
      Vectors(outer, group, share);
    } else if (innermost) {
      Rows(outer, group, share);
    } else {
      EmitFor(b_, share.begin, share.end, 1, [&](Value* i) {
        Frame frame = Inside(outer, uint64_t{1} << group);
        frame.positions[group] = {i, 0, nullptr};
        Descend(frame, depth + 1);
      });
    }
    outer.hoist = nullptr;
  }

  // A number that divides the rows, so that there is one loop and no rest.
  int64_t RowsAbreast(int group) const {
    if (!unrolled_ || code_.extents()[group] % 2 != 0) return 1;
    return 2 * UnrolledStatements() <= kMostUnrolled ? 2 : 1;
  }

  int64_t UnrolledStatements() const {
    return static_cast<int64_t>(code_.region().statements.size()) * ((count_ + kLanes - 1) / kLanes);
  }

  // One result at a time; of short rows several, since their trees are chains of dependent instructions.
  void Rows(Frame& outer, int group, const Share& share) {
    const int64_t abreast = RowsAbreast(group);
    const auto several = [&](Value* i, int64_t rows) {
      std::vector<Frame> frames(static_cast<size_t>(rows));
      std::vector<Frame*> pointers;
      for (int64_t k = 0; k < rows; ++k) {
        Frame& frame = frames[static_cast<size_t>(k)];
        frame = Inside(outer, uint64_t{1} << group);
        frame.positions[group] = {b_.CreateAdd(i, b_.getInt64(static_cast<uint64_t>(k))), 0, nullptr};
        pointers.push_back(&frame);
      }
      Reduce(pointers);
    };
    EmitFor(b_, share.begin, share.end, abreast, [&](Value* i) { several(i, abreast); });
  }

  // kAbreast vectors of results at a time, then one at a time, then the masked rest.
  void Vectors(Frame& outer, int group, const Share& share) {
    const int64_t extent = code_.extents()[group];
    const int64_t whole = extent / kLanes * kLanes;
    const auto several = [&](Value* i, int abreast, Value* mask) {
      std::vector<Frame> frames;
      std::vector<Frame*> pointers;
      for (int k = 0; k < abreast; ++k) {
        frames.push_back(Inside(outer, uint64_t{1} << group));
        frames.back().lanes = kLanes;
        frames.back().mask = mask;
        frames.back().positions[group] = {b_.CreateAdd(i, b_.getInt64(k * kLanes)), 1, nullptr};
      }
      for (Frame& f : frames) pointers.push_back(&f);
      Reduce(pointers);
    };
    Value* end = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, share.end, b_.getInt64(whole));
    Value* begin = share.begin;
    constexpr int64_t kWide = kAbreast * kLanes;
    if (whole >= kWide) {
      Value* wide =
          b_.CreateSDiv(b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, b_.CreateSub(end, begin), b_.getInt64(0)),
                        b_.getInt64(kWide));
      Value* wide_end = b_.CreateAdd(begin, b_.CreateMul(wide, b_.getInt64(kWide)));
      EmitFor(b_, begin, wide_end, kWide, [&](Value* i) { several(i, kAbreast, nullptr); });
      begin = wide_end;
    }
    EmitFor(b_, begin, end, kLanes, [&](Value* i) { several(i, 1, nullptr); });
    if (whole == extent) return;
    Value* mine = b_.CreateAnd(b_.CreateICmpEQ(share.end, b_.getInt64(extent)),
                               b_.CreateICmpSLT(share.begin, b_.getInt64(extent)));
    EmitIf(b_, mine, [&] { several(b_.getInt64(whole), 1, Mask(b_, extent - whole)); });
  }

  using Frames = std::vector<Frame*>;

  void Reduce(const Frames& outer) {
    std::vector<std::unique_ptr<Frame>> kept;  // the frames of an unrolled pass, chunk by chunk, outer by outer
    if (unrolled_) {
      for (int64_t i = 0; i < count_; i += kLanes) {
        for (Frame* f : outer) {
          kept.push_back(
              std::make_unique<Frame>(ElementFrame(*f, b_.getInt64(0), b_.getInt64(i), count_, /*vector=*/true,
                                                   Mask(b_, std::min<int64_t>(kLanes, count_ - i)))));
        }
      }
    }
    for (int k = 0; k < static_cast<int>(stages_.size()); ++k) {
      const ReductionStage& stage = stages_[k];
      pass_.stage = k;
      // One pass for each order among the reductions; the first also stores.
      std::vector<const Reduction*> waiting;
      for (const Reduction& r : stage.reductions) waiting.push_back(&r);
      bool stored = stage.yields.empty();
      while (!waiting.empty() || !stored) {
        ReductionOrder order = waiting.empty() ? WholeOrder() : OrderFor(*waiting.front());
        std::vector<const Reduction*> now, later;
        for (const Reduction* r : waiting) (OrderFor(*r) == order ? now : later).push_back(r);
        const std::vector<int> none;
        Pass(outer, now, order, stored ? none : stage.yields, kept);
        stored = true;
        waiting = later;
      }
    }
    // Everything is read before anything is written: a reduced yield may lie in place of a parameter.
    for (Frame* f : outer) {
      for (int y : reduced_yields_) code_.EvaluateYield(y, *f);
    }
    for (Frame* f : outer) {
      for (int y : reduced_yields_) code_.StoreYield(y, *f);
    }
  }

  // Any order, for a pass that only stores.
  ReductionOrder WholeOrder() const {
    ReductionOrder order;
    order.lanes = along_reduced_;
    (along_reduced_ ? order.inner : order.rows) = count_;
    order.block_rows = order.rows;
    return order;
  }

  // Element `row` * inner + i of the reduced axes, for one outer frame; `vector`: and the lanes after it.
  Frame ElementFrame(Frame& outer, Value* row, Value* i, int64_t inner, bool vector, Value* mask) {
    Frame frame = Inside(outer, reduced_mask_);
    if (vector) {
      frame.lanes = kLanes;
      frame.mask = mask;
    }
    if (reduced_.empty()) return frame;
    const int64_t step = vector ? 1 : 0;
    Value* linear = b_.CreateAdd(b_.CreateMul(row, b_.getInt64(inner)), i);
    size_t rest = reduced_.size();
    if (rest == 1) {
      frame.positions[reduced_[0]] = {linear, step, nullptr};
      return frame;
    }
    if (code_.extents()[reduced_.back()] == inner) {
      frame.positions[reduced_.back()] = {i, step, nullptr};
      Divide(frame, row, --rest);
    } else if (!vector) {
      Divide(frame, linear, rest);
    } else {
      Value* lanes = b_.CreateVectorSplat(kLanes, linear);
      std::vector<llvm::Constant*> steps;
      for (int lane = 0; lane < kLanes; ++lane) steps.push_back(b_.getInt64(lane));
      lanes = b_.CreateAdd(lanes, llvm::ConstantVector::get(steps));
      // Lanes past the end must not leave their axis.
      if (mask != nullptr) lanes = b_.CreateSelect(mask, lanes, llvm::Constant::getNullValue(lanes->getType()));
      for (size_t k = rest; k-- > 0;) {
        llvm::Constant* extent = llvm::ConstantInt::get(lanes->getType(), code_.extents()[reduced_[k]]);
        Value* here = k == 0 ? lanes : b_.CreateURem(lanes, extent);
        frame.positions[reduced_[k]] = {b_.getInt64(0), 0, here};
        lanes = b_.CreateUDiv(lanes, extent);
      }
    }
    return frame;
  }

  // The first `groups` reduced groups from the row-major index over them.
  void Divide(Frame& frame, Value* linear, size_t groups) {
    for (size_t k = groups; k-- > 0;) {
      Value* extent = b_.getInt64(code_.extents()[reduced_[k]]);
      frame.positions[reduced_[k]] = {k == 0 ? linear : b_.CreateURem(linear, extent), 0, nullptr};
      linear = b_.CreateUDiv(linear, extent);
    }
  }

  // One pass over all reduced elements of the outer frames, in an order: finishes the reductions and stores the yields.
  void Pass(const Frames& outer, const std::vector<const Reduction*>& reductions, const ReductionOrder& order,
            const std::vector<int>& yields, std::vector<std::unique_ptr<Frame>>& kept) {
    pass_ = {pass_.stage, &outer, &reductions, &order, &yields, &kept};
    for (Frame* f : outer) {
      if (!unrolled_) OpenInner(b_, *f);
    }
    const int outer_lanes = outer.front()->lanes;
    Carried total;
    const int64_t blocks = (order.rows + order.block_rows - 1) / order.block_rows;
    if (order.rows == 1) {
      total = Row(b_.getInt64(0));
    } else if (blocks == 1) {
      total = RowBlock(b_.getInt64(0), b_.getInt64(order.rows));
    } else {
      const int64_t last = (blocks - 1) * order.block_rows;
      total = EmitForCarrying(b_, b_.getInt64(0), b_.getInt64(last), order.block_rows, Neutral(outer_lanes),
                              [&](Value* first, const Carried& sum) {
                                return JoinAll(sum, RowBlock(first, b_.CreateAdd(first, b_.getInt64(order.block_rows))),
                                               nullptr, outer_lanes);
                              });
      total = JoinAll(total, RowBlock(b_.getInt64(last), b_.getInt64(order.rows)), nullptr, outer_lanes);
    }
    size_t k = 0;
    for (Frame* f : outer) {
      for (const Reduction* r : reductions) {
        const size_t width = r->is_arg() ? 2 : 1;
        code_.Provide(r->statement().result(), *f, r->Result(Carried(total.begin() + k, total.begin() + k + width)));
        k += width;
      }
      f->hoist = nullptr;
    }
  }

  Carried RowBlock(Value* begin, Value* end) {
    const int lanes = pass_.outer->front()->lanes;
    return EmitForCarrying(b_, begin, end, 1, Neutral(lanes),
                           [&](Value* row, const Carried& sum) { return JoinAll(sum, Row(row), nullptr, lanes); });
  }

  // What a row comes to: its one element, or its inner axis reduced over lanes.
  Carried Row(Value* row) {
    if (!pass_.order->lanes) return Element(row, b_.getInt64(0), nullptr, 0);
    const int64_t inner = pass_.order->inner;
    const int64_t blocks = (inner + ir::kLaneBlock - 1) / ir::kLaneBlock;
    const int64_t last = (blocks - 1) * ir::kLaneBlock;
    if (blocks == 1) return Block(row, b_.getInt64(0), inner);
    const Carried sum = EmitForCarrying(b_, b_.getInt64(0), b_.getInt64(last), ir::kLaneBlock, Neutral(0),
                                        [&](Value* first, const Carried& so_far) {
                                          return JoinAll(so_far, Block(row, first, ir::kLaneBlock), nullptr, 0);
                                        });
    return JoinAll(sum, Block(row, b_.getInt64(last), inner - last), nullptr, 0);
  }

  // `count` elements of a row from `first`: lanes, then the tree.
  Carried Block(Value* row, Value* first, int64_t count) {
    const int64_t whole = count / kLanes * kLanes;
    Carried lanes = Neutral(kLanes);
    const auto join = [&](Value* i, const Carried& sum, int64_t valid, int64_t chunk) {
      Value* mask = Mask(b_, valid);
      return JoinAll(sum, Element(row, i, mask, chunk), mask, kLanes);
    };
    if (unrolled_) {
      for (int64_t i = 0; i < count; i += kLanes) {
        lanes = join(b_.getInt64(i), lanes, std::min<int64_t>(kLanes, count - i), i / kLanes);
      }
    } else {
      lanes = EmitForCarrying(b_, first, b_.CreateAdd(first, b_.getInt64(whole)), kLanes, lanes,
                              [&](Value* i, const Carried& sum) { return join(i, sum, kLanes, 0); });
      if (whole != count) lanes = join(b_.CreateAdd(first, b_.getInt64(whole)), lanes, count - whole, 0);
    }
    Carried result;
    size_t k = 0;
    ForEach([&](const Reduction& r) {
      const size_t width = r.is_arg() ? 2 : 1;
      for (Value* v : r.Tree(b_, Carried(lanes.begin() + k, lanes.begin() + k + width))) result.push_back(v);
      k += width;
    });
    return result;
  }

  // The operands of all reductions at an element (or the lanes from it on); stores the yields there.
  Carried Element(Value* row, Value* i, Value* mask, int64_t chunk) {
    Carried elements;
    const int64_t inner = pass_.order->inner;
    for (size_t o = 0; o < pass_.outer->size(); ++o) {
      Frame fresh;
      Frame* frame = &fresh;
      if (unrolled_) {
        frame = (*pass_.kept)[chunk * pass_.outer->size() + o].get();
      } else {
        fresh = ElementFrame(*(*pass_.outer)[o], row, i, inner, pass_.order->lanes, mask);
      }
      for (const KeptValue& kept : kept_) {
        if (kept.first < pass_.stage) code_.Provide(kept.value, *frame, code_.LoadFromYield(kept.yield, *frame));
      }
      for (const Reduction* r : *pass_.reductions) {
        Value* value = code_.Evaluate(r->statement().operands[0], *frame);
        for (Value* v : r->Element(value, r->is_arg() ? Place(row, i, frame->lanes) : nullptr)) elements.push_back(v);
      }
      for (int y : *pass_.yields) code_.EvaluateYield(y, *frame);
      for (int y : *pass_.yields) code_.StoreYield(y, *frame);
      for (const KeptValue& kept : kept_) {
        if (kept.first == pass_.stage) code_.StoreAtYield(kept.yield, code_.Evaluate(kept.value, *frame), *frame);
      }
    }
    return elements;
  }

  // i32 place of an element along the one axis of an arg reduction.
  Value* Place(Value* row, Value* i, int lanes) {
    Value* linear =
        b_.CreateTrunc(b_.CreateAdd(b_.CreateMul(row, b_.getInt64(pass_.order->inner)), i), b_.getInt32Ty());
    if (lanes == 0) return linear;
    Value* splat = b_.CreateVectorSplat(kLanes, linear);
    if (!pass_.order->lanes) return splat;
    std::vector<llvm::Constant*> steps;
    for (int lane = 0; lane < kLanes; ++lane) steps.push_back(b_.getInt32(lane));
    return b_.CreateAdd(splat, llvm::ConstantVector::get(steps));
  }

  template <typename Function>
  void ForEach(Function f) {
    for (size_t o = 0; o < pass_.outer->size(); ++o) {
      for (const Reduction* r : *pass_.reductions) f(*r);
    }
  }

  Carried Neutral(int lanes) {
    Carried all;
    ForEach([&](const Reduction& r) {
      for (Value* v : r.Neutral(b_, lanes)) all.push_back(v);
    });
    return all;
  }

  Carried JoinAll(const Carried& left, const Carried& right, Value* mask, int lanes) {
    Carried all;
    size_t k = 0;
    ForEach([&](const Reduction& r) {
      const size_t width = r.is_arg() ? 2 : 1;
      const Carried joined = r.Join(b_, Carried(left.begin() + k, left.begin() + k + width),
                                    Carried(right.begin() + k, right.begin() + k + width), mask, lanes);
      for (Value* v : joined) all.push_back(v);
      k += width;
    });
    return all;
  }

  static constexpr int kAbreast = 4;
  static constexpr int64_t kMostUnrolled = 48;  // statements: what is unrolled takes time to compile

  RegionCode& code_;
  Builder& b_;
  std::vector<int> staying_;
  std::vector<int> reduced_;
  uint64_t reduced_mask_ = 0;
  int64_t count_ = 1;  // reduced elements of one result
  std::vector<ReductionStage> stages_;
  std::vector<int> reduced_yields_;
  std::vector<KeptValue> kept_;
  bool along_reduced_ = false;
  bool unrolled_ = false;
  int split_ = -1;
  struct {
    int stage;
    const Frames* outer;
    const std::vector<const Reduction*>* reductions;
    const ReductionOrder* order;
    const std::vector<int>* yields;
    std::vector<std::unique_ptr<Frame>>* kept;
  } pass_{};
};

}  // namespace

void EmitReducingRegion(RegionCode& code) { ReducingEmitter(code).Run(); }

}  // namespace gradus::codegen
