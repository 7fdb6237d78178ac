#include "codegen/region_code.h"

#include <cstddef>

#include "codegen/context_fields.h"
#include "codegen/elementwise.h"
#include "codegen/emit_random.h"
#include "codegen/masked_store.h"
#include "ir/check.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/IR/MDBuilder.h"

namespace gradus::codegen {

using ir::Op;
using ir::Statement;
using llvm::Value;

namespace {

bool IsReductionOrArg(Op op) { return ir::IsReduction(op) || op == Op::kArgMax || op == Op::kArgMin; }

// Emits at the entrance of what stands inside `frame`, and comes back. Blocks may be split there meanwhile.
class AtFrame {
 public:
  AtFrame(Builder& b, const Frame& frame) : b_(b), moved_(frame.hoist != nullptr), block_(b.GetInsertBlock()) {
    if (!moved_) return;
    if (b.GetInsertPoint() != block_->end()) instruction_ = &*b.GetInsertPoint();
    b.SetInsertPoint(frame.hoist);
  }
  ~AtFrame() {
    if (!moved_) return;
    if (instruction_ != nullptr) {
      b_.SetInsertPoint(instruction_);
    } else {
      b_.SetInsertPoint(block_);
    }
  }
  AtFrame(const AtFrame&) = delete;

 private:
  Builder& b_;
  bool moved_;
  llvm::BasicBlock* block_;
  llvm::Instruction* instruction_ = nullptr;
};

}  // namespace

void OpenInner(Builder& b, Frame& frame) {
  llvm::BasicBlock* block = llvm::BasicBlock::Create(b.getContext(), "", b.GetInsertBlock()->getParent());
  frame.hoist = b.CreateBr(block);
  b.SetInsertPoint(block);
}

Frame Inside(Frame& outer, uint64_t groups) {
  Frame inner;
  inner.parent = &outer;
  inner.lanes = outer.lanes;
  inner.mask = outer.mask;
  inner.bound = outer.bound | groups;
  return inner;
}

RegionCode::RegionCode(KernelContext& kernel, const ir::Region& region, const ir::RegionForm& form,
                       std::vector<Value*> operands, std::vector<Value*> results)
    : kernel_(kernel), region_(region), form_(form), operands_(std::move(operands)), results_(std::move(results)) {
  for (int64_t i = 0; i < static_cast<int64_t>(form.space.size()); ++i) {
    space_axes_.push_back(i);
    if (std::find(form.axes.begin(), form.axes.end(), i) == form.axes.end()) reduced_axes_.push_back(i);
  }
  for (size_t i = 0; i < region.statements.size(); ++i) {
    aligned_reduced_[region.statements[i].get()] = form.alignment[i] == ir::Alignment::kReduced;
  }
  for (size_t y = 0; y < region.yields.size(); ++y) {
    yield_reduced_.push_back(form.yields[y] == ir::Alignment::kReduced);
    Linear linear;
    linear.coefficients.assign(form.space.size(), 0);
    const ir::Shape& shape = region.yields[y]->type.shape;
    const ir::Shape strides = ir::RowMajorStrides(shape);
    const ir::Shape& axes = yield_reduced_[y] ? reduced_axes_ : space_axes_;
    for (size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] != 1) linear.coefficients[axes[axes.size() - shape.size() + i]] = strides[i];
    }
    yield_forms_.push_back(std::move(linear));
  }
  // Resolve every leaf that a statement or a yield reads, so that merging sees all forms.
  for (const auto& s : region.statements) {
    if (IsLeaf(s->result()) || s->op == Op::kDot) continue;
    for (const ir::Value* operand : s->operands) {
      if (IsLeaf(operand)) AccessOf(operand, ReadReduced(operand, *s));
    }
  }
  for (size_t y = 0; y < region.yields.size(); ++y) {
    if (IsLeaf(region.yields[y])) AccessOf(region.yields[y], yield_reduced_[y]);
  }
  MergeAxes();
  int64_t widest = 4;
  for (const auto& s : region.statements) widest = std::max(widest, ir::ByteWidth(s->result()->type.element));
  lanes_ = static_cast<int>(std::min<int64_t>(16, 2 * kernel.target.vector_bytes() / widest));
}

