#include "ir/region.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/error.h"

namespace gradus::ir {
namespace {

bool IsArg(Op op) { return op == Op::kArgMax || op == Op::kArgMin; }
bool Reduces(Op op) { return IsReduction(op) || IsArg(op); }

Ints ReducedAxes(const Statement& reduction) {
  if (IsArg(reduction.op)) return {reduction.Int("axis")};
  Ints axes = reduction.IntList("axis");
  std::sort(axes.begin(), axes.end());
  return axes;
}

bool AreTrailing(const Ints& axes, int64_t rank) {
  const auto count = static_cast<int64_t>(axes.size());
  for (int64_t i = 0; i < count; ++i) {
    if (axes[i] != rank - count + i) return false;
  }
  return true;
}

Shape WithoutAxes(const Shape& shape, const Ints& axes) {
  Shape rest;
  for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i) {
    if (!std::binary_search(axes.begin(), axes.end(), i)) rest.push_back(shape[i]);
  }
  return rest;
}

// Whether `shape` broadcasts to `space` without changing it.
bool BroadcastsTo(const Shape& shape, const Shape& space) {
  if (shape.size() > space.size()) return false;
  const size_t offset = space.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != 1 && shape[i] != space[offset + i]) return false;
  }
  return true;
}

std::string Describe(const Statement& statement) {
  const Value& result = *statement.results.front();
  return absl::StrCat(result.name.empty() ? std::string(Info(statement.op).mnemonic) : result.name, " : ",
                      ToString(result.type));
}

// Finds the alignment of every statement from the yields back to the parameters.
class Aligner {
 public:
  Aligner(const RegionView& region, RegionForm& form) : region_(region), form_(form) {
    with_columns_ = form.reduced;
    for (size_t i = 0; i < form.axes.size(); ++i) with_columns_.push_back(1);
    for (size_t i = 0; i < region.statements.size(); ++i) index_[region.statements[i]->result()] = i;
  }

  absl::Status Run() {
    demands_.assign(region_.statements.size(), 0);
    for (const Value* yield : region_.yields) {
      ASSIGN_OR_RETURN(const Alignment alignment, OfYield(*yield));
      form_.yields.push_back(alignment);
      RETURN_IF_ERROR(Demand(yield, alignment));
    }
    for (size_t i = region_.statements.size(); i-- > 0;) RETURN_IF_ERROR(Visit(i));
    // An access reads parameters and accesses; text order makes one pass enough.
    for (const Statement* s : region_.statements) RETURN_IF_ERROR(CheckReads(*s));
    return absl::OkStatus();
  }

 private:
  static constexpr int kAtSpace = 1;
  static constexpr int kAtReduced = 2;

  absl::StatusOr<Alignment> OfYield(const Value& yield) const {
    if (yield.type.shape == form_.space) return Alignment::kSpace;
    const bool reduces = form_.kind == RegionKind::kRow || form_.kind == RegionKind::kReduction;
    if (reduces && yield.type.shape == form_.reduced) return Alignment::kReduced;
    if (form_.kind == RegionKind::kRow && yield.type.shape == with_columns_) return Alignment::kSpace;
    return ErrorStatus(ErrorKind::kRegionForm, "a ", Name(form_.kind), " region over ", ToString(form_.space),
                       " cannot yield ", ToString(yield.type));
  }

  absl::Status Demand(const Value* value, Alignment alignment) {
    const Shape& target = alignment == Alignment::kSpace ? form_.space : form_.reduced;
    if (!BroadcastsTo(value->type.shape, target)) {
      return ErrorStatus(ErrorKind::kRegionForm, value->name, " : ", ToString(value->type), " does not broadcast to ",
                         ToString(target), ", where the region reads it");
    }
    const auto found = index_.find(value);
    if (found == index_.end()) return absl::OkStatus();
    demands_[found->second] |= alignment == Alignment::kSpace ? kAtSpace : kAtReduced;
    return absl::OkStatus();
  }

  absl::Status Visit(size_t i) {
    const Statement& s = *region_.statements[i];
    int demand = demands_[i];
    if (demand == (kAtSpace | kAtReduced)) {
      if (s.result()->type.rank() != 0) {
        return ErrorStatus(ErrorKind::kRegionForm, Describe(s),
                           " is read both at each element and at each reduced element");
      }
      demand = kAtReduced;
    }
    const Alignment alignment = demand == kAtReduced ? Alignment::kReduced : Alignment::kSpace;
    form_.alignment[i] = alignment;
    if (Reduces(s.op)) {
      if (demand == kAtSpace) {
        return ErrorStatus(ErrorKind::kRegionForm, Describe(s), " is read at each element, but it is reduced");
      }
      form_.alignment[i] = Alignment::kReduced;
      return Demand(s.operands[0], Alignment::kSpace);
    }
    if (s.op == Op::kDot) return absl::OkStatus();
    if (IsElementwise(s.op) || s.op == Op::kBroadcast) {
      for (const Value* operand : s.operands) RETURN_IF_ERROR(Demand(operand, alignment));
      return absl::OkStatus();
    }
    if (CarriesRows(s, alignment)) {
      return Demand(s.operands[0], alignment == Alignment::kSpace ? Alignment::kReduced : Alignment::kSpace);
    }
    return absl::OkStatus();  // a literal, or an access: its operands are checked below
  }

