// Operations that only move elements: each is one copy between strided views.
#include <algorithm>
#include <cstring>

#include "ir/convert.h"
#include "ir/evaluate.h"
#include "ir/strided_copy.h"

namespace gradus::ir {
namespace {

// The strides of a view of the operand whose axis i is axis `axes[i]`.
Shape Permuted(const Shape& strides, const Ints& axes) {
  Shape result;
  for (const int64_t axis : axes) result.push_back(strides[axis]);
  return result;
}

View Dense(const Array& array) { return {0, RowMajorStrides(array.type().shape)}; }

void Copy(const Shape& extents, const Array& source, const View& from, Array& target, const View& to) {
  StridedCopy(extents, source.element_bytes(), source.bytes(), from, target.bytes(), to);
}

}  // namespace

Array BroadcastTo(const Array& operand, const Shape& shape) {
  Array result = operand.WithType(Type{operand.type().element, shape});
  const Shape strides = RowMajorStrides(operand.type().shape);
  const size_t missing = shape.size() - strides.size();
  View view{0, Shape(shape.size(), 0)};
  for (size_t i = 0; i < strides.size(); ++i) {
    view.strides[missing + i] = operand.type().shape[i] == 1 ? 0 : strides[i];
  }
  Copy(shape, operand, view, result, Dense(result));
  return result;
}

absl::Status EvaluateConstant(const Evaluation& e) {
  gradus::ir::Dispatch(e.statement.literal->type().element, [&](auto from) {
    Dispatch(e.result.element(), [&](auto to) {
      const auto source = e.statement.literal->data<decltype(from)>();
      const auto target = e.result.data<decltype(to)>();
      for (size_t i = 0; i < source.size(); ++i) target[i] = ConvertElement<decltype(to)>(source[i]);
    });
  });
  return absl::OkStatus();
}

absl::Status EvaluateIota(const Evaluation& e) {
  const Shape& shape = e.result.type().shape;
  const int64_t axis = e.statement.Int("axis");
  const int64_t extent = shape[axis], inner = RowMajorStrides(shape)[axis];
  Dispatch(e.result.element(), [&](auto element) {
    const auto result = e.result.data<decltype(element)>();
    for (size_t i = 0; i < result.size(); ++i) {
      result[i] = ConvertElement<decltype(element)>(static_cast<int64_t>(i) / inner % extent);
    }
  });
  return absl::OkStatus();
}

absl::Status EvaluateBroadcast(const Evaluation& e) {
  e.result = BroadcastTo(*e.operands[0], e.result.type().shape);
  return absl::OkStatus();
}

absl::Status EvaluateReshape(const Evaluation& e) {
  std::memcpy(e.result.bytes(), e.operands[0]->bytes(), static_cast<size_t>(e.result.byte_size()));
  return absl::OkStatus();
}

absl::Status EvaluateTranspose(const Evaluation& e) {
  const View view{0, Permuted(RowMajorStrides(e.operands[0]->type().shape), e.statement.IntList("axes"))};
  Copy(e.result.type().shape, *e.operands[0], view, e.result, Dense(e.result));
  return absl::OkStatus();
}

absl::Status EvaluateSlice(const Evaluation& e) {
  const Shape strides = RowMajorStrides(e.operands[0]->type().shape);
  View view{0, strides};
  for (size_t axis = 0; axis < strides.size(); ++axis) {
    view.offset += e.statement.IntList("start")[axis] * strides[axis];
    if (e.result.type().shape[axis] == 1) continue;  // steps nowhere: the product may be too large
    view.strides[axis] = e.statement.IntList("stride")[axis] * strides[axis];
  }
  Copy(e.result.type().shape, *e.operands[0], view, e.result, Dense(e.result));
  return absl::OkStatus();
}

absl::Status EvaluateFlip(const Evaluation& e) {
  View view = Dense(e.result);
  for (const int64_t axis : e.statement.IntList("axis")) {
    view.offset += (e.result.type().shape[axis] - 1) * view.strides[axis];
    view.strides[axis] = -view.strides[axis];
  }
  Copy(e.result.type().shape, *e.operands[0], view, e.result, Dense(e.result));
  return absl::OkStatus();
}

absl::Status EvaluateConcat(const Evaluation& e) {
  const int64_t axis = e.statement.Int("axis");
  View view = Dense(e.result);
  for (const Array* operand : e.operands) {
    Copy(operand->type().shape, *operand, Dense(*operand), e.result, view);
    view.offset += operand->type().shape[axis] * view.strides[axis];
  }
  return absl::OkStatus();
}

absl::Status EvaluatePad(const Evaluation& e) {
  const Array& x = *e.operands[0];
  const View everywhere{0, Shape(e.result.type().shape.size(), 0)};
  Copy(e.result.type().shape, *e.operands[1], everywhere, e.result, Dense(e.result));
  View view = Dense(e.result);
  for (size_t axis = 0; axis < view.strides.size(); ++axis) {
    view.offset += e.statement.IntList("low")[axis] * view.strides[axis];
    if (x.type().shape[axis] == 1) continue;  // steps nowhere: the product may be too large
    view.strides[axis] *= e.statement.IntList("interior")[axis] + 1;
  }
  Copy(x.type().shape, x, Dense(x), e.result, view);
  return absl::OkStatus();
}

absl::Status EvaluateStopGradient(const Evaluation& e) {
  Dispatch(e.result.element(), [&](auto element) {
    using T = decltype(element);
    const auto source = e.operands[0]->data<T>();
    const auto target = e.result.data<T>();
    for (size_t i = 0; i < source.size(); ++i) {
      if constexpr (kIsDual<T>) {
        target[i] = T(PlainValue(source[i]));
      } else {
        target[i] = source[i];
      }
    }
  });
  return absl::OkStatus();
}

}  // namespace gradus::ir