// At which alignment a statement reads an operand that is a leaf or carries rows.
bool RegionCode::ReadReduced(const ir::Value* operand, const Statement& reader) const {
  if (IsReductionOrArg(reader.op)) return false;
  const bool reduced = aligned_reduced_.at(&reader);
  const bool carries = reader.op == Op::kReshape && !IsLeaf(operand);
  return carries ? !reduced : reduced;
}

const Access* RegionCode::AccessOf(const ir::Value* value, bool reduced) const {
  auto& access = accesses_[{value, reduced}];
  if (access == nullptr) access = ResolveAccess(value, reduced ? reduced_axes_ : space_axes_, form_.space);
  return access.get();
}

void RegionCode::MergeAxes() {
  std::vector<const Linear*> forms;
  for (const auto& [key, access] : accesses_) {
    ForEachForm(*access, [&](const Linear& form) { forms.push_back(&form); });
  }
  for (const Linear& form : yield_forms_) forms.push_back(&form);
  const auto is_reduced = [&](int64_t axis) {
    return std::find(form_.axes.begin(), form_.axes.end(), axis) != form_.axes.end();
  };
  for (int64_t axis : space_axes_) {
    if (form_.space[axis] == 1) continue;
    bool merge = !extents_.empty() && reduced_group_.back() == is_reduced(axis);
    if (merge) {
      // Axes between the two have one element, so that they are neighbours.
      for (const Linear* form : forms) {
        merge = merge && form->coefficients[group_last_axis_.back()] == form->coefficients[axis] * form_.space[axis];
      }
    }
    if (merge) {
      extents_.back() *= form_.space[axis];
      group_last_axis_.back() = static_cast<int>(axis);
    } else {
      extents_.push_back(form_.space[axis]);
      group_last_axis_.push_back(static_cast<int>(axis));
      reduced_group_.push_back(is_reduced(axis));
    }
  }
}

uint64_t RegionCode::Groups(const Linear& form) const {
  uint64_t mask = 0;
  for (int g = 0; g < groups(); ++g) {
    if (form.coefficients[group_last_axis_[g]] != 0) mask |= uint64_t{1} << g;
  }
  return mask;
}

uint64_t RegionCode::Groups(const Access& access) const {
  uint64_t mask = 0;
  ForEachForm(access, [&](const Linear& form) { mask |= Groups(form); });
  return mask;
}

uint64_t RegionCode::DependenceOf(const ir::Value* value) const {
  if (IsLeaf(value)) {
    uint64_t mask = 0;
    for (const bool reduced : {false, true}) {
      const auto found = accesses_.find({value, reduced});
      if (found != accesses_.end()) mask |= Groups(*found->second);
    }
    return mask;
  }
  const auto key = std::make_pair(value, false);
  const auto found = dependence_.find(key);
  if (found != dependence_.end()) return found->second;
  const Statement& s = *value->definition;
  uint64_t mask = 0;
  if (s.op == Op::kDot) {
    mask = ~uint64_t{0};  // it is finished inside of everything, even where the space is one element
  } else if (IsReductionOrArg(s.op)) {
    for (int g = 0; g < groups(); ++g) mask |= reduced_group_[g] ? 0 : uint64_t{1} << g;
  } else {
    for (const ir::Value* operand : s.operands) {
      mask |= IsLeaf(operand) ? Groups(*AccessOf(operand, ReadReduced(operand, s))) : DependenceOf(operand);
    }
  }
  dependence_[key] = mask;
  return mask;
}