  // A reshape between `[rows…]` and `[rows…, 1…]` of a value that the region computes.
  bool CarriesRows(const Statement& s, Alignment alignment) const {
    if (form_.kind != RegionKind::kRow || s.op != Op::kReshape || !index_.contains(s.operands[0])) return false;
    const Shape& from = s.operands[0]->type.shape;
    const Shape& to = s.result()->type.shape;
    return alignment == Alignment::kSpace ? from == form_.reduced && to == with_columns_
                                          : from == with_columns_ && to == form_.reduced;
  }

  absl::Status CheckReads(const Statement& s) {
    const bool epilogue = form_.kind == RegionKind::kContraction;
    if (s.op == Op::kConstant) accesses_.insert(s.result());
    if (s.op == Op::kBroadcast) {
      if (IsReadable(s.operands[0])) accesses_.insert(s.result());
      return absl::OkStatus();
    }
    if (!IsAccess(s.op)) return absl::OkStatus();
    if (epilogue && s.op != Op::kReshape) {
      return ErrorStatus(ErrorKind::kRegionForm, Describe(s),
                         ": the epilogue of a contraction only adds or removes unit axes");
    }
    if (s.op == Op::kReshape && !SameButUnitAxes(s.operands[0]->type.shape, s.result()->type.shape)) {
      return ErrorStatus(ErrorKind::kRegionForm, Describe(s), ": a reshape in a region only adds or removes unit axes");
    }
    const bool reads =
        std::all_of(s.operands.begin(), s.operands.end(), [&](const Value* operand) { return IsReadable(operand); });
    if (reads) {
      accesses_.insert(s.result());
      return absl::OkStatus();
    }
    if (CarriesRows(s, form_.alignment[index_.at(s.result())])) return absl::OkStatus();
    return ErrorStatus(ErrorKind::kRegionForm, Describe(s),
                       " moves a value that the region computes; it can only move parameters");
  }

  // A parameter or an access.
  bool IsReadable(const Value* value) const { return !index_.contains(value) || accesses_.contains(value); }

  const RegionView& region_;
  RegionForm& form_;
  Shape with_columns_;  // the reduced shape with unit columns
  absl::flat_hash_map<const Value*, size_t> index_;
  absl::flat_hash_set<const Value*> accesses_;
  std::vector<int> demands_;
};

