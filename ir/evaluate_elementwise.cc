// The value column of every elementwise row, instantiated over the scalar policies.
#include <type_traits>

#include "ir/convert.h"
#include "ir/evaluate.h"

namespace gradus::ir {
namespace {

using enum TypeSet;

// What a `singular` column says when the derivative exists everywhere.
struct Never {};
constexpr Never kNever;

// The wrapper of the algebra for an element of C++ type T.
template <typename T>
using Wrapped = std::conditional_t<kIsReal<T>, F<Scalar<T>>,
                                   std::conditional_t<std::is_same_v<T, bool>, B<Scalar<T>>, I<Scalar<T>>>>;

template <typename T>
constexpr bool IsLegal(TypeSet types) {
  switch (types) {
    case kAnyType:
      return true;
    case kNumeric:
      return !std::is_same_v<T, bool>;
    case kFloating:
      return kIsReal<T>;
    case kBoolean:
      return std::is_same_v<T, bool>;
  }
  return false;
}

// A row is a struct with its value and its singular set as templates over the wrapper.
#define UNARY(name, mnemonic, types, y, dx, singular, ...) \
  struct name##Row {                                       \
    static constexpr TypeSet kTypes = types;               \
    template <typename V>                                  \
    static auto Value(V x) {                               \
      return y;                                            \
    }                                                      \
    template <typename V>                                  \
    static auto Singular([[maybe_unused]] V x) {           \
      return singular;                                     \
    }                                                      \
  };
#define BINARY(name, mnemonic, infix, types, y, da, db, singular, ...) \
  struct name##Row {                                                   \
    static constexpr TypeSet kTypes = types;                           \
    template <typename V>                                              \
    static auto Value(V a, V b) {                                      \
      return y;                                                        \
    }                                                                  \
    template <typename V>                                              \
    static auto Singular([[maybe_unused]] V a, [[maybe_unused]] V b) { \
      return singular;                                                 \
    }                                                                  \
  };
#define TERNARY(name, mnemonic, types, y, ...) \
  struct name##Row {                           \
    static constexpr TypeSet kTypes = types;   \
    template <typename V>                      \
    static auto Value(V a, V b, V c) {         \
      return y;                                \
    }                                          \
    template <typename V>                      \
    static Never Singular(V, V, V) {           \
      return kNever;                           \
    }                                          \
  };
#define COMPARE(name, mnemonic, infix, types, y, ...) \
  struct name##Row {                                  \
    static constexpr TypeSet kTypes = types;          \
    template <typename V>                             \
    static auto Value(V a, V b) {                     \
      return y;                                       \
    }                                                 \
  };
#define PREDICATE(name, mnemonic, types, y, ...) \
  struct name##Row {                             \
    static constexpr TypeSet kTypes = types;     \
    template <typename V>                        \
    static auto Value(V x) {                     \
      return y;                                  \
    }                                            \
  };
// `x` of an operation of one operand, `a` and `b` of one of two.
#define LOGIC(name, mnemonic, infix, arity, y, ...)                      \
  struct name##Row {                                                     \
    static constexpr TypeSet kTypes = kBoolean;                          \
    template <typename V>                                                \
    static auto Value([[maybe_unused]] V x, [[maybe_unused]] V b = {}) { \
      [[maybe_unused]] const V a = x;                                    \
      return y;                                                          \
    }                                                                    \
  };
#include "ir/ops.def"

// An operand as the loop over the result reads it: of the result's shape, or one element.
class Operand {
 public:
  Operand(const Array& array, const Shape& shape) : array_(&array) {
    if (array.size() == 1 || array.type().shape == shape) return;
    broadcast_ = BroadcastTo(array, shape);
    array_ = &broadcast_;
  }
  template <typename T>
  const T* data() const {
    return array_->data<T>().data();
  }
  int64_t stride() const { return array_->size() == 1 ? 0 : 1; }

 private:
  Array broadcast_{Type{}, Arithmetic::kNative};
  const Array* array_;
};

// The value of a row at one point. A dual has no derivative where the row is singular.
template <typename Row, typename T, typename... Values>
auto At(Values... values) {
  const auto y = Row::Value(values...);
  if constexpr (kIsDual<T> && requires { Row::Singular(values...); }) {
    if constexpr (!std::is_same_v<decltype(Row::Singular(values...)), Never>) {
      if (Row::Singular(values...).raw) return decltype(y)::Of(T(PlainValue(y.raw)));
    }
  }
  return y;
}

