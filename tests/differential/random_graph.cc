#include "tests/differential/random_graph.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/contraction.h"
#include "ir/infer.h"
#include "ir/verifier.h"
#include "passes/gradient_paths.h"

namespace gradus::testing_support {
namespace {

using ir::Builder;
using ir::DType;
using ir::Ints;
using ir::Op;
using ir::OpInfo;
using ir::Shape;
using ir::Statement;
using ir::Type;
using ir::Value;

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed * 0x9E3779B97F4A7C15u + 1) {}
  // In [0, n).
  int64_t Below(int64_t n) { return static_cast<int64_t>(engine_() % static_cast<uint64_t>(n)); }
  bool OneIn(int64_t n) { return Below(n) == 0; }
  double Unit() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  template <typename T>
  const T& Of(const std::vector<T>& choices) {
    return choices[static_cast<size_t>(Below(static_cast<int64_t>(choices.size())))];
  }

 private:
  std::mt19937_64 engine_;
};

constexpr DType kTypes[] = {DType::kF32, DType::kF32, DType::kF32, DType::kF64, DType::kF64,
                            DType::kI32, DType::kI64, DType::kU8,  DType::kBool};

class Generator {
 public:
  Generator(uint64_t seed, const RandomGraphOptions& options) : random_(seed), options_(options), builder_(graph_) {
    graph_.name = absl::StrCat("random", seed);
  }

  ir::Graph Run() {
    Declare();
    if (options_.gradient) builder_.SetSection("forward");
    for (int i = 0; i < options_.statements; ++i) {
      NextLine();
      Keep(Statement());
    }
    if (options_.gradient) AddGradient();
    NextStates();
    AddOutputs();
    EraseUnread();
    ir::NameUnnamed(graph_);
    const absl::Status status = ir::Verify(graph_);
    CHECK(status.ok()) << status;
    return std::move(graph_);
  }

 private:
  // --- what a statement is made of ---

  Shape AnyShape(int64_t max_rank = 4) {
    static const std::vector<int64_t> kExtents = {1, 1, 2, 3, 3, 4, 5, 7, 8, 9, 16, 17, 31, 64, 70};
    static const std::vector<int64_t> kLongExtents = {65, 129, 256, 257, 513, 1024, 1025, 2500};
    Shape shape;
    const int64_t rank = random_.Below(max_rank + 1);
    int64_t elements = 1;
    for (int64_t i = 0; i < rank; ++i) {
      int64_t extent = random_.Of(options_.long_axes && random_.OneIn(3) ? kLongExtents : kExtents);
      if (elements * extent > options_.max_elements / 4) extent = 2;
      if (elements * extent > options_.max_elements / 4) extent = 1;
      elements *= extent;
      shape.push_back(extent);
    }
    return shape;
  }

  DType AnyType() { return options_.float_only ? DType::kF64 : kTypes[random_.Below(std::size(kTypes))]; }

  static bool Accepts(ir::TypeSet set, DType type) { return ir::Contains(set, type); }

  // Some value that fits, or null.
  template <typename Predicate>
  Value* Find(Predicate fits) {
    std::vector<Value*> found;
    for (Value* value : pool_) {
      if (fits(*value)) found.push_back(value);
    }
    if (found.empty()) return nullptr;
    // Later values more often, so that graphs grow deep.
    const size_t a = static_cast<size_t>(random_.Below(static_cast<int64_t>(found.size())));
    const size_t b = static_cast<size_t>(random_.Below(static_cast<int64_t>(found.size())));
    return found[std::max(a, b)];
  }

  Value* Literal(DType type) {
    static const std::vector<double> kFloats = {0, 1, -1, 0.5, 2, 3, -0.25, 1.5, 10, 0.1};
    if (ir::IsFloat(type)) return builder_.Scalar(type, random_.Of(kFloats));
    if (type == DType::kBool) return builder_.Constant(ir::Tensor::Scalar<bool>(random_.OneIn(2)));
    return builder_.ScalarInt(type, type == DType::kU8 ? random_.Below(9) : random_.Below(9) - 4);
  }

