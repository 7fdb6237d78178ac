#include "ir/shape_rules.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "ir/contraction.h"
#include "ir/error.h"
#include "ir/infer.h"
#include "ir/order.h"

namespace gradus::ir {
namespace {

const Type& OperandType(const Statement& s, size_t i) { return s.operands[i]->type; }

template <typename... Parts>
absl::Status Wrong(ErrorKind kind, const Statement& s, const Parts&... parts) {
  return ErrorStatus(kind, Info(s.op).mnemonic, ": ", parts...);
}

absl::Status CheckAxis(const Statement& s, int64_t axis, int64_t rank) {
  if (axis >= 0 && axis < rank) return absl::OkStatus();
  return Wrong(ErrorKind::kAxisRange, s, "axis ", axis, " is out of range for rank ", rank);
}

// Axes ascending and in range.
absl::Status CheckAxes(const Statement& s, const Ints& axes, int64_t rank) {
  if (axes.empty()) return Wrong(ErrorKind::kAxisMissing, s, "needs at least one axis");
  for (size_t i = 0; i < axes.size(); ++i) {
    RETURN_IF_ERROR(CheckAxis(s, axes[i], rank));
    if (i > 0 && axes[i] <= axes[i - 1]) return Wrong(ErrorKind::kAxisTwice, s, "axes must ascend without repetition");
  }
  return absl::OkStatus();
}

absl::Status CheckLength(const Statement& s, absl::string_view name, int64_t rank) {
  const Ints& list = s.IntList(name);
  if (static_cast<int64_t>(list.size()) == rank) return absl::OkStatus();
  return Wrong(ErrorKind::kAttributeValue, s, name, " has ", list.size(), " entries for rank ", rank);
}

// What no tensor is long enough for stays out of the arithmetic of indices.
absl::Status CheckStep(const Statement& s, absl::string_view name, int64_t step) {
  if (step <= kMaxTensorBytes) return absl::OkStatus();
  return Wrong(ErrorKind::kTensorLimit, s, name, " ", step, " is above the limit of ", kMaxTensorBytes,
               " (tensor limit)");
}

absl::StatusOr<Type> InferReduction(const Statement& s) {
  const Type& x = OperandType(s, 0);
  const Ints& axes = s.IntList("axis");
  RETURN_IF_ERROR(CheckAxes(s, axes, x.rank()));
  if (x.element == DType::kBool)
    return Wrong(ErrorKind::kNumberTypeNeeded, s, "needs a number type, found ", ToString(x), "; convert it first");
  Type type{x.element, {}};
  int64_t reduced = 1;
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    if (std::binary_search(axes.begin(), axes.end(), axis)) {
      reduced *= x.shape[axis];
    } else {
      type.shape.push_back(x.shape[axis]);
    }
  }
  const std::string& order = s.Text("order");
  if (!order.empty()) RETURN_IF_ERROR(ParseReductionOrder(order, reduced).status());
  return type;
}

absl::StatusOr<Type> InferArgument(const Statement& s) {
  const Type& x = OperandType(s, 0);
  const int64_t axis = s.Int("axis");
  RETURN_IF_ERROR(CheckAxis(s, axis, x.rank()));
  if (x.element == DType::kBool)
    return Wrong(ErrorKind::kNumberTypeNeeded, s, "needs a number type, found ", ToString(x));
  if (x.shape[axis] > std::numeric_limits<int32_t>::max())
    return Wrong(ErrorKind::kTensorLimit, s, "axis too long for an i32 index");
  Type type{DType::kI32, x.shape};
  type.shape.erase(type.shape.begin() + axis);
  return type;
}

// The checks that gather and scatter_add share: x[:axis] and i agree on their first `batch` axes.
absl::Status CheckIndexing(const Statement& s, const Type& x, const Type& indices, int64_t axis, int64_t batch) {
  if (indices.element != DType::kI32 && indices.element != DType::kI64) {
    return Wrong(ErrorKind::kIndexType, s, "indices must be i32 or i64, found ", ToString(indices));
  }
  if (batch < 0 || batch > axis || batch > indices.rank()) {
    return Wrong(ErrorKind::kAxisRange, s, "batch ", batch, " must be at most the axis ", axis,
                 " and the rank of the indices ", indices.rank());
  }
  for (int64_t i = 0; i < batch; ++i) {
    if (x.shape[i] != indices.shape[i]) {
      return Wrong(ErrorKind::kBroadcastMismatch, s, "batch axis ", i, " is ", x.shape[i], " in ", ToString(x), " and ",
                   indices.shape[i], " in ", ToString(indices));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Type> InferConstant(const Statement& s) {
  if (!s.literal.has_value()) return Wrong(ErrorKind::kOperandCount, s, "lacks its value");
  return s.literal->type();
}

absl::StatusOr<Type> InferIota(const Statement& s) {
  const Ints& shape = s.IntList("shape");
  RETURN_IF_ERROR(CheckAxis(s, s.Int("axis"), static_cast<int64_t>(shape.size())));
  const DType type = s.TypeAttribute("type");
  if (type == DType::kBool) return Wrong(ErrorKind::kNumberTypeNeeded, s, "needs a number type");
  return Type{type, shape};
}

absl::StatusOr<Type> InferBroadcast(const Statement& s) {
  const Type& x = OperandType(s, 0);
  const Ints& shape = s.IntList("shape");
  const absl::StatusOr<Shape> both = BroadcastShapes(x.shape, shape);
  if (!both.ok() || *both != shape)
    return Wrong(ErrorKind::kBroadcastMismatch, s, "cannot repeat ", ToString(x), " to ", ToString(shape));
  return Type{x.element, shape};
}

absl::StatusOr<Type> InferReshape(const Statement& s) {
  const Type& x = OperandType(s, 0);
  const Ints& shape = s.IntList("shape");
  if (!(ElementCount(shape) == x.elements())) {
    return Wrong(ErrorKind::kReshapeElements, s, ToString(x), " has ", x.elements().value(), " elements, ",
                 ToString(shape), " has another number");
  }
  return Type{x.element, shape};
}

absl::StatusOr<Type> InferTranspose(const Statement& s) {
  const Type& x = OperandType(s, 0);
  RETURN_IF_ERROR(CheckLength(s, "axes", x.rank()));
  const Ints& axes = s.IntList("axes");
  Ints sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] != static_cast<int64_t>(i)) return Wrong(ErrorKind::kAxisTwice, s, "axes must name every axis once");
  }
  Type type{x.element, {}};
  for (int64_t axis : axes) type.shape.push_back(x.shape[axis]);
  return type;
}

absl::StatusOr<Type> InferSlice(const Statement& s) {
  const Type& x = OperandType(s, 0);
  for (absl::string_view name : {"start", "limit", "stride"}) RETURN_IF_ERROR(CheckLength(s, name, x.rank()));
  Type type{x.element, {}};
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    const int64_t start = s.IntList("start")[axis], limit = s.IntList("limit")[axis],
                  stride = s.IntList("stride")[axis];
    if (start < 0 || limit > x.shape[axis] || start >= limit) {
      return Wrong(ErrorKind::kIndexRange, s, start, ":", limit, " is out of range for axis ", axis, " of ",
                   ToString(x));
    }
    if (stride < 1)
      return Wrong(ErrorKind::kSliceStep, s, "stride ", stride, " of axis ", axis,
                   " must be at least 1; flip reverses");
    RETURN_IF_ERROR(CheckStep(s, "stride", stride));
    type.shape.push_back(Size(limit - start).CeilDiv(stride).value());
  }
  return type;
}

