#include <algorithm>

#include "absl/algorithm/container.h"
#include "ir/region.h"
#include "passes/simplify_rules.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

Value* SimplifyBroadcast(Rewriter& r, const Statement& s) {
  Value* x = s.operands[0];
  if (x->type.shape == s.result()->type.shape) return x;
  if (const Statement* inner = As(x, Op::kBroadcast)) {
    return r.builder.Emit(Op::kBroadcast, {inner->operands[0]}, s.attributes);
  }
  return nullptr;
}

Value* SimplifyReshape(Rewriter& r, const Statement& s) {
  Value* x = s.operands[0];
  const ir::Shape& shape = s.result()->type.shape;
  if (x->type.shape == shape) return x;
  if (const Statement* inner = As(x, Op::kReshape)) {
    return r.builder.Emit(Op::kReshape, {inner->operands[0]}, s.attributes);
  }
  const Statement* broadcast = As(x, Op::kBroadcast);
  if (broadcast != nullptr && broadcast->operands[0]->type.elements() == ir::Size(1)) {
    Value* one = broadcast->operands[0];
    if (one->type.rank() != 0) one = r.builder.Emit(Op::kReshape, {one}, {ir::Ints{}});
    return r.Shaped(one, shape);
  }
  return nullptr;
}

Value* SimplifyTranspose(Rewriter& r, const Statement& s) {
  Value* x = s.operands[0];
  const ir::Ints& axes = s.IntList("axes");
  if (std::is_sorted(axes.begin(), axes.end())) return x;
  if (const Statement* inner = As(x, Op::kTranspose)) {
    ir::Ints composed;
    for (int64_t axis : axes) composed.push_back(inner->IntList("axes")[axis]);
    return r.builder.Emit(Op::kTranspose, {inner->operands[0]}, {composed});
  }
  // A flip goes last, where it may meet another one or a scan.
  const Statement* flip = As(x, Op::kFlip);
  if (flip != nullptr && r.HasOneUse(x)) {
    ir::Ints flipped;
    for (size_t i = 0; i < axes.size(); ++i) {
      if (absl::c_linear_search(flip->IntList("axis"), axes[i])) flipped.push_back(static_cast<int64_t>(i));
    }
    Value* moved = r.builder.Emit(Op::kTranspose, {flip->operands[0]}, s.attributes);
    return r.builder.Emit(Op::kFlip, {moved}, {flipped});
  }
  // Only unit axes move.
  ir::Ints real;
  for (int64_t axis : axes) {
    if (x->type.shape[axis] != 1) real.push_back(axis);
  }
  if (std::is_sorted(real.begin(), real.end())) {
    return r.builder.Emit(Op::kReshape, {x}, {s.result()->type.shape});
  }
  if (x->type.elements() == ir::Size(1)) return r.builder.Emit(Op::kReshape, {x}, {s.result()->type.shape});
  return nullptr;
}

// Two flips of an axis are none.
Value* SimplifyFlip(Rewriter& r, const Statement& s) {
  const Statement* inner = As(s.operands[0], Op::kFlip);
  if (inner == nullptr) return nullptr;
  const ir::Ints &a = s.IntList("axis"), &b = inner->IntList("axis");
  ir::Ints once;
  for (int64_t axis = 0; axis < s.result()->type.rank(); ++axis) {
    if (absl::c_linear_search(a, axis) != absl::c_linear_search(b, axis)) once.push_back(axis);
  }
  if (once.empty()) return inner->operands[0];
  return r.builder.Emit(Op::kFlip, {inner->operands[0]}, {once});
}

bool AllOne(const ir::Ints& values) {
  return std::all_of(values.begin(), values.end(), [](int64_t v) { return v == 1; });
}
bool AllZero(const ir::Ints& values) {
  return std::all_of(values.begin(), values.end(), [](int64_t v) { return v == 0; });
}