  // A value of exactly this type: from the pool, cut, repeated or converted from it, or a repeated literal.
  Value* Make(const Type& type) {
    Value* same = Find([&](const Value& v) { return v.type == type; });
    if (same != nullptr) return same;
    Value* other = Find([&](const Value& v) {
      if (v.type.element != type.element || v.type.rank() > type.rank()) return false;
      for (int64_t i = 1; i <= v.type.rank(); ++i) {
        const int64_t extent = v.type.shape[v.type.rank() - i];
        if (extent != 1 && extent != type.shape[type.rank() - i]) return false;
      }
      return true;
    });
    if (other == nullptr) other = Literal(type.element);
    return type.rank() == 0 && other->type.rank() == 0 ? other : builder_.Emit(Op::kBroadcast, {other}, {type.shape});
  }

  // An operand that broadcasts with `shape`.
  Value* Beside(const Shape& shape, DType element) {
    if (random_.OneIn(4)) return Literal(element);
    if (Value* found = Find([&](const Value& v) {
          if (v.type.element != element) return false;
          for (size_t i = 1; i <= std::min(v.type.shape.size(), shape.size()); ++i) {
            const int64_t a = v.type.shape[v.type.shape.size() - i], b = shape[shape.size() - i];
            if (a != b && a != 1 && b != 1) return false;
          }
          return true;
        })) {
      return found;
    }
    return Literal(element);
  }

  Value* NumericOfRank(int64_t rank, bool floating = false) {
    return Find([&](const Value& v) {
      return v.type.rank() >= rank && v.type.element != DType::kBool && (!floating || ir::IsFloat(v.type.element));
    });
  }

  Ints SomeAxes(int64_t rank) {
    Ints axes;
    const bool trailing = random_.OneIn(3);
    for (int64_t axis = 0; axis < rank; ++axis) {
      if (trailing ? axis == rank - 1 : random_.OneIn(2)) axes.push_back(axis);
    }
    if (axes.empty()) axes.push_back(random_.Below(rank));
    return axes;
  }

  // Indices below `extent`, of a shape that starts with `batch`.
  Value* Indices(const Shape& batch, int64_t extent) {
    const DType type = random_.OneIn(3) ? DType::kI64 : DType::kI32;
    Shape shape = batch;
    if (!random_.OneIn(5)) shape.push_back(1 + random_.Below(6));
    Value* raw = options_.float_only ? nullptr : Find([&](const Value& v) { return v.type == Type{type, shape}; });
    if (raw == nullptr) {
      if (shape.empty()) {
        raw = builder_.ScalarInt(type, random_.Below(extent));
      } else {
        raw = builder_.Emit(Op::kIota, {}, {shape, random_.Below(static_cast<int64_t>(shape.size())), type});
      }
    }
    return builder_.Emit(Op::kMod, {raw, builder_.ScalarInt(type, extent)});
  }

  // --- statements: a value, or null where the pool has nothing for the operation drawn ---

  Value* Statement() {
    const auto all = ir::AllOps();
    while (true) {
      const OpInfo& info = all[static_cast<size_t>(random_.Below(static_cast<int64_t>(all.size())))];
      if (info.family == ir::OpFamily::kSpecial || info.op == Op::kConstant) continue;
      if (info.op == Op::kStopGradient && !options_.gradient) continue;
      const size_t before = graph_.body.statements.size();
      Value* value = info.family < ir::OpFamily::kStructural ? Elementwise(info) : Structural(info.op);
      if (value != nullptr && value->type.elements().value() <= options_.max_elements &&
          (!options_.float_only || ir::IsFloat(value->type.element))) {
        return value;
      }
      graph_.body.statements.resize(before);
    }
  }