absl::Status FindSpace(const RegionView& region, RegionForm& form) {
  absl::flat_hash_set<const Value*> computed;
  for (const Statement* s : region.statements) {
    const bool legal = IsElementwise(s->op) || IsAccess(s->op) || Reduces(s->op) || s->op == Op::kDot ||
                       s->op == Op::kBroadcast || (s->op == Op::kConstant && s->result()->type.rank() == 0);
    if (!legal) return ErrorStatus(ErrorKind::kRegionForm, "a region cannot hold ", Info(s->op).mnemonic);
    if (s->op == Op::kDot) {
      if (form.dot != nullptr) return ErrorStatus(ErrorKind::kRegionForm, "a region cannot hold two contractions");
      for (const Value* operand : s->operands) {
        if (computed.contains(operand)) {
          return ErrorStatus(ErrorKind::kRegionForm,
                             "the operands of a fused contraction are parameters of its region");
        }
      }
      form.dot = s;
    }
    if (Reduces(s->op)) form.reductions.push_back(s);
    computed.insert(s->result());
  }
  if (form.dot != nullptr) {
    if (!form.reductions.empty()) {
      return ErrorStatus(ErrorKind::kRegionForm, "a region with a contraction cannot hold a reduction");
    }
    form.kind = RegionKind::kContraction;
    form.space = form.dot->result()->type.shape;
    return absl::OkStatus();
  }
  if (form.reductions.empty()) {
    form.kind = RegionKind::kLoop;
    form.space = region.yields.front()->type.shape;
    return absl::OkStatus();
  }
  form.space = form.reductions.front()->operands[0]->type.shape;
  form.axes = ReducedAxes(*form.reductions.front());
  form.reduced = WithoutAxes(form.space, form.axes);
  form.kind =
      AreTrailing(form.axes, static_cast<int64_t>(form.space.size())) ? RegionKind::kRow : RegionKind::kReduction;
  for (const Statement* s : form.reductions) {
    if (s->operands[0]->type.shape != form.space || ReducedAxes(*s) != form.axes) {
      return ErrorStatus(ErrorKind::kRegionForm, "the reductions of a region reduce the same axes of one shape, but ",
                         Describe(*s), " differs from ", Describe(*form.reductions.front()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view Name(RegionKind kind) {
  switch (kind) {
    case RegionKind::kLoop:
      return "loop";
    case RegionKind::kRow:
      return "row";
    case RegionKind::kReduction:
      return "reduction";
    case RegionKind::kContraction:
      break;
  }
  return "contraction";
}

bool IsAccess(Op op) {
  switch (op) {
    case Op::kReshape:
    case Op::kTranspose:
    case Op::kSlice:
    case Op::kFlip:
    case Op::kIota:
    case Op::kOneHot:
    case Op::kRandomBits:
    case Op::kGather:
      return true;
    default:
      return false;
  }
}

bool SameButUnitAxes(absl::Span<const int64_t> a, absl::Span<const int64_t> b) {
  size_t i = 0;
  size_t j = 0;
  while (true) {
    while (i < a.size() && a[i] == 1) ++i;
    while (j < b.size() && b[j] == 1) ++j;
    if (i == a.size() || j == b.size()) return i == a.size() && j == b.size();
    if (a[i++] != b[j++]) return false;
  }
}

absl::StatusOr<RegionForm> ClassifyRegion(const Region& region) {
  RegionView view;
  for (const auto& statement : region.statements) view.statements.push_back(statement.get());
  view.yields.assign(region.yields.begin(), region.yields.end());
  return ClassifyRegion(view);
}

absl::StatusOr<RegionForm> ClassifyRegion(const RegionView& region) {
  if (region.yields.empty()) return ErrorStatus(ErrorKind::kRegionYield, "a region yields at least one value");
  RegionForm form;
  RETURN_IF_ERROR(FindSpace(region, form));
  form.alignment.assign(region.statements.size(), Alignment::kSpace);
  RETURN_IF_ERROR(Aligner(region, form).Run());
  return form;
}

bool MayLieInPlace(const Region& region, const RegionForm& form, size_t yield, const Value* parameter) {
  const Value* value = region.yields[yield];
  if (parameter->type != value->type || value == parameter) return false;
  const bool one_pass = form.kind == RegionKind::kLoop || form.kind == RegionKind::kContraction;
  const Alignment alignment = form.yields[yield];
  if (alignment == Alignment::kSpace && (!one_pass || value->type.shape != form.space)) return false;
  absl::flat_hash_set<const Value*> depends = {parameter};
  for (size_t i = 0; i < region.statements.size(); ++i) {
    const Statement& s = *region.statements[i];
    for (const Value* operand : s.operands) {
      if (depends.contains(operand)) depends.insert(s.result());
    }
    if (std::find(s.operands.begin(), s.operands.end(), parameter) == s.operands.end()) continue;
    if (!IsElementwise(s.op) || form.alignment[i] != alignment) return false;
  }
  for (const Value* other : region.yields) {
    if (other == parameter) return false;
  }
  return depends.contains(value);
}

bool IsKernelOfOneStatement(const Statement& s) {
  if (s.results.size() != 1) return false;
  if (s.op == Op::kReshape) return SameButUnitAxes(s.operands[0]->type.shape, s.result()->type.shape);
  return IsElementwise(s.op) || IsAccess(s.op) || Reduces(s.op) || s.op == Op::kDot || s.op == Op::kBroadcast;
}

std::unique_ptr<Statement> Wrap(const Statement& statement) {
  auto fused = std::make_unique<Statement>();
  fused->op = Op::kFused;
  fused->section = statement.section;
  fused->note = statement.note;
  fused->region = std::make_unique<Region>();
  Region& region = *fused->region;
  ValueMap map;
  for (Value* operand : statement.operands) {
    if (map.contains(operand)) continue;
    // A contraction reads its operands from memory, a number too.
    const bool literal =
        operand->definition != nullptr && operand->definition->op == Op::kConstant && operand->type.rank() == 0;
    if (literal && statement.op != Op::kDot) {
      region.statements.push_back(CloneStatement(*operand->definition, map));
      continue;
    }
    fused->operands.push_back(operand);
    region.parameters.push_back(std::make_unique<Value>());
    Value& parameter = *region.parameters.back();
    parameter.index = static_cast<int>(region.parameters.size()) - 1;
    parameter.type = operand->type;
    parameter.name = operand->name;
    map[operand] = &parameter;
  }
  for (const auto& result : statement.results) {
    auto outer = std::make_unique<Value>(*result);
    outer->definition = fused.get();
    fused->results.push_back(std::move(outer));
  }
  region.statements.push_back(CloneStatement(statement, map));
  for (const auto& result : region.statements.back()->results) {
    result->arena.reset();
    region.yields.push_back(result.get());
  }
  return fused;
}

}  // namespace gradus::ir