absl::StatusOr<Type> InferFlip(const Statement& s) {
  RETURN_IF_ERROR(CheckAxes(s, s.IntList("axis"), OperandType(s, 0).rank()));
  return OperandType(s, 0);
}

absl::StatusOr<Type> InferConcat(const Statement& s) {
  if (s.operands.empty()) return Wrong(ErrorKind::kMissingArgument, s, "needs at least one operand");
  Type type = OperandType(s, 0);
  const int64_t axis = s.Int("axis");
  RETURN_IF_ERROR(CheckAxis(s, axis, type.rank()));
  Size extent = 0;
  for (const Value* operand : s.operands) {
    Type same = operand->type;
    if (same.rank() == type.rank()) same.shape[axis] = type.shape[axis];
    if (same != type) {
      return Wrong(ErrorKind::kJoinedShapesDiffer, s, ToString(OperandType(s, 0)), " and ", ToString(operand->type),
                   " differ beside axis ", axis);
    }
    extent = extent + Size(operand->type.shape[axis]);
  }
  if (!extent.ok()) return Wrong(ErrorKind::kTensorLimit, s, "the result is too large");
  type.shape[axis] = extent.value();
  return type;
}

absl::StatusOr<Type> InferPad(const Statement& s) {
  const Type& x = OperandType(s, 0);
  if (OperandType(s, 1) != Type{x.element, {}}) {
    return Wrong(ErrorKind::kElementTypesDiffer, s, "pads ", ToString(x), " with a scalar of its element type, found ",
                 ToString(OperandType(s, 1)));
  }
  Type type{x.element, {}};
  for (absl::string_view name : {"low", "high", "interior"}) RETURN_IF_ERROR(CheckLength(s, name, x.rank()));
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    const int64_t low = s.IntList("low")[axis], high = s.IntList("high")[axis], interior = s.IntList("interior")[axis];
    if (low < 0 || high < 0 || interior < 0) return Wrong(ErrorKind::kPadWidths, s, "negative padding; slice cuts");
    RETURN_IF_ERROR(CheckStep(s, "interior", interior));
    const Size extent = Size(low) + Size(high) + Size(x.shape[axis]) + Size(interior) * Size(x.shape[axis] - 1);
    if (!extent.ok()) return Wrong(ErrorKind::kTensorLimit, s, "the result is too large");
    type.shape.push_back(extent.value());
  }
  return type;
}