  Value* Elementwise(const OpInfo& info) {
    if (info.op == Op::kSelect) {
      const DType element = AnyType();
      Value* a = Beside({}, element);
      Value* b = Beside(a->type.shape, element);
      const absl::optional<Shape> shape = Common(a->type.shape, b->type.shape);
      if (!shape.has_value()) return nullptr;
      Value* condition = options_.float_only ? builder_.Emit(Op::kLess, {a, b}) : Beside(*shape, DType::kBool);
      return builder_.Emit(info.op, {condition, a, b});
    }
    Value* first = Find([&](const Value& v) { return Accepts(info.types, v.type.element); });
    if (first == nullptr) return nullptr;
    if (info.op == Op::kConvert) return builder_.Emit(info.op, {first}, {AnyType()});
    std::vector<Value*> operands = {first};
    Shape shape = first->type.shape;
    while (static_cast<int>(operands.size()) < info.arity) {
      Value* next = random_.OneIn(8) ? first : Beside(shape, first->type.element);
      const absl::optional<Shape> common = Common(shape, next->type.shape);
      if (!common.has_value()) return nullptr;
      shape = *common;
      operands.push_back(next);
    }
    if (operands.size() == 2 && random_.OneIn(2)) std::swap(operands[0], operands[1]);
    return builder_.Emit(info.op, operands);
  }

  static absl::optional<Shape> Common(const Shape& a, const Shape& b) {
    const absl::StatusOr<Shape> shape = ir::BroadcastShapes(a, b);
    return shape.ok() ? absl::make_optional(*shape) : absl::nullopt;
  }

  Value* Structural(Op op) {
    switch (op) {
      case Op::kIota: {
        const Shape shape = AnyShape(3);
        const DType type = AnyType();
        if (shape.empty() || type == DType::kBool) return nullptr;
        return builder_.Emit(op, {}, {shape, random_.Below(static_cast<int64_t>(shape.size())), type});
      }
      case Op::kBroadcast:
        return Broadcast();
      case Op::kReshape:
        return Reshape();
      case Op::kReduceSum:
      case Op::kReduceMax:
      case Op::kReduceMin: {
        Value* x = NumericOfRank(1);
        return x == nullptr ? nullptr : builder_.Emit(op, {x}, {SomeAxes(x->type.rank())});
      }
      case Op::kArgMax:
      case Op::kArgMin: {
        Value* x = NumericOfRank(1);
        return x == nullptr ? nullptr : builder_.Emit(op, {x}, {random_.Below(x->type.rank())});
      }
      case Op::kTranspose:
      case Op::kSlice:
      case Op::kFlip:
      case Op::kConcat:
      case Op::kPad:
        return Movement(op);
      case Op::kDot:
        return Dot();
      case Op::kGather:
      case Op::kScatterAdd:
        return Indexing(op);
      case Op::kOneHot: {
        Value* x = Find([](const Value& v) { return ir::IsInteger(v.type.element) && v.type.rank() <= 3; });
        return x == nullptr ? nullptr : builder_.Emit(op, {x}, {1 + random_.Below(9), AnyType()});
      }
      case Op::kRandomBits: {
        if (options_.float_only) return nullptr;
        const DType type = random_.OneIn(2) ? DType::kI64 : DType::kI32;
        return builder_.Emit(op, {Make(Type{DType::kI64, {}}), Make(Type{DType::kI64, {}})},
                             {AnyShape(3), static_cast<uint64_t>(random_.Below(1 << 30)), type});
      }
      case Op::kStopGradient: {
        Value* x = random_.OneIn(3) ? Find([](const Value&) { return true; }) : nullptr;
        return x == nullptr ? nullptr : builder_.Emit(op, {x});
      }
      default:
        return nullptr;
    }
  }

  Value* Broadcast() {
    Value* x = Find([](const Value& v) { return v.type.rank() <= 3; });
    if (x == nullptr) return nullptr;
    Shape shape = x->type.shape;
    for (int64_t& extent : shape) {
      if (extent == 1 && random_.OneIn(2)) extent = 1 + random_.Below(6);
    }
    if (random_.OneIn(2)) shape.insert(shape.begin(), 1 + random_.Below(6));
    return builder_.Emit(Op::kBroadcast, {x}, {shape});
  }