template <typename Row, int kArity, typename T>
void Loop(const Evaluation& e) {
  using V = Wrapped<T>;
  const Shape& shape = e.result.type().shape;
  const int64_t count = e.result.size();
  const auto run = [&](auto compute) {
    using R = decltype(compute(int64_t{0}).raw);
    R* result = e.result.data<R>().data();
    for (int64_t i = 0; i < count; ++i) result[i] = compute(i).raw;
  };
  const Operand a(*e.operands[0], shape);
  const T* pa = a.data<T>();
  const int64_t sa = a.stride();
  if constexpr (kArity == 1) {
    run([=](int64_t i) { return At<Row, T>(V::Of(pa[i * sa])); });
  } else {
    const Operand b(*e.operands[1], shape);
    const T* pb = b.data<T>();
    const int64_t sb = b.stride();
    if constexpr (kArity == 2) {
      run([=](int64_t i) { return At<Row, T>(V::Of(pa[i * sa]), V::Of(pb[i * sb])); });
    } else {
      const Operand c(*e.operands[2], shape);
      const T* pc = c.data<T>();
      const int64_t sc = c.stride();
      run([=](int64_t i) { return At<Row, T>(V::Of(pa[i * sa]), V::Of(pb[i * sb]), V::Of(pc[i * sc])); });
    }
  }
}

template <typename Row, int kArity>
void Run(const Evaluation& e) {
  Dispatch(e.operands[0]->element(), [&](auto element) {
    using T = decltype(element);
    if constexpr (IsLegal<T>(Row::kTypes)) {
      Loop<Row, kArity, T>(e);
    } else {
      CHECK(false) << Info(e.statement.op).mnemonic << " of " << e.operands[0]->type();
    }
  });
}

void RunSelect(const Evaluation& e) {
  const Shape& shape = e.result.type().shape;
  const Operand c(*e.operands[0], shape), a(*e.operands[1], shape), b(*e.operands[2], shape);
  Dispatch(e.result.element(), [&](auto element) {
    using T = decltype(element);
    const bool* pc = c.data<bool>();
    const T *pa = a.data<T>(), *pb = b.data<T>();
    T* result = e.result.data<T>().data();
    const int64_t count = e.result.size(), sc = c.stride(), sa = a.stride(), sb = b.stride();
    for (int64_t i = 0; i < count; ++i) result[i] = pc[i * sc] ? pa[i * sa] : pb[i * sb];
  });
}

void RunConvert(const Evaluation& e) {
  Dispatch(e.operands[0]->element(), [&](auto from) {
    Dispatch(e.result.element(), [&](auto to) {
      const auto source = e.operands[0]->data<decltype(from)>();
      const auto target = e.result.data<decltype(to)>();
      for (size_t i = 0; i < source.size(); ++i) target[i] = ConvertElement<decltype(to)>(source[i]);
    });
  });
}

}  // namespace

absl::Status EvaluateElementwise(const Evaluation& e) {
  switch (e.statement.op) {
#define UNARY(name, ...)  \
  case Op::k##name:       \
    Run<name##Row, 1>(e); \
    break;
#define BINARY(name, ...) \
  case Op::k##name:       \
    Run<name##Row, 2>(e); \
    break;
#define TERNARY(name, ...) \
  case Op::k##name:        \
    Run<name##Row, 3>(e);  \
    break;
#define COMPARE(name, ...) \
  case Op::k##name:        \
    Run<name##Row, 2>(e);  \
    break;
#define PREDICATE(name, ...) \
  case Op::k##name:          \
    Run<name##Row, 1>(e);    \
    break;
#define LOGIC(name, mnemonic, infix, arity, ...) \
  case Op::k##name:                              \
    Run<name##Row, arity>(e);                    \
    break;
#define SELECT(name, ...) \
  case Op::k##name:       \
    RunSelect(e);         \
    break;
#define CONVERT(name, ...) \
  case Op::k##name:        \
    RunConvert(e);         \
    break;
#include "ir/ops.def"
    default:
      CHECK(false) << Info(e.statement.op).mnemonic << " is not elementwise";
  }
  return absl::OkStatus();
}

}  // namespace gradus::ir
