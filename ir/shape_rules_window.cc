// The shape rules of convolutions and windows; their geometry is checked in ir/convolution.cc.
#include <limits>

#include "absl/strings/str_cat.h"
#include "ir/convolution.h"
#include "ir/error.h"
#include "ir/order.h"
#include "ir/shape_rules.h"

namespace gradus::ir {
namespace {

template <typename... Parts>
absl::Status Wrong(ErrorKind kind, const Statement& s, const Parts&... parts) {
  return ErrorStatus(kind, Info(s.op).mnemonic, ": ", parts...);
}

absl::Status CheckOperand(const Statement& s, const Type& x, absl::string_view form) {
  if (!IsFloat(x.element)) {
    return Wrong(ErrorKind::kNumberTypeNeeded, s, "needs a floating-point type, found ", ToString(x),
                 "; convert it first");
  }
  if (x.rank() >= 3 && x.rank() <= 5) return absl::OkStatus();
  return Wrong(ErrorKind::kWindowRank, s, "takes ", form, " with 1 to 3 spatial axes, found ", ToString(x));
}

absl::Status CheckPair(const Statement& s, const Type& a, const Type& b, absl::string_view second) {
  if (a.element != b.element) {
    return Wrong(ErrorKind::kElementTypesDiffer, s, "the element types of ", ToString(a), " and ", ToString(b),
                 " differ; convert one");
  }
  if (a.rank() == b.rank()) return absl::OkStatus();
  return Wrong(ErrorKind::kWindowRank, s, ToString(a), " needs ", second, " of as many axes, found ", ToString(b));
}

absl::Status CheckGroups(const Statement& s, int64_t outputs) {
  const int64_t groups = s.Int("groups");
  if (groups < 1) return Wrong(ErrorKind::kGroupsDivide, s, "groups ", groups, " must be at least 1");
  if (outputs % groups == 0) return absl::OkStatus();
  return Wrong(ErrorKind::kGroupsDivide, s, outputs, " channels out do not divide into ", groups, " groups");
}

// x has the channels of the windows, or a sentence that guesses why not.
absl::Status CheckChannels(const Statement& s, const Type& x, const Type& w) {
  const int64_t groups = s.Int("groups"), inner = w.shape[w.rank() - 2];
  const Size wanted = Size(groups) * Size(inner);
  const int64_t channels = x.shape.back();
  if (wanted == Size(channels)) return absl::OkStatus();
  std::string guess;
  if (wanted == Size(x.shape[1])) {
    guess = absl::StrCat("; axis 1 of x has ", x.shape[1],
                         ": are these images with the channels first? layout=\"nchw\" takes them");
  } else if (groups == 1 && channels % inner == 0 && channels > inner) {
    guess = absl::StrCat("; ", channels / inner, " groups would take them");
  }
  return Wrong(ErrorKind::kChannelsDiffer, s, ToString(x), " has ", channels, " channels (its last axis), and ",
               ToString(w), " in ", groups, groups == 1 ? " group" : " groups", " takes ", groups * inner, guess);
}

absl::StatusOr<Type> InferWindow(const Statement& s, DType element) {
  const Type& x = s.operands[0]->type;
  RETURN_IF_ERROR(CheckOperand(s, x, "x [n, spatial axes, channels]"));
  ASSIGN_OR_RETURN(const std::vector<WindowAxis> axes, InferWindowAxes(s));
  Type type{element, {x.shape.front()}};
  for (const WindowAxis& axis : axes) type.shape.push_back(axis.output);
  type.shape.push_back(x.shape.back());
  return type;
}

// The gradient of a maximum asks for its place.
absl::StatusOr<Type> InferMaximum(const Statement& s, DType element) {
  ASSIGN_OR_RETURN(Type type, InferWindow(s, element));
  const Type& x = s.operands[0]->type;
  if (x.elements().value() / x.shape.front() > std::numeric_limits<int32_t>::max())
    return Wrong(ErrorKind::kTensorLimit, s, "an example too large for an i32 index");
  return type;
}

}  // namespace

absl::StatusOr<Type> InferConvolution(const Statement& s) {
  const Type &x = s.operands[0]->type, &w = s.operands[1]->type;
  RETURN_IF_ERROR(CheckOperand(s, x, "x [n, spatial axes, channels]"));
  RETURN_IF_ERROR(CheckPair(s, x, w, "windows [taps, channels / groups, outputs]"));
  RETURN_IF_ERROR(CheckGroups(s, w.shape.back()));
  RETURN_IF_ERROR(CheckChannels(s, x, w));
  ASSIGN_OR_RETURN(const std::vector<WindowAxis> axes, InferWindowAxes(s));
  Type type{x.element, {x.shape.front()}};
  for (const WindowAxis& axis : axes) type.shape.push_back(axis.output);
  type.shape.push_back(w.shape.back());
  return type;
}

absl::StatusOr<Type> InferConvolutionWeights(const Statement& s) {
  const Type &x = s.operands[0]->type, &g = s.operands[1]->type;
  RETURN_IF_ERROR(CheckOperand(s, x, "x [n, spatial axes, channels]"));
  RETURN_IF_ERROR(CheckPair(s, x, g, "an adjoint [n, windows, outputs]"));
  RETURN_IF_ERROR(CheckGroups(s, g.shape.back()));
  const int64_t groups = s.Int("groups");
  if (x.shape.back() % groups != 0) {
    return Wrong(ErrorKind::kGroupsDivide, s, x.shape.back(), " channels in do not divide into ", groups, " groups");
  }
  ASSIGN_OR_RETURN(const std::vector<WindowAxis> axes, InferWindowAxes(s));
  Type type{x.element, {}};
  bool fits = g.shape.front() == x.shape.front();
  for (size_t i = 0; i < axes.size(); ++i) {
    fits &= g.shape[i + 1] == axes[i].output;
    type.shape.push_back(axes[i].taps);
  }
  if (!fits) {
    return Wrong(ErrorKind::kBroadcastMismatch, s, ToString(g), " is no adjoint of what these windows make of ",
                 ToString(x));
  }
  type.shape.push_back(x.shape.back() / groups);
  type.shape.push_back(g.shape.back());
  const std::string& order = s.Text("order");
  if (order.empty()) return type;
  ASSIGN_OR_RETURN(const ContractionOrder parsed, ParseContractionOrder(order, g.elements().value() / g.shape.back()));
  if (parsed.lanes) return Wrong(ErrorKind::kOrderAttribute, s, "the order is `chain(s)` with s slices");
  return type;
}

absl::StatusOr<Type> InferWindowSum(const Statement& s) { return InferWindow(s, s.operands[0]->type.element); }
absl::StatusOr<Type> InferWindowMax(const Statement& s) { return InferMaximum(s, s.operands[0]->type.element); }
absl::StatusOr<Type> InferWindowArgMax(const Statement& s) { return InferMaximum(s, DType::kI32); }

}  // namespace gradus::ir