  Value* Reshape() {
    Value* x = Find([](const Value&) { return true; });
    Shape shape = x->type.shape;
    if (shape.size() >= 2 && random_.OneIn(2)) {  // joins two axes
      const size_t axis = static_cast<size_t>(random_.Below(static_cast<int64_t>(shape.size()) - 1));
      shape[axis] *= shape[axis + 1];
      shape.erase(shape.begin() + axis + 1);
    } else if (!shape.empty() && random_.OneIn(2)) {  // splits one
      const size_t axis = static_cast<size_t>(random_.Below(static_cast<int64_t>(shape.size())));
      for (int64_t factor : {2, 3, 4, 5, 7}) {
        if (shape[axis] % factor != 0) continue;
        shape[axis] /= factor;
        shape.insert(shape.begin() + axis + 1, factor);
        break;
      }
    }
    if (shape.size() < 5 && random_.OneIn(3)) {
      shape.insert(shape.begin() + random_.Below(static_cast<int64_t>(shape.size()) + 1), 1);
    } else {
      const auto one = std::find(shape.begin(), shape.end(), 1);
      if (one != shape.end()) shape.erase(one);
    }
    return builder_.Emit(Op::kReshape, {x}, {shape});
  }

  Value* Movement(Op op) {
    Value* x = Find([](const Value& v) { return v.type.rank() >= 1; });
    if (x == nullptr) return nullptr;
    const Shape& shape = x->type.shape;
    const int64_t rank = x->type.rank();
    if (op == Op::kTranspose) {
      Ints axes;
      for (int64_t i = 0; i < rank; ++i) axes.insert(axes.begin() + random_.Below(i + 1), i);
      return builder_.Emit(op, {x}, {axes});
    }
    if (op == Op::kFlip) return builder_.Emit(op, {x}, {SomeAxes(rank)});
    if (op == Op::kConcat) {
      const int64_t axis = random_.Below(rank);
      std::vector<Value*> operands = {x};
      for (int64_t i = random_.Below(3); i > 0; --i) {
        Type type = x->type;
        if (random_.OneIn(2)) type.shape[axis] = 1 + random_.Below(4);
        operands.push_back(Make(type));
      }
      return builder_.Emit(op, operands, {axis});
    }
    Ints a, b, c;
    for (int64_t i = 0; i < rank; ++i) {
      if (op == Op::kSlice) {
        a.push_back(random_.OneIn(2) ? 0 : random_.Below(shape[i]));
        b.push_back(random_.OneIn(2) ? shape[i] : a[i] + 1 + random_.Below(shape[i] - a[i]));
        c.push_back(random_.OneIn(2) ? 1 : 1 + random_.Below(3));
      } else {
        a.push_back(random_.OneIn(2) ? 0 : random_.Below(4));
        b.push_back(random_.OneIn(2) ? 0 : random_.Below(4));
        c.push_back(random_.OneIn(3) ? random_.Below(3) : 0);
      }
    }
    if (op == Op::kSlice) return builder_.Emit(op, {x}, {a, b, c});
    return builder_.Emit(op, {x, Make(Type{x->type.element, {}})}, {a, b, c});
  }

  // Batch, free and contracted axes in any order in both operands and the result.
  Value* Dot() {
    Value* a = NumericOfRank(1);
    if (a == nullptr || a->type.rank() > 4) return nullptr;
    std::string a_letters, b_letters, result;
    Type b{a->type.element, {}};
    std::vector<std::pair<char, int64_t>> b_axes;
    bool contracts = false;
    for (int64_t i = 0; i < a->type.rank(); ++i) {
      const char letter = static_cast<char>('a' + i);
      a_letters.push_back(letter);
      const int64_t kind = random_.Below(i + 1 == a->type.rank() && !contracts ? 1 : 4);
      if (kind == 0) {  // contracted
        contracts = true;
        b_axes.emplace_back(letter, a->type.shape[i]);
      } else {
        result.push_back(letter);
        if (kind == 1) b_axes.emplace_back(letter, a->type.shape[i]);  // batch
      }
    }
    for (int64_t i = random_.Below(3); i > 0; --i) {
      const char letter = static_cast<char>('p' + i);
      b_axes.insert(b_axes.begin() + random_.Below(static_cast<int64_t>(b_axes.size()) + 1),
                    {letter, AnyShape(1).empty() ? 3 : 1 + random_.Below(9)});
      result.push_back(letter);
    }
    if (random_.OneIn(4) && b_axes.size() > 1) std::swap(b_axes.front(), b_axes.back());
    if (random_.OneIn(4) && result.size() > 1) std::swap(result.front(), result.back());
    for (const auto& [letter, extent] : b_axes) {
      b_letters.push_back(letter);
      b.shape.push_back(extent);
    }
    if (ir::ElementCount(b.shape).value() > options_.max_elements) return nullptr;
    const std::string spec = ir::CanonicalSpec(absl::StrCat(a_letters, ",", b_letters, "->", result));
    const absl::StatusOr<Value*> dot = builder_.Add(Op::kDot, {a, Make(b)}, {spec});
    return dot.ok() ? *dot : nullptr;
  }