Value* SimplifySlice(Rewriter& r, const Statement& s) {
  Value* x = s.operands[0];
  if (x->type.shape == s.result()->type.shape) return x;  // strides are positive: nothing is left out
  if (const auto number = UniformNumber(x)) return r.Uniform(s.result()->type, *number);
  const ir::Ints& start = s.IntList("start");
  const ir::Ints& limit = s.IntList("limit");
  const Statement* inner = As(x, Op::kSlice);
  if (inner != nullptr && AllOne(s.IntList("stride")) && AllOne(inner->IntList("stride"))) {
    ir::Ints from = inner->IntList("start");
    ir::Ints to = from;
    for (size_t i = 0; i < from.size(); ++i) {
      to[i] = from[i] + limit[i];
      from[i] += start[i];
    }
    return r.builder.Emit(Op::kSlice, {inner->operands[0]}, {from, to, s.IntList("stride")});
  }
  // A slice within one piece of a concatenation.
  if (const Statement* concat = As(x, Op::kConcat)) {
    const int64_t axis = concat->Int("axis");
    int64_t offset = 0;
    for (Value* piece : concat->operands) {
      const int64_t extent = piece->type.shape[axis];
      if (start[axis] >= offset && limit[axis] <= offset + extent) {
        ir::Ints from = start, to = limit;
        from[axis] -= offset;
        to[axis] -= offset;
        return r.builder.Emit(Op::kSlice, {piece}, {from, to, s.IntList("stride")});
      }
      offset += extent;
    }
  }
  return nullptr;
}

// `value` as zeros around something, if it is that and nobody else reads it.
const Statement* ZerosAround(const Rewriter& r, const Value* value) {
  const Statement* pad = As(value, Op::kPad);
  if (pad == nullptr || !r.HasOneUse(value) || !AllZero(pad->IntList("interior"))) return nullptr;
  return UniformNumber(pad->operands[1]) == 0 ? pad : nullptr;
}

// The sum of two pieces that zeros bring to their places, one after the other along an axis, is their concatenation:
// what is left of the gradients of the parts of a split.
Value* SimplifySumOfPieces(Rewriter& r, const Statement& s) {
  const Statement* first = ZerosAround(r, s.operands[0]);
  const Statement* second = ZerosAround(r, s.operands[1]);
  if (first == nullptr || second == nullptr) return nullptr;
  const ir::Shape& shape = s.result()->type.shape;
  int64_t axis = -1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (first->IntList("low")[i] == second->IntList("low")[i] &&
        first->IntList("high")[i] == second->IntList("high")[i])
      continue;
    if (axis >= 0) return nullptr;
    axis = static_cast<int64_t>(i);
  }
  if (axis < 0) return nullptr;
  if (first->IntList("low")[axis] > second->IntList("low")[axis]) std::swap(first, second);
  if (first->IntList("low")[axis] + first->operands[0]->type.shape[axis] != second->IntList("low")[axis])
    return nullptr;
  std::vector<Value*> pieces;
  for (const Statement* pad : {first, second}) {
    const Statement* joined = As(pad->operands[0], Op::kConcat);
    if (joined != nullptr && joined->Int("axis") == axis && r.HasOneUse(joined->result())) {
      pieces.insert(pieces.end(), joined->operands.begin(), joined->operands.end());
    } else {
      pieces.push_back(pad->operands[0]);
    }
  }
  Value* joined = r.builder.Emit(Op::kConcat, pieces, {axis});
  ir::Ints low = first->IntList("low"), high = second->IntList("high");
  if (AllZero(low) && AllZero(high)) return joined;
  return r.builder.Emit(Op::kPad, {joined, first->operands[1]}, {low, high, ir::Ints(shape.size(), 0)});
}

}  // namespace

Value* SimplifyMovement(Rewriter& r, const Statement& s) {
  switch (s.op) {
    case Op::kBroadcast:
      return SimplifyBroadcast(r, s);
    case Op::kReshape:
      return SimplifyReshape(r, s);
    case Op::kTranspose:
      return SimplifyTranspose(r, s);
    case Op::kFlip:
      return SimplifyFlip(r, s);
    case Op::kSlice:
      return SimplifySlice(r, s);
    case Op::kConcat:
      return s.operands.size() == 1 ? s.operands[0] : nullptr;
    case Op::kPad:
      return AllZero(s.IntList("low")) && AllZero(s.IntList("high")) && AllZero(s.IntList("interior")) ? s.operands[0]
                                                                                                       : nullptr;
    case Op::kAdd:
      return SimplifySumOfPieces(r, s);
    case Op::kStopGradient:
      return r.gradients_remain ? nullptr : s.operands[0];
    default:
      return nullptr;
  }
}

}  // namespace gradus::passes
