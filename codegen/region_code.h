// The values of a region in instructions, at an index of its space.
//
// Kernels walk the space by nested loops. Each loop, and the group of lanes at the innermost place, is a Frame: it
// knows the positions along the axes bound so far. A value is emitted in the outermost frame in which everything it
// depends on is bound, at the end of that frame's preamble, once; so a bias is loaded once a column vector, the
// learning rate once a kernel, and whatever is broadcast is computed before it is broadcast.
//
// Axes of the space that every access walks alike are merged beforehand, unit axes dropped: loops run over *groups* of
// axes. Bits do not depend on any of this: values are pure.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "codegen/access.h"
#include "codegen/control.h"
#include "ir/target.h"

namespace gradus::codegen {

// What a kernel's code may use beside its operands.
struct KernelContext {
  Builder& builder;
  const ir::Target& target;
  llvm::Value* context;  // StepContext*
  llvm::Value* thread;   // i64; a constant where the kernel runs on one thread
  int64_t threads = 1;
  llvm::Value* scratch;  // of this thread; may be null where none is planned
  int64_t scratch_bytes = 0;
  std::function<int(const ir::Statement&)> fault_source;  // position of a statement among CompiledEntry::sources
  // The results that become params, and the number of the step: what is stored there has to be finite
  // (StepContext::not_finite).
  std::vector<bool> updates;
  llvm::Value* step = nullptr;
};

// A number on every lane: base + lane * step + lanes[lane].
struct Position {
  llvm::Value* base = nullptr;  // i64
  int64_t step = 0;
  llvm::Value* lanes = nullptr;  // <n x i64>; null: zeros
};

struct Frame {
  Frame* parent = nullptr;
  int lanes = 0;                       // 0: scalars
  llvm::Value* mask = nullptr;         // <lanes x i1>; null: all lanes are valid
  uint64_t bound = 0;                  // groups whose positions are known, the parents' included
  std::map<int, Position> positions;   // those that this frame binds
  llvm::Instruction* hoist = nullptr;  // while inner frames are open: where this frame's values are emitted
  // Where a contraction's epilogue reads and writes: replaces positions.
  std::function<Position(const Linear&)> locate;

  absl::flat_hash_map<const ir::Value*, llvm::Value*> values;
  absl::flat_hash_map<const Access*, llvm::Value*> accesses;
  absl::flat_hash_map<const Access*, llvm::Value*> indices;  // of gathers, checked
  absl::flat_hash_map<const Linear*, Position> forms;
  absl::flat_hash_map<llvm::Value*, llvm::Value*> splats;
};

// Continues in a new block, in front of which values of `frame` are emitted from now on: to be called before what
// stands inside of it. Afterwards `hoist` may be reset.
void OpenInner(Builder& b, Frame& frame);
// A frame inside of `outer` which binds these groups too: its lanes and mask are the outer one's until they are set.
Frame Inside(Frame& outer, uint64_t groups);

class RegionCode {
 public:
  // Pointers to the operands and results of the fused statement, in their order.
  RegionCode(KernelContext& kernel, const ir::Region& region, const ir::RegionForm& form,
             std::vector<llvm::Value*> operands, std::vector<llvm::Value*> results);

  const ir::Region& region() const { return region_; }
  const ir::RegionForm& form() const { return form_; }
  KernelContext& kernel() const { return kernel_; }

  // Groups of axes, outermost first, with their extents. Axes of the reduced shape and reduced axes are never merged.
  const ir::Shape& extents() const { return extents_; }
  int groups() const { return static_cast<int>(extents_.size()); }
  bool IsReducedGroup(int group) const { return reduced_group_[group]; }

  // Lanes of vectors in loops whose order is free: two registers of the widest element type, at most 16.
  int lanes() const { return lanes_; }

  // The value of a region at the index of `frame`, which must bind what it depends on: a register of frame.lanes lanes.
  llvm::Value* Evaluate(const ir::Value* value, Frame& frame);
  // The results of reductions are put where they are finished.
  void Provide(const ir::Value* value, Frame& frame, llvm::Value* emitted) { frame.values[value] = emitted; }