  Value* Indexing(Op op) {
    Value* x = NumericOfRank(1);
    if (x == nullptr || x->type.rank() > 4) return nullptr;
    const int64_t axis = random_.Below(x->type.rank());
    const int64_t batch = random_.OneIn(2) ? 0 : random_.Below(axis + 1);
    const Shape prefix(x->type.shape.begin(), x->type.shape.begin() + batch);
    if (op == Op::kGather) {
      Value* indices = Indices(prefix, x->type.shape[axis]);
      return builder_.Emit(op, {x, indices}, {axis, batch});
    }
    const int64_t extent = 1 + random_.Below(9);
    Value* indices = Indices(prefix, extent);
    Type updates{x->type.element, Shape(x->type.shape.begin(), x->type.shape.begin() + axis)};
    updates.shape.insert(updates.shape.end(), indices->type.shape.begin() + batch, indices->type.shape.end());
    if (random_.OneIn(2)) updates.shape.push_back(1 + random_.Below(9));
    if (updates.elements().value() > options_.max_elements) return nullptr;
    const absl::StatusOr<Value*> sum = builder_.Add(op, {Make(updates), indices}, {extent, axis, batch});
    return sum.ok() ? *sum : nullptr;
  }

  // --- the graph around them ---

  void NextLine() {
    ir::Note note;
    note.line = ++line_;
    note.column = 3;
    builder_.SetNote(note);
  }

  void Keep(Value* value) {
    if (value->definition->op != Op::kConstant || value->type.rank() != 0) pool_.push_back(value);
    if (value->name.empty() && !random_.OneIn(3)) value->name = absl::StrCat("v", line_);
  }

  void Declare() {
    const int64_t inputs = 2 + random_.Below(3), params = 1 + random_.Below(3), states = random_.Below(3);
    for (int64_t i = 0; i < inputs; ++i) {
      pool_.push_back(builder_.Declare(Op::kInput, absl::StrCat("x", i), Type{AnyType(), AnyShape()}));
    }
    for (int64_t i = 0; i < params; ++i) {
      const DType type = random_.OneIn(2) && !options_.float_only ? DType::kF32 : DType::kF64;
      pool_.push_back(builder_.Declare(Op::kParam, absl::StrCat("w", i), Type{type, AnyShape(3)}, "zeros"));
    }
    for (int64_t i = 0; i < states; ++i) {
      pool_.push_back(builder_.Declare(Op::kState, absl::StrCat("s", i), Type{AnyType(), AnyShape(3)}, "zeros"));
    }
  }

  // The sum of some floating-point values, differentiated by the declarations from which a path leads to it.
  void AddGradient() {
    NextLine();
    std::vector<Value*> terms;
    for (Value* value : pool_) {
      if (ir::IsFloat(value->type.element) && value->definition->operands.size() > 0 && random_.OneIn(2)) {
        terms.push_back(value);
      }
    }
    if (terms.empty()) return;
    Value* scalar = nullptr;
    for (Value* term : terms) {
      Ints axes;
      for (int64_t axis = 0; axis < term->type.rank(); ++axis) axes.push_back(axis);
      if (!axes.empty()) term = builder_.Emit(Op::kReduceSum, {term}, {axes});
      if (scalar != nullptr && term->type.element != scalar->type.element) {
        term = builder_.Emit(Op::kConvert, {term}, {scalar->type.element});
      }
      scalar = scalar == nullptr ? term : builder_.Emit(Op::kAdd, {scalar, term});
    }
    if (scalar->definition->operands.empty()) return;
    if (scalar->name.empty()) scalar->name = "loss";
    NextLine();
    auto grad = std::make_unique<ir::Statement>();
    grad->op = Op::kGrad;
    grad->attributes = {int64_t{1}};
    grad->section = "backward";
    grad->note = builder_.note();
    for (const auto& s : graph_.body.statements) {
      if (!ir::IsDeclaration(s->op) || !ir::IsFloat(s->result()->type.element)) continue;
      grad->operands = {scalar, s->result()};
      if (passes::GradientObstacles(graph_.body, *grad).empty()) by_.push_back(s->result());
    }
    if (by_.empty()) return;
    grad->operands = {scalar};
    for (Value* value : by_) {
      grad->operands.push_back(value);
      grad->results.push_back(std::make_unique<Value>(Value{.type = value->type, .name = "d." + value->name}));
    }
    ir::Statement* added = builder_.Append(std::move(grad));
    for (const auto& result : added->results) pool_.push_back(result.get());
  }