std::vector<const Linear*> RegionCode::MemoryForms() const {
  std::vector<const Linear*> forms;
  for (const Linear& form : yield_forms_) forms.push_back(&form);
  for (const auto& s : region_.statements) {
    if (IsLeaf(s->result()) || s->op == Op::kDot) continue;
    for (const ir::Value* operand : s->operands) {
      if (!IsLeaf(operand)) continue;
      const Access* access = AccessOf(operand, ReadReduced(operand, *s));
      if (access->kind == AccessKind::kLoad && Groups(*access) != 0) forms.push_back(&access->position);
    }
  }
  return forms;
}

Value* RegionCode::Evaluate(const ir::Value* value, Frame& frame) { return EvaluateAligned(value, false, frame); }

// A value of `from`, an outer frame, on the lanes of `frame`.
Value* RegionCode::ToLanes(Value* value, Frame& from, Frame& frame) {
  if (from.lanes == frame.lanes || value->getType()->isVectorTy()) return value;
  Value*& splat = from.splats[value];
  if (splat == nullptr) {
    const AtFrame at(kernel_.builder, from);
    splat = kernel_.builder.CreateVectorSplat(static_cast<unsigned>(frame.lanes), value);
  }
  return splat;
}

Value* RegionCode::EvaluateAligned(const ir::Value* value, bool reduced, Frame& frame) {
  if (IsLeaf(value)) return EvaluateAccess(*AccessOf(value, reduced), frame);
  for (Frame* f = &frame; f != nullptr; f = f->parent) {
    const auto found = f->values.find(value);
    if (found != f->values.end()) return ToLanes(found->second, *f, frame);
  }
  const uint64_t dependence = DependenceOf(value);
  Frame* home = &frame;
  while (home->parent != nullptr && (dependence & ~home->parent->bound) == 0) home = home->parent;
  Value* emitted = nullptr;
  {
    const AtFrame at(kernel_.builder, *home);
    emitted = EvaluateHere(value, *home);
  }
  home->values[value] = emitted;
  return ToLanes(emitted, *home, frame);
}

Value* RegionCode::EvaluateHere(const ir::Value* value, Frame& frame) {
  const Statement& s = *value->definition;
  std::vector<Value*> operands;
  for (const ir::Value* operand : s.operands)
    operands.push_back(EvaluateAligned(operand, ReadReduced(operand, s), frame));
  if (ir::IsElementwise(s.op)) {
    const ir::DType type = s.op == Op::kSelect ? s.operands[1]->type.element : s.operands[0]->type.element;
    return EmitElementwise(kernel_.builder, kernel_.target, s.op, type, value->type.element, operands, frame.lanes);
  }
  CHECK(s.op == Op::kBroadcast || s.op == Op::kReshape || s.op == Op::kStopGradient)
      << ir::Info(s.op).mnemonic << " is read before it is finished";
  return operands[0];
}

Value* RegionCode::EvaluateAccess(const Access& access, Frame& frame) {
  const uint64_t dependence = Groups(access);
  Frame* home = &frame;
  while (home->parent != nullptr && (dependence & ~home->parent->bound) == 0) home = home->parent;
  Value*& emitted = home->accesses[&access];
  if (emitted == nullptr) {
    const AtFrame at(kernel_.builder, *home);
    Value* v = EmitAccess(access, *home);
    home->accesses[&access] = v;
    return ToLanes(v, *home, frame);
  }
  return ToLanes(emitted, *home, frame);
}

