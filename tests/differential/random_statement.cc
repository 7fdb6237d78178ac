#include "tests/differential/random_statement.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "ir/band.h"
#include "ir/check.h"
#include "ir/contraction.h"
#include "ir/convolution.h"
#include "ir/infer.h"

namespace gradus::testing_support {
namespace {

using ir::DType;
using ir::Ints;
using ir::Op;
using ir::OpInfo;
using ir::Shape;
using ir::Type;
using ir::Value;

constexpr DType kTypes[] = {DType::kF32, DType::kF32, DType::kF32, DType::kF64, DType::kF64,
                            DType::kI32, DType::kI64, DType::kU8,  DType::kBool};

absl::optional<Shape> Common(const Shape& a, const Shape& b) {
  const absl::StatusOr<Shape> shape = ir::BroadcastShapes(a, b);
  return shape.ok() ? absl::make_optional(*shape) : absl::nullopt;
}

}  // namespace

Shape RandomStatements::AnyShape(int64_t max_rank) {
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

DType RandomStatements::AnyType() {
  return options_.float_only ? DType::kF64 : kTypes[random_.Below(std::size(kTypes))];
}

Value* RandomStatements::Literal(DType type) {
  static const std::vector<double> kFloats = {0, 1, -1, 0.5, 2, 3, -0.25, 1.5, 10, 0.1};
  if (ir::IsFloat(type)) return builder_.Scalar(type, random_.Of(kFloats));
  if (type == DType::kBool) return builder_.Constant(ir::Tensor::Scalar<bool>(random_.OneIn(2)));
  return builder_.ScalarInt(type, type == DType::kU8 ? random_.Below(9) : random_.Below(9) - 4);
}

// A value of exactly this type: from the pool, cut, repeated or converted from it, or a repeated literal.
Value* RandomStatements::Make(const Type& type) {
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
Value* RandomStatements::Beside(const Shape& shape, DType element) {
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

Value* RandomStatements::NumericOfRank(int64_t rank) {
  return Find([&](const Value& v) { return v.type.rank() >= rank && v.type.element != DType::kBool; });
}

Ints RandomStatements::SomeAxes(int64_t rank) {
  Ints axes;
  const bool trailing = random_.OneIn(3);
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (trailing ? axis == rank - 1 : random_.OneIn(2)) axes.push_back(axis);
  }
  if (axes.empty()) axes.push_back(random_.Below(rank));
  return axes;
}

// Indices below `extent`, of a shape that starts with `batch`.
Value* RandomStatements::Indices(const Shape& batch, int64_t extent) {
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

Value* RandomStatements::Statement() {
  const auto all = ir::AllOps();
  while (true) {
    const OpInfo& info = all[static_cast<size_t>(random_.Below(static_cast<int64_t>(all.size())))];
    if (info.family == ir::OpFamily::kSpecial || info.op == Op::kConstant) continue;
    if (info.op == Op::kStopGradient && !options_.gradient) continue;
    const size_t before = builder_.region().statements.size();
    Value* value = info.family < ir::OpFamily::kStructural ? Elementwise(info) : Structural(info.op);
    if (value != nullptr && value->type.elements().value() <= options_.max_elements &&
        (!options_.float_only || ir::IsFloat(value->type.element))) {
      return value;
    }
    builder_.region().statements.resize(before);
  }
}

Value* RandomStatements::Elementwise(const OpInfo& info) {
  if (info.op == Op::kSelect) {
    const DType element = AnyType();
    Value* a = Beside({}, element);
    Value* b = Beside(a->type.shape, element);
    const absl::optional<Shape> shape = Common(a->type.shape, b->type.shape);
    if (!shape.has_value()) return nullptr;
    Value* condition = options_.float_only ? builder_.Emit(Op::kLess, {a, b}) : Beside(*shape, DType::kBool);
    return builder_.Emit(info.op, {condition, a, b});
  }
  Value* first = Find([&](const Value& v) { return ir::Contains(info.types, v.type.element); });
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

Value* RandomStatements::Structural(Op op) {
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
    case Op::kArgSort: {
      Value* x = NumericOfRank(1);
      return x == nullptr ? nullptr : builder_.Emit(op, {x}, {random_.Below(x->type.rank()), random_.Below(2)});
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
    case Op::kConvolution:
    case Op::kConvolutionWeights:
    case Op::kWindowSum:
    case Op::kWindowMax:
    case Op::kWindowArgMax:
      return Window(op);
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

Value* RandomStatements::Broadcast() {
  Value* x = Find([](const Value& v) { return v.type.rank() <= 3; });
  if (x == nullptr) return nullptr;
  Shape shape = x->type.shape;
  for (int64_t& extent : shape) {
    if (extent == 1 && random_.OneIn(2)) extent = 1 + random_.Below(6);
  }
  if (random_.OneIn(2)) shape.insert(shape.begin(), 1 + random_.Below(6));
  return builder_.Emit(Op::kBroadcast, {x}, {shape});
}

Value* RandomStatements::Reshape() {
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

Value* RandomStatements::Movement(Op op) {
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

// A band over two letters of the spec, or none.
std::string RandomStatements::SomeBand(const std::string& spec) {
  const char last = *std::max_element(spec.begin(), spec.end());
  if (last < 'b' || !random_.OneIn(3)) return "";
  const int64_t letters = last - 'a' + 1, inner = random_.Below(letters);
  const int64_t outer = (inner + 1 + random_.Below(letters - 1)) % letters;
  ir::Band band{static_cast<char>('a' + inner), static_cast<char>('a' + outer)};
  band.upper = random_.OneIn(2) ? 0 : random_.Below(7) - 3;
  if (random_.OneIn(3)) band.lower = band.upper - random_.Below(4);
  return ir::ToString(band);
}

// Batch, free and contracted axes in any order in both operands and the result.
Value* RandomStatements::Dot() {
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
  const absl::StatusOr<Value*> dot = builder_.Add(Op::kDot, {a, Make(b)}, {spec, std::string(), SomeBand(spec)});
  return dot.ok() ? *dot : nullptr;
}

// Any geometry that leaves something, over what has an example, spatial axes and channels.
Value* RandomStatements::Window(Op op) {
  Value* x =
      Find([](const Value& v) { return v.type.rank() >= 3 && v.type.rank() <= 5 && ir::IsFloat(v.type.element); });
  if (x == nullptr) {
    Type type{random_.OneIn(2) && !options_.float_only ? DType::kF32 : DType::kF64, AnyShape(4)};
    while (type.rank() < 3) type.shape.push_back(1 + random_.Below(6));
    x = Make(type);
  }
  const Shape& shape = x->type.shape;
  const int64_t channels = shape.back();
  Ints taps, windows = {shape.front()};
  std::vector<ir::WindowAxis> axes;
  const bool holes = op != Op::kWindowMax && op != Op::kWindowArgMax;
  int64_t area = 1;
  for (size_t i = 1; i + 1 < shape.size(); ++i) {
    ir::WindowAxis axis{.input = shape[i], .taps = 1 + random_.Below(3)};
    if (random_.OneIn(3)) axis.stride = 1 + random_.Below(3);
    if (random_.OneIn(2)) axis.low = random_.Below(4) - 1;
    if (random_.OneIn(2)) axis.high = random_.Below(4) - 1;
    if (random_.OneIn(3)) axis.dilation = 1 + random_.Below(2);
    if (random_.OneIn(3) && holes) axis.interior = random_.Below(3);
    const int64_t room = axis.places() + axis.low + axis.high - axis.reach();
    if (room < 0) return nullptr;
    axis.output = room / axis.stride + 1;
    taps.push_back(axis.taps);
    windows.push_back(axis.output);
    area *= axis.taps * axis.output;
    axes.push_back(axis);
  }
  std::vector<ir::AttributeValue> attributes = ir::GeometryAttributes(axes);
  if (!holes) attributes.pop_back();
  if (op == Op::kConvolution || op == Op::kConvolutionWeights) {
    const int64_t groups = channels % 2 == 0 && random_.OneIn(3) ? 2 : random_.OneIn(4) ? channels : 1;
    const int64_t outputs = groups * (1 + random_.Below(groups > 2 ? 2 : 20));
    if (shape.front() * area * channels / groups * outputs > 64 * options_.max_elements) return nullptr;
    attributes.emplace_back(groups);
    Shape other = op == Op::kConvolution ? Shape(taps.begin(), taps.end()) : windows;
    if (op == Op::kConvolution) other.push_back(channels / groups);
    other.push_back(outputs);
    if (ir::ElementCount(other).value() > options_.max_elements) return nullptr;
    if (op == Op::kConvolutionWeights) attributes.insert(attributes.begin(), taps);
    return builder_.Emit(op, {x, Make(Type{x->type.element, other})}, attributes);
  }
  attributes.insert(attributes.begin(), taps);
  const absl::StatusOr<Value*> y = builder_.Add(op, {x}, attributes);
  return y.ok() ? *y : nullptr;
}

Value* RandomStatements::Indexing(Op op) {
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

}  // namespace gradus::testing_support
