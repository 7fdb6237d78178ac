// Operations that read indices: gather, scatter_add, one_hot.
#include "absl/strings/str_cat.h"
#include "ir/convert.h"
#include "ir/error.h"
#include "ir/evaluate.h"

namespace gradus::ir {
namespace {

// Where a statement stands, for a message: `emb.y (9:17)`.
std::string Place(const Statement& s) {
  std::string place = s.result()->name.empty() ? std::string(Info(s.op).mnemonic) : s.result()->name;
  if (s.note.line > 0) {
    absl::StrAppend(&place, " (", s.note.file, s.note.file.empty() ? "" : ":", s.note.line, ":", s.note.column, ")");
  }
  return place;
}

absl::Status OutOfRange(const Statement& s, int64_t index, int64_t extent) {
  return ErrorStatus(absl::StatusCode::kOutOfRange, ErrorKind::kIndexOutOfRange, Info(s.op).mnemonic, " index ", index,
                     " is out of range for axis ", s.Int("axis"), " of ", extent, " elements, in ", Place(s));
}

// Gather and scatter-add see the indexed tensor as [batch, outer, extent, inner] and the other one as
// [batch, outer, count, inner], with indices [batch, count].
struct Indexing {
  int64_t batch = 1, outer = 1, extent = 1, inner = 1, count = 1;
};
Indexing IndexingOf(const Statement& s, const Shape& indexed, const Shape& indices) {
  const int64_t axis = s.Int("axis"), batch = s.Int("batch");
  Indexing x;
  for (int64_t i = 0; i < batch; ++i) x.batch *= indexed[i];
  for (int64_t i = batch; i < axis; ++i) x.outer *= indexed[i];
  x.extent = indexed[axis];
  for (size_t i = axis + 1; i < indexed.size(); ++i) x.inner *= indexed[i];
  for (size_t i = batch; i < indices.size(); ++i) x.count *= indices[i];
  return x;
}

// Calls move(place in the indexed tensor, place in the other one) for every run of `inner` elements, ascending in the
// other one.
template <typename Index, typename Move>
absl::Status ForEachRun(const Statement& s, const Indexing& x, const Index* indices, Move move) {
  for (int64_t batch = 0; batch < x.batch; ++batch) {
    for (int64_t outer = 0; outer < x.outer; ++outer) {
      for (int64_t i = 0; i < x.count; ++i) {
        const int64_t index = indices[batch * x.count + i];
        if (index < 0 || index >= x.extent) return OutOfRange(s, index, x.extent);
        const int64_t row = batch * x.outer + outer;
        move((row * x.extent + index) * x.inner, (row * x.count + i) * x.inner);
      }
    }
  }
  return absl::OkStatus();
}

template <typename Move>
absl::Status ForEachRun(const Statement& s, const Indexing& x, const Array& indices, Move move) {
  if (indices.element() == Element::kI32) return ForEachRun(s, x, indices.data<int32_t>().data(), move);
  return ForEachRun(s, x, indices.data<int64_t>().data(), move);
}

}  // namespace

absl::Status EvaluateGather(const Evaluation& e) {
  const Indexing x = IndexingOf(e.statement, e.operands[0]->type().shape, e.operands[1]->type().shape);
  return Dispatch(e.result.element(), [&](auto element) {
    using T = decltype(element);
    const T* source = e.operands[0]->data<T>().data();
    T* target = e.result.data<T>().data();
    return ForEachRun(e.statement, x, *e.operands[1], [&](int64_t from, int64_t to) {
      std::copy(source + from, source + from + x.inner, target + to);
    });
  });
}

absl::Status EvaluateScatterAdd(const Evaluation& e) {
  const Indexing x = IndexingOf(e.statement, e.result.type().shape, e.operands[1]->type().shape);
  return Dispatch(e.result.element(), [&](auto element) -> absl::Status {
    using T = decltype(element);
    if constexpr (std::is_same_v<T, bool>) {
      CHECK(false) << "scatter_add of bool";
      return absl::OkStatus();
    } else {
      using V = std::conditional_t<kIsReal<T>, F<Scalar<T>>, I<Scalar<T>>>;
      const T* source = e.operands[0]->data<T>().data();
      const auto result = e.result.data<T>();
      std::fill(result.begin(), result.end(), T(0));
      T* target = result.data();
      return ForEachRun(e.statement, x, *e.operands[1], [&](int64_t to, int64_t from) {
        for (int64_t i = 0; i < x.inner; ++i) target[to + i] = (V::Of(target[to + i]) + V::Of(source[from + i])).raw;
      });
    }
  });
}

absl::Status EvaluateOneHot(const Evaluation& e) {
  const int64_t extent = e.statement.Int("extent");
  Dispatch(e.operands[0]->element(), [&](auto index) {
    Dispatch(e.result.element(), [&](auto element) {
      using T = decltype(element);
      const auto indices = e.operands[0]->data<decltype(index)>();
      const auto result = e.result.data<T>();
      std::fill(result.begin(), result.end(), T(0));
      for (size_t i = 0; i < indices.size(); ++i) {
        const int64_t place = ConvertElement<int64_t>(indices[i]);
        if (place >= 0 && place < extent) result[i * extent + place] = T(1);
      }
    });
  });
  return absl::OkStatus();
}

}  // namespace gradus::ir