absl::StatusOr<Type> InferReduceSum(const Statement& s) { return InferReduction(s); }
absl::StatusOr<Type> InferReduceMax(const Statement& s) { return InferReduction(s); }
absl::StatusOr<Type> InferReduceMin(const Statement& s) { return InferReduction(s); }
absl::StatusOr<Type> InferArgMax(const Statement& s) { return InferArgument(s); }
absl::StatusOr<Type> InferArgMin(const Statement& s) { return InferArgument(s); }

absl::StatusOr<Type> InferArgSort(const Statement& s) {
  const Type& x = OperandType(s, 0);
  if (x.element == DType::kBool) return Wrong(ErrorKind::kNumberTypeNeeded, s, "needs a number type");
  RETURN_IF_ERROR(CheckAxis(s, s.Int("axis"), x.rank()));
  if (s.Int("descending") != 0 && s.Int("descending") != 1) {
    return Wrong(ErrorKind::kAttributeValue, s, "descending is 0 or 1, found ", s.Int("descending"));
  }
  if (x.shape[s.Int("axis")] > std::numeric_limits<int32_t>::max()) {
    return Wrong(ErrorKind::kTensorLimit, s, "an axis of ", x.shape[s.Int("axis")], " elements has no indices of i32");
  }
  return Type{DType::kI32, x.shape};
}

absl::StatusOr<Type> InferDot(const Statement& s) {
  const Type &a = OperandType(s, 0), &b = OperandType(s, 1);
  if (a.element != b.element || a.element == DType::kBool) {
    return ErrorStatus(ErrorKind::kElementTypesDiffer, "cannot multiply ", ToString(a), " by ", ToString(b),
                       ": element types ", a.element == b.element ? "must be numbers" : "differ; convert one");
  }
  ASSIGN_OR_RETURN(const Contraction contraction, ParseContraction(s.Text("spec"), a.rank(), b.rank()));
  Type type{a.element, {}};
  int64_t terms = 1;
  for (const ContractionAxis& axis : contraction.axes) {
    if (axis.in_a >= 0 && axis.in_b >= 0 && a.shape[axis.in_a] != b.shape[axis.in_b]) {
      return ErrorStatus(ErrorKind::kInnerSizesDiffer, "cannot multiply ", ToString(a), " by ", ToString(b), ": ",
                         axis.kind == AxisKind::kBatch ? "batch" : "inner", " sizes ", a.shape[axis.in_a], " and ",
                         b.shape[axis.in_b], " differ");
    }
    if (axis.in_result >= 0) {
      type.shape.push_back(contraction.Extent(axis, a, b));
    } else {
      terms *= contraction.Extent(axis, a, b);
    }
  }
  const std::string &order = s.Text("order"), &band = s.Text("band");
  if (!band.empty()) RETURN_IF_ERROR(ParseBand(band, s.Text("spec")).status());
  if (!order.empty()) {
    ASSIGN_OR_RETURN(const ContractionOrder parsed, ParseContractionOrder(order, terms));
    if (!band.empty() && (parsed.lanes || parsed.slices != 1)) {
      return ErrorStatus(ErrorKind::kOrderAttribute, "a contraction with a band has the order `chain(1)`, not `", order,
                         "`");
    }
  }
  return type;
}

