#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ir/contraction.h"
#include "passes/simplify_rules.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

bool Contains(const ir::Ints& axes, int64_t axis) { return std::find(axes.begin(), axes.end(), axis) != axes.end(); }

// A reduction over axes along which its operand repeats itself: n times the value, or the value.
Value* SimplifyReduce(Rewriter& r, const Statement& s) {
  Value* x = s.operands[0];
  const ir::Ints& axes = s.IntList("axis");
  const ir::Shape& shape = x->type.shape;
  const ir::Shape& result = s.result()->type.shape;
  if (std::all_of(axes.begin(), axes.end(), [&](int64_t axis) { return shape[axis] == 1; })) {
    return shape == result ? x : r.builder.Emit(Op::kReshape, {x}, {result});
  }
  const Statement* broadcast = As(x, Op::kBroadcast);
  if (broadcast == nullptr) return nullptr;
  Value* source = broadcast->operands[0];
  const int64_t added = x->type.rank() - source->type.rank();
  ir::Shape rest;  // of the source, without the reduced axes
  ir::Size count = 1;
  for (int64_t i = 0; i < x->type.rank(); ++i) {
    const int64_t extent = i < added ? 1 : source->type.shape[i - added];
    if (Contains(axes, i)) {
      if (extent != 1 && shape[i] != 1) return nullptr;
      count = count * ir::Size(shape[i]);
    } else if (i >= added) {
      rest.push_back(extent);
    }
  }
  if (!ir::IsFloat(x->type.element) && s.op == Op::kReduceSum) return nullptr;  // the count may not fit
  if (source->type.shape != rest) source = r.builder.Emit(Op::kReshape, {source}, {rest});
  if (s.op == Op::kReduceSum) {
    Value* n = r.builder.Scalar(x->type.element, static_cast<double>(count.value()));
    source = r.builder.Emit(Op::kMul, {source, n});
  }
  return r.Shaped(source, result);
}

// Whether both operands of a product have the contracted axes in one order.
bool ContractsInOneOrder(const std::vector<std::string>& operands, absl::string_view result) {
  std::string contracted[2];
  for (int i = 0; i < 2; ++i) {
    for (char letter : operands[i]) {
      if (absl::StrContains(operands[1 - i], letter) && !absl::StrContains(result, letter)) contracted[i] += letter;
    }
  }
  return contracted[0] == contracted[1];
}

// A transposed operand is another spelling of the spec. Only where the operands had the contracted axes in one order,
// and would not have any more, is the transposition worth its copy: such axes are one long axis to the kernel.
Value* SimplifyDot(Rewriter& r, const Statement& s) {
  const std::vector<std::string> sides = absl::StrSplit(s.Text("spec"), "->");
  const std::vector<std::string> letters = absl::StrSplit(sides[0], ',');
  std::vector<std::string> sources = letters;
  std::vector<Value*> operands = s.operands;
  for (int i = 0; i < 2; ++i) {
    const Statement* transpose = As(operands[i], Op::kTranspose);
    if (transpose == nullptr) continue;
    // Axis j of the transposed is axis axes[j] of the source.
    const ir::Ints& axes = transpose->IntList("axes");
    for (size_t j = 0; j < axes.size(); ++j) sources[i][axes[j]] = letters[i][j];
    operands[i] = transpose->operands[0];
  }
  if (operands == s.operands) return nullptr;
  if (ContractsInOneOrder(letters, sides[1]) && !ContractsInOneOrder(sources, sides[1])) return nullptr;
  const std::string spec = absl::StrCat(sources[0], ",", sources[1], "->", sides[1]);
  return r.builder.Emit(Op::kDot, operands,
                        {ir::CanonicalSpec(spec), s.Text("order"), ir::CanonicalBand(spec, s.Text("band"))});
}

