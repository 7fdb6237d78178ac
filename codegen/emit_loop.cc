#include "codegen/emit_kernels.h"
#include "ir/check.h"

namespace gradus::codegen {

using llvm::Value;

Share ShareOf(KernelContext& kernel, int64_t count, int64_t unit) {
  Builder& b = kernel.builder;
  if (kernel.threads == 1) return {b.getInt64(0), b.getInt64(count)};
  const int64_t units = (count + unit - 1) / unit;
  const auto edge = [&](Value* thread) -> Value* {
    Value* units_before = b.CreateUDiv(b.CreateMul(thread, b.getInt64(units)), b.getInt64(kernel.threads));
    Value* elements = b.CreateMul(units_before, b.getInt64(unit));
    return count % unit == 0 ? elements : b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, elements, b.getInt64(count));
  };
  return {edge(kernel.thread), edge(b.CreateAdd(kernel.thread, b.getInt64(1)))};
}

Value* FirstLanes(Builder& b, int lanes, int64_t valid) {
  std::vector<llvm::Constant*> mask;
  for (int lane = 0; lane < lanes; ++lane) mask.push_back(b.getInt1(lane < valid));
  return llvm::ConstantVector::get(mask);
}

namespace {

class LoopEmitter {
 public:
  explicit LoopEmitter(RegionCode& code) : code_(code), b_(code.kernel().builder) {}

  void Run() {
    Frame outermost;
    if (code_.groups() == 0) {
      Value* mine = b_.CreateICmpEQ(code_.kernel().thread, b_.getInt64(0));
      const auto store = [&] {
        const int yields = static_cast<int>(code_.region().yields.size());
        for (int y = 0; y < yields; ++y) code_.EvaluateYield(y, outermost);
        for (int y = 0; y < yields; ++y) code_.StoreYield(y, outermost);
      };
      if (code_.kernel().threads == 1) return store();
      return EmitIf(b_, mine, store);
    }
    split_ = SplitGroup();
    Descend(outermost, 0);
  }

 private:
  // The group whose range threads share: the outermost that is long enough, else the longest.
  int SplitGroup() const {
    const int64_t enough = 4 * code_.kernel().threads;
    const int last = code_.groups() - 1;
    int longest = last;
    for (int g = 0; g < last; ++g) {
      if (code_.extents()[g] >= enough) return g;
      if (code_.extents()[g] > code_.extents()[longest]) longest = g;
    }
    return longest;
  }

  void Descend(Frame& outer, int group) {
    const int64_t extent = code_.extents()[group];
    const bool innermost = group + 1 == code_.groups();
    Share share{b_.getInt64(0), b_.getInt64(extent)};
    if (group == split_) share = ShareOf(code_.kernel(), extent, innermost ? kUnit : 1);
    OpenInner(b_, outer);
    if (innermost) {
      Vectors(outer, share, extent, group);
    } else {
      EmitFor(b_, share.begin, share.end, 1, [&](Value* i) {
        Frame frame = Inside(outer, uint64_t{1} << group);
        frame.positions[group] = {i, 0, nullptr};
        Descend(frame, group + 1);
      });
    }
    outer.hoist = nullptr;
  }

  void Vectors(Frame& outer, const Share& share, int64_t extent, int group) {
    const int lanes = code_.lanes();
    const int64_t whole = extent / lanes * lanes;
    const auto body = [&](Value* i, Value* mask) {
      Frame frame = Inside(outer, uint64_t{1} << group);
      frame.lanes = lanes;
      frame.mask = mask;
      frame.positions[group] = {i, 1, nullptr};
      for (size_t y = 0; y < code_.region().yields.size(); ++y) {
        // Everything is read before anything is written: a yield may lie in place of a parameter.
        code_.EvaluateYield(static_cast<int>(y), frame);
      }
      for (size_t y = 0; y < code_.region().yields.size(); ++y) code_.StoreYield(static_cast<int>(y), frame);
    };
    Value* end = share.end;
    int64_t known = 0;
    if (IsConstant(end, &known)) {
      end = b_.getInt64(known / lanes * lanes);
    } else if (whole != extent) {
      end = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, end, b_.getInt64(whole));
    }
    EmitFor(b_, share.begin, end, lanes, [&](Value* i) { body(i, nullptr); });
    if (whole == extent) return;
    const auto tail = [&] { body(b_.getInt64(whole), FirstLanes(b_, lanes, extent - whole)); };
    if (IsConstant(share.end, &known)) return tail();
    // The thread that has the last unit; another may have none at all.
    Value* mine = b_.CreateAnd(b_.CreateICmpEQ(share.end, b_.getInt64(extent)),
                               b_.CreateICmpSLT(share.begin, b_.getInt64(extent)));
    EmitIf(b_, mine, tail);
  }

  static constexpr int64_t kUnit = 64;  // elements: a cache line of bytes at least

  RegionCode& code_;
  Builder& b_;
  int split_ = 0;
};

}  // namespace

void EmitLoopRegion(RegionCode& code) {
  CHECK(code.form().kind == ir::RegionKind::kLoop);
  LoopEmitter(code).Run();
}

}  // namespace gradus::codegen