absl::StatusOr<Type> InferGather(const Statement& s) {
  const Type &x = OperandType(s, 0), &indices = OperandType(s, 1);
  const int64_t axis = s.Int("axis"), batch = s.Int("batch");
  RETURN_IF_ERROR(CheckAxis(s, axis, x.rank()));
  RETURN_IF_ERROR(CheckIndexing(s, x, indices, axis, batch));
  Type type{x.element, {}};
  type.shape.insert(type.shape.end(), x.shape.begin(), x.shape.begin() + axis);
  type.shape.insert(type.shape.end(), indices.shape.begin() + batch, indices.shape.end());
  type.shape.insert(type.shape.end(), x.shape.begin() + axis + 1, x.shape.end());
  return type;
}

absl::StatusOr<Type> InferScatterAdd(const Statement& s) {
  const Type &updates = OperandType(s, 0), &indices = OperandType(s, 1);
  const int64_t axis = s.Int("axis"), batch = s.Int("batch"), extent = s.Int("extent");
  if (updates.element == DType::kBool) return Wrong(ErrorKind::kNumberTypeNeeded, s, "needs a number type");
  if (axis < 0 || axis > updates.rank() || batch < 0 || batch > indices.rank() ||
      axis + indices.rank() - batch > updates.rank()) {
    return Wrong(ErrorKind::kAxisRange, s, "axis ", axis, " and ", ToString(indices), " do not fit ",
                 ToString(updates));
  }
  if (extent < 1) return Wrong(ErrorKind::kExtentTooSmall, s, "extent ", extent, " must be at least 1");
  RETURN_IF_ERROR(CheckIndexing(s, updates, indices, axis, batch));
  Type type{updates.element, {}};
  type.shape.insert(type.shape.end(), updates.shape.begin(), updates.shape.begin() + axis);
  type.shape.push_back(extent);
  const auto rest = updates.shape.begin() + axis + (indices.rank() - batch);
  for (int64_t i = batch; i < indices.rank(); ++i) {
    if (updates.shape[axis + i - batch] != indices.shape[i]) {
      return Wrong(ErrorKind::kBroadcastMismatch, s, ToString(updates), " and ", ToString(indices), " differ in axis ",
                   axis + i - batch);
    }
  }
  type.shape.insert(type.shape.end(), rest, updates.shape.end());
  return type;
}

absl::StatusOr<Type> InferOneHot(const Statement& s) {
  const Type& indices = OperandType(s, 0);
  if (!IsInteger(indices.element))
    return Wrong(ErrorKind::kIndexType, s, "indices must be integers, found ", ToString(indices));
  if (s.Int("extent") < 1)
    return Wrong(ErrorKind::kExtentTooSmall, s, "extent ", s.Int("extent"), " must be at least 1");
  Type type{s.TypeAttribute("type"), indices.shape};
  type.shape.push_back(s.Int("extent"));
  return type;
}

absl::StatusOr<Type> InferRandomBits(const Statement& s) {
  for (size_t i = 0; i < 2; ++i) {
    if (OperandType(s, i) != Type{DType::kI64, {}}) {
      return Wrong(ErrorKind::kRandomForm, s, "seed and step are scalars of i64, found ", ToString(OperandType(s, i)));
    }
  }
  const DType type = s.TypeAttribute("type");
  if (type != DType::kI32 && type != DType::kI64)
    return Wrong(ErrorKind::kRandomForm, s, "gives i32 or i64, not ", Name(type));
  return Type{type, s.IntList("shape")};
}

absl::StatusOr<Type> InferStopGradient(const Statement& s) { return OperandType(s, 0); }

}  // namespace gradus::ir