  // Computes, and stores, the yield with this number.
  void EvaluateYield(int yield, Frame& frame) { EvaluateAligned(region_.yields[yield], yield_reduced_[yield], frame); }
  void StoreYield(int yield, Frame& frame);
  // The place of a yield as memory for another value of its type, until it is stored itself.
  void StoreAtYield(int yield, llvm::Value* value, Frame& frame);
  llvm::Value* LoadFromYield(int yield, Frame& frame);
  // Groups along which a yield has elements of its own, whether or not its value changes along them.
  uint64_t GroupsOfYield(int yield) const { return Groups(yield_forms_[yield]); }

  // Groups on which a value of the region depends.
  uint64_t DependenceOf(const ir::Value* value) const;
  // All linear forms of loads, and of stores of yields: what an epilogue has to locate.
  std::vector<const Linear*> MemoryForms() const;

 private:
  void CheckFinite(llvm::Value* value, Frame& frame);
  const Access* AccessOf(const ir::Value* value, bool reduced) const;
  uint64_t Groups(const Access& access) const;
  uint64_t Groups(const Linear& form) const;
  llvm::Value* EvaluateAligned(const ir::Value* value, bool reduced, Frame& frame);
  llvm::Value* EvaluateHere(const ir::Value* value, Frame& frame);
  llvm::Value* EvaluateAccess(const Access& access, Frame& frame);
  llvm::Value* EmitAccess(const Access& access, Frame& frame);
  llvm::Value* EmitLoad(const Access& access, Frame& frame);
  llvm::Value* LoadAt(ir::DType type, llvm::Value* base, const Position& position, Frame& frame);
  llvm::Value* GatheredIndex(const Linear::Gathered& gathered, Frame& frame);
  Position Locate(const Linear& form, Frame& frame);
  llvm::Value* Spread(const Position& position, Frame& frame);  // <lanes x i64>, or the i64
  llvm::Value* ToLanes(llvm::Value* value, Frame& from, Frame& frame);
  bool ReadReduced(const ir::Value* value, const ir::Statement& reader) const;
  void MergeAxes();

  KernelContext& kernel_;
  const ir::Region& region_;
  const ir::RegionForm& form_;
  std::vector<llvm::Value*> operands_;
  std::vector<llvm::Value*> results_;
  ir::Shape space_axes_;    // 0, 1, …
  ir::Shape reduced_axes_;  // axes of the space that stay
  mutable absl::flat_hash_map<std::pair<const ir::Value*, bool>, std::shared_ptr<const Access>> accesses_;
  absl::flat_hash_map<const ir::Statement*, bool> aligned_reduced_;
  std::vector<Linear> yield_forms_;
  std::vector<bool> yield_reduced_;
  ir::Shape extents_;
  std::vector<int> group_last_axis_;
  std::vector<bool> reduced_group_;
  int lanes_ = 16;
  mutable absl::flat_hash_map<std::pair<const ir::Value*, bool>, uint64_t> dependence_;
};

// What loads and stores elements in memory, registers of bool being i1 and bytes in memory.
llvm::Value* EmitLoadElements(Builder& b, ir::DType type, llvm::Value* pointer, int lanes, llvm::Value* mask);
void EmitStoreElements(Builder& b, ir::DType type, llvm::Value* value, llvm::Value* pointer, int lanes,
                       llvm::Value* mask);

// Records an index out of range where `bad` holds (a mask or an i1).
void EmitFault(KernelContext& kernel, const ir::Statement& statement, llvm::Value* bad, llvm::Value* index,
               int64_t bound);
// Records that the `while` of this number among CompiledEntry::sources was ended.
void EmitEndlessWhile(Builder& b, llvm::Value* context, int source);
// Whether any of the elements is infinite or NaN (StepContext::not_finite), the threads of the kernel sharing the look.
void EmitLookForNotFinite(KernelContext& kernel, ir::DType type, int64_t elements, llvm::Value* from);

}  // namespace gradus::codegen