Position RegionCode::Locate(const Linear& form, Frame& frame) {
  const auto found = frame.forms.find(&form);
  if (found != frame.forms.end()) return found->second;
  Builder& b = kernel_.builder;
  Position position;
  if (frame.locate) {
    position = frame.locate(form);
  } else {
    if (frame.parent != nullptr) {
      const AtFrame at(b, *frame.parent);
      position = Locate(form, *frame.parent);
    } else {
      position.base = b.getInt64(form.constant);
    }
    const auto add = [&](const Position& term, int64_t scale) {
      if (scale == 0) return;
      if (term.base != nullptr) {
        position.base = b.CreateAdd(position.base, b.CreateMul(term.base, b.getInt64(scale)));
      }
      position.step += term.step * scale;
      if (term.lanes != nullptr) {
        Value* scaled = b.CreateMul(term.lanes, llvm::ConstantInt::get(term.lanes->getType(), scale, true));
        position.lanes = position.lanes == nullptr ? scaled : b.CreateAdd(position.lanes, scaled);
      }
    };
    for (const auto& [group, term] : frame.positions) add(term, form.coefficients[group_last_axis_[group]]);
    for (const Linear::Gathered& g : form.gathered) {
      const uint64_t dependence = Groups(*g.index);
      if ((dependence & ~frame.bound) != 0) continue;
      if (frame.parent != nullptr && (dependence & ~frame.parent->bound) == 0) continue;  // added there
      Value* index = GatheredIndex(g, frame);
      Position term;
      (index->getType()->isVectorTy() ? term.lanes : term.base) = index;
      add(term, g.scale);
    }
  }
  frame.forms[&form] = position;
  return position;
}

Value* RegionCode::Spread(const Position& position, Frame& frame) {
  Builder& b = kernel_.builder;
  if (frame.lanes == 0) return position.base;
  Value* sum = b.CreateVectorSplat(static_cast<unsigned>(frame.lanes), position.base);
  if (position.step != 0) {
    std::vector<llvm::Constant*> steps;
    for (int lane = 0; lane < frame.lanes; ++lane) steps.push_back(b.getInt64(lane * position.step));
    sum = b.CreateAdd(sum, llvm::ConstantVector::get(steps));
  }
  return position.lanes == nullptr ? sum : b.CreateAdd(sum, position.lanes);
}

Value* RegionCode::GatheredIndex(const Linear::Gathered& gathered, Frame& frame) {
  const auto found = frame.indices.find(gathered.index.get());
  if (found != frame.indices.end()) return found->second;
  Builder& b = kernel_.builder;
  Value* index = EvaluateAccess(*gathered.index, frame);
  llvm::Type* type = RegisterType(b, ir::DType::kI64, frame.lanes);
  index = gathered.index->type == ir::DType::kU8 ? b.CreateZExt(index, type) : b.CreateSExt(index, type);
  Value* bad = b.CreateICmpUGE(index, llvm::ConstantInt::get(type, static_cast<uint64_t>(gathered.bound)));
  if (frame.mask != nullptr) bad = b.CreateAnd(bad, frame.mask);
  EmitFault(kernel_, *gathered.statement, bad, index, gathered.bound);
  index = b.CreateSelect(bad, llvm::Constant::getNullValue(type), index);
  frame.indices[gathered.index.get()] = index;
  return index;
}

Value* RegionCode::EmitAccess(const Access& access, Frame& frame) {
  Builder& b = kernel_.builder;
  switch (access.kind) {
    case AccessKind::kLoad:
      return EmitLoad(access, frame);
    case AccessKind::kLiteral:
      return EmitLiteral(b, *access.statement->literal, 0, frame.lanes);
    case AccessKind::kIota:
      return EmitConvert(b, Spread(Locate(access.position, frame), frame), ir::DType::kI64, access.type, frame.lanes);
    case AccessKind::kOneHot: {
      Value* index = EvaluateAccess(*access.operands[0], frame);
      index = EmitConvert(b, index, access.operands[0]->type, ir::DType::kI64, frame.lanes);
      Value* hit = b.CreateICmpEQ(index, Spread(Locate(access.position, frame), frame));
      return EmitConvert(b, hit, ir::DType::kBool, access.type, frame.lanes);
    }
    case AccessKind::kRandom: {
      Value* seed = EvaluateAccess(*access.operands[0], frame);
      Value* step = EvaluateAccess(*access.operands[1], frame);
      return EmitRandomBits(b, kernel_.target, access.type, access.statement->Key("key"), seed, step,
                            Spread(Locate(access.position, frame), frame), frame.lanes);
    }
  }
  return nullptr;
}