  void NextStates() {
    builder_.SetSection(options_.gradient ? "update" : "");
    std::vector<Value*> carried;
    for (const auto& s : graph_.body.statements) {
      if (s->op == Op::kParam || s->op == Op::kState) carried.push_back(s->result());
    }
    for (Value* state : carried) {
      NextLine();
      if (random_.OneIn(4)) continue;
      Value* update = Find([&](const Value& v) { return v.type == state->type && &v != state; });
      Value* gradient = graph_.Find("d." + state->name);
      if (gradient != nullptr) {
        Value* scaled = builder_.Emit(Op::kMul, {builder_.Scalar(state->type.element, 0.125), gradient});
        update = builder_.Emit(Op::kSub, {state, scaled});
      }
      if (update != nullptr) builder_.Next(state, update);
    }
  }

  void AddOutputs() {
    const ir::Uses uses(graph_);
    for (Value* value : pool_) {
      if (ir::IsDeclaration(value->definition->op)) continue;
      if (!uses.of(value).empty() && !random_.OneIn(6)) continue;
      if (value->name.empty()) value->name = absl::StrCat("o", graph_.outputs.size());
      graph_.outputs.push_back({value->name, value});
    }
  }

  // Literals and helpers that were drawn and then not needed.
  void EraseUnread() {
    bool erased = true;
    while (erased) {
      const ir::Uses uses(graph_);
      erased = ir::EraseIf(graph_.body, [&](const ir::Statement& s) {
        return s.results.size() == 1 && !ir::IsDeclaration(s.op) && s.result()->name.empty() &&
               uses.of(s.result()).empty();
      });
    }
  }

  Random random_;
  RandomGraphOptions options_;
  ir::Graph graph_;
  Builder builder_;
  std::vector<Value*> pool_;  // what later statements may read, in text order
  std::vector<Value*> by_;
  int line_ = 0;
};

template <typename T>
T Element(Random& random) {
  if constexpr (std::is_same_v<T, bool>) {
    return random.OneIn(2);
  } else if constexpr (std::is_integral_v<T>) {
    if (random.OneIn(40)) return random.OneIn(2) ? std::numeric_limits<T>::max() : std::numeric_limits<T>::min();
    return static_cast<T>(random.Below(16) - (std::is_signed_v<T> ? 6 : 0));
  } else {
    if (random.OneIn(12)) return static_cast<T>(random.Below(5) - 2);  // zeros, ties, integers
    if (random.OneIn(60)) return static_cast<T>((random.Unit() - 0.5) * 1e4);
    return static_cast<T>((random.Unit() - 0.4) * 4);
  }
}

}  // namespace

ir::Graph RandomGraph(uint64_t seed, const RandomGraphOptions& options) { return Generator(seed, options).Run(); }

ir::Tensor RandomTensor(uint64_t seed, const Type& type) {
  Random random(seed);
  ir::Tensor tensor(type);
  ir::Dispatch(type.element, [&](auto tag) {
    using T = decltype(tag);
    for (T& element : tensor.data<T>()) element = Element<T>(random);
  });
  return tensor;
}

std::vector<ir::Tensor> RandomDeclarations(uint64_t seed, const ir::Graph& graph) {
  std::vector<ir::Tensor> tensors;
  for (const auto& s : graph.body.statements) {
    if (ir::IsDeclaration(s->op)) tensors.push_back(RandomTensor(seed * 1000 + tensors.size(), s->result()->type));
  }
  return tensors;
}

}  // namespace gradus::testing_support