// Contracted axes that both operands have turned round: the same terms, whose sum has no order yet.
Value* SimplifyTurnedDot(Rewriter& r, const Statement& s) {
  const std::vector<std::string> sides = absl::StrSplit(s.Text("spec"), "->");
  const std::vector<std::string> letters = absl::StrSplit(sides[0], ',');
  std::string turned[2];
  std::vector<Value*> sources;
  for (size_t i = 0; i < 2; ++i) {
    const Statement* flip = As(s.operands[i], Op::kFlip);
    if (flip == nullptr || !s.Text("order").empty()) return nullptr;
    for (int64_t axis : flip->IntList("axis")) turned[i] += letters[i][axis];
    absl::c_sort(turned[i]);
    sources.push_back(flip->operands[0]);
  }
  const bool contracted = absl::c_none_of(turned[0], [&](char letter) {
    return absl::StrContains(sides[1], letter) || absl::StrContains(s.Text("band"), letter);
  });
  return contracted && turned[0] == turned[1] ? r.builder.Emit(Op::kDot, sources, s.attributes) : nullptr;
}

// A product that nobody else reads and whose sums have no order yet.
const Statement* FreeDot(const Rewriter& r, const Value* value) {
  const Statement* dot = As(value, Op::kDot);
  return dot != nullptr && r.HasOneUse(value) && dot->Text("order").empty() ? dot : nullptr;
}

// (a @ b).T = b.T @ a.T
Value* Transposed(Rewriter& r, const Statement& dot, const ir::Ints& axes) {
  const std::vector<std::string> sides = absl::StrSplit(dot.Text("spec"), "->");
  const std::vector<std::string> letters = absl::StrSplit(sides[0], ',');
  std::string result;
  for (int64_t axis : axes) result += sides[1][axis];
  const std::string spec = absl::StrCat(letters[1], ",", letters[0], "->", result);
  return r.builder.Emit(Op::kDot, {dot.operands[1], dot.operands[0]},
                        {ir::CanonicalSpec(spec), std::string(), ir::CanonicalBand(spec, dot.Text("band"))});
}

Value* TransposeOfDot(Rewriter& r, const Statement& s) {
  const Statement* dot = FreeDot(r, s.operands[0]);
  return dot == nullptr ? nullptr : Transposed(r, *dot, s.IntList("axes"));
}

// (a @ b + v).T = (a @ b).T + v where v lies along the last axis and that stays last: the product of what a scan walks
// along is computed in the order of the walk.
Value* TransposeOfBiasedDot(Rewriter& r, const Statement& s) {
  const Statement* outer = s.operands[0]->definition;
  if (outer == nullptr || !ir::IsElementwise(outer->op) || !r.HasOneUse(s.operands[0])) return nullptr;
  const ir::Ints& axes = s.IntList("axes");
  if (axes.empty() || axes.back() != static_cast<int64_t>(axes.size()) - 1) return nullptr;
  std::vector<Value*> operands = outer->operands;
  size_t products = 0;
  for (Value* operand : operands) {
    if (operand->type.rank() <= 1) continue;
    if (FreeDot(r, operand) == nullptr) return nullptr;
    if (operand->type.shape != outer->result()->type.shape) return nullptr;
    ++products;
  }
  if (products != 1) return nullptr;
  for (Value*& operand : operands) {
    if (operand->type.rank() > 1) operand = Transposed(r, *operand->definition, axes);
  }
  return r.builder.Emit(outer->op, operands, outer->attributes);
}

}  // namespace

Value* SimplifyReduction(Rewriter& r, const Statement& s) {
  if (ir::IsReduction(s.op)) return SimplifyReduce(r, s);
  if (s.op == Op::kDot) {
    Value* straight = SimplifyTurnedDot(r, s);
    return straight != nullptr ? straight : SimplifyDot(r, s);
  }
  if (s.op == Op::kTranspose) {
    Value* moved = TransposeOfDot(r, s);
    return moved != nullptr ? moved : TransposeOfBiasedDot(r, s);
  }
  return nullptr;
}

}  // namespace gradus::passes