Value* RegionCode::EmitLoad(const Access& access, Frame& frame) {
  return LoadAt(access.type, operands_[access.parameter], Locate(access.position, frame), frame);
}

Value* RegionCode::LoadFromYield(int yield, Frame& frame) {
  return LoadAt(region_.yields[yield]->type.element, results_[yield], Locate(yield_forms_[yield], frame), frame);
}

Value* RegionCode::LoadAt(ir::DType type, Value* pointer, const Position& position, Frame& frame) {
  Builder& b = kernel_.builder;
  llvm::Type* element = MemoryType(b, type, 0);
  if (frame.lanes == 0 || (position.lanes == nullptr && position.step == 0)) {
    Value* scalar = EmitLoadElements(b, type, b.CreateGEP(element, pointer, position.base), 0, nullptr);
    return frame.lanes == 0 ? scalar : b.CreateVectorSplat(static_cast<unsigned>(frame.lanes), scalar);
  }
  if (position.lanes == nullptr && position.step == 1) {
    return EmitLoadElements(b, type, b.CreateGEP(element, pointer, position.base), frame.lanes, frame.mask);
  }
  Value* pointers = b.CreateGEP(element, pointer, Spread(position, frame));
  llvm::Type* memory = MemoryType(b, type, frame.lanes);
  Value* loaded = b.CreateMaskedGather(memory, pointers, llvm::Align(ir::ByteWidth(type)), frame.mask,
                                       llvm::Constant::getNullValue(memory));
  return type == ir::DType::kBool ? b.CreateICmpNE(loaded, llvm::Constant::getNullValue(memory)) : loaded;
}

void RegionCode::StoreYield(int yield, Frame& frame) {
  Value* value = EvaluateAligned(region_.yields[yield], yield_reduced_[yield], frame);
  if (kernel_.step != nullptr && kernel_.updates[static_cast<size_t>(yield)]) CheckFinite(value, frame);
  StoreAtYield(yield, value, frame);
}

namespace {

// The lanes that are infinite or NaN: an instruction where AVX-512 has one for these lanes; else v - v, which is 0 or
// NaN.
Value* NotFinite(Builder& b, const ir::Target& target, Value* v, int lanes) {
  const bool wide = v->getType()->getScalarType()->isDoubleTy();
  const int bits = lanes * (wide ? 64 : 32);
  if (target.isa == ir::Isa::kAvx512 && bits == 512) {
    constexpr uint32_t kClasses = 0x99;  // quiet NaN, both infinities, signalling NaN
    const auto id = wide ? llvm::Intrinsic::x86_avx512_fpclass_pd_512 : llvm::Intrinsic::x86_avx512_fpclass_ps_512;
    return b.CreateIntrinsic(id, {}, {v, b.getInt32(kClasses)});
  }
  Value* nothing = b.CreateFSub(v, v);
  return b.CreateFCmpUNO(nothing, nothing);
}

// A branch that is never taken.
void ReportNotFinite(const KernelContext& kernel, Value* bad) {
  Builder& b = kernel.builder;
  llvm::Function* function = b.GetInsertBlock()->getParent();
  llvm::BasicBlock* report = llvm::BasicBlock::Create(b.getContext(), "not_finite", function);
  llvm::BasicBlock* rest = llvm::BasicBlock::Create(b.getContext(), "finite", function);
  b.CreateCondBr(bad, report, rest, llvm::MDBuilder(b.getContext()).createUnlikelyBranchWeights());
  b.SetInsertPoint(report);
  b.CreateAtomicCmpXchg(FieldPointer(b, kernel.context, offsetof(StepContext, not_finite)), b.getInt64(0), kernel.step,
                        llvm::MaybeAlign(8), llvm::AtomicOrdering::Monotonic, llvm::AtomicOrdering::Monotonic);
  b.CreateBr(rest);
  b.SetInsertPoint(rest);
}

}  // namespace

void RegionCode::CheckFinite(Value* v, Frame& frame) {
  Builder& b = kernel_.builder;
  Value* bad = NotFinite(b, kernel_.target, v, frame.lanes);
  if (frame.lanes > 0) {
    if (frame.mask != nullptr) bad = b.CreateAnd(bad, frame.mask);
    bad = b.CreateOrReduce(bad);
  }
  ReportNotFinite(kernel_, bad);
}

void EmitLookForNotFinite(KernelContext& kernel, ir::DType type, int64_t elements, Value* from) {
  Builder& b = kernel.builder;
  const auto bound = [&](Value* thread) {
    Value* all = b.CreateMul(thread, b.getInt64(static_cast<uint64_t>(elements)));
    return b.CreateUDiv(all, b.getInt64(static_cast<uint64_t>(kernel.threads)));
  };
  Value* begin = bound(kernel.thread);
  Value* end = bound(b.CreateAdd(kernel.thread, b.getInt64(1)));
  const auto look = [&](Value* i, const Carried& so_far) -> Carried {
    llvm::Type* memory = type == ir::DType::kF64 ? b.getDoubleTy() : b.getFloatTy();
    Value* x = b.CreateLoad(memory, b.CreateGEP(memory, from, i));
    return {b.CreateOr(so_far[0], NotFinite(b, kernel.target, x, 0))};
  };
  ReportNotFinite(kernel, EmitForCarrying(b, begin, end, 1, {b.getFalse()}, look)[0]);
}

void RegionCode::StoreAtYield(int yield, Value* v, Frame& frame) {
  Builder& b = kernel_.builder;
  const Position position = Locate(yield_forms_[yield], frame);
  const ir::DType type = region_.yields[yield]->type.element;
  llvm::Type* element = MemoryType(b, type, 0);
  if (frame.lanes == 0 || (position.lanes == nullptr && position.step == 1)) {
    EmitStoreElements(b, type, v, b.CreateGEP(element, results_[yield], position.base), frame.lanes, frame.mask);
    return;
  }
  // Lanes that do not lie side by side, one at a time.
  Value* where = Spread(position, frame);
  for (int lane = 0; lane < frame.lanes; ++lane) {
    const auto store = [&] {
      Value* pointer = b.CreateGEP(element, results_[yield], b.CreateExtractElement(where, uint64_t(lane)));
      EmitStoreElements(b, type, b.CreateExtractElement(v, uint64_t(lane)), pointer, 0, nullptr);
    };
    if (frame.mask == nullptr) {
      store();
    } else {
      EmitIf(b, b.CreateExtractElement(frame.mask, uint64_t(lane)), store);
    }
  }
}

Value* EmitLoadElements(Builder& b, ir::DType type, Value* pointer, int lanes, Value* mask) {
  llvm::Type* memory = MemoryType(b, type, lanes);
  const llvm::Align align(ir::ByteWidth(type));
  Value* loaded = mask == nullptr
                      ? static_cast<Value*>(b.CreateAlignedLoad(memory, pointer, align))
                      : b.CreateMaskedLoad(memory, pointer, align, mask, llvm::Constant::getNullValue(memory));
  return type == ir::DType::kBool ? b.CreateICmpNE(loaded, llvm::Constant::getNullValue(memory)) : loaded;
}

void EmitStoreElements(Builder& b, ir::DType type, Value* value, Value* pointer, int lanes, Value* mask) {
  const llvm::Align align(ir::ByteWidth(type));
  if (type == ir::DType::kBool) value = b.CreateZExt(value, MemoryType(b, type, lanes));
  if (mask == nullptr) {
    b.CreateAlignedStore(value, pointer, align);
  } else {
    EmitMaskedStore(b, value, pointer, align, mask);
  }
}

}  // namespace gradus::codegen
