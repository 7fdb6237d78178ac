#include <algorithm>
#include <cmath>
#include <random>

#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "tests/ops/gradient_cases.h"

namespace gradus::testing_support {
namespace {

using ir::Domain;
using ir::DType;
using ir::Op;
using ir::OpInfo;
using ir::Shape;
using ir::Value;
using Numbers = std::vector<double>;

double Spread(std::mt19937_64& engine) { return static_cast<double>(engine() >> 11) * 0x1p-51 - 2; }

double DistanceToInteger(double x) { return std::abs(x - std::nearbyint(x)); }

// Whether the operation is smooth around (a, b); the second operand of unary rows is not read.
bool Fits(Domain domain, double a, double b) {
  switch (domain) {
    case Domain::kAny:
      return true;
    case Domain::kNonZero:
      return std::abs(a) > 0.2;
    case Domain::kNonInteger:
      return DistanceToInteger(a) > 0.1;
    case Domain::kNonHalf:
      return DistanceToInteger(a - 0.5) > 0.1;
    case Domain::kPositive:
    case Domain::kPositiveA:
      return a > 0.4;
    case Domain::kNonZeroB:
      return std::abs(b) > 0.4;
    case Domain::kNonIntegerRatio:
      return std::abs(b) > 0.4 && DistanceToInteger(a / b) > 0.05;
    case Domain::kDistinct:
      return std::abs(a - b) > 0.1;
  }
  return false;
}

// Numbers for a, each of which fits every one of b.
Numbers Sample(Domain domain, int64_t count, const Numbers& b, std::mt19937_64& engine) {
  Numbers numbers;
  while (static_cast<int64_t>(numbers.size()) < count) {
    const double a = Spread(engine);
    if (std::all_of(b.begin(), b.end(), [&](double x) { return Fits(domain, a, x); })) numbers.push_back(a);
  }
  return numbers;
}

Numbers SampleSecond(Domain domain, int64_t count, std::mt19937_64& engine) {
  Numbers numbers;
  while (static_cast<int64_t>(numbers.size()) < count) {
    const double b = Spread(engine);
    const bool fits = domain == Domain::kNonZeroB || domain == Domain::kNonIntegerRatio ? std::abs(b) > 0.5 : true;
    if (fits) numbers.push_back(b);
  }
  return numbers;
}

int64_t Count(const Shape& shape) { return ir::ElementCount(shape).value(); }

void AddUnary(const OpInfo& info, DType element, std::vector<GradientCase>& cases) {
  for (const Shape& shape : {Shape{2, 3}, Shape{}}) {
    std::mt19937_64 engine(cases.size());
    CaseMaker make(absl::StrCat(info.mnemonic, " of ", ir::ToString(ir::Type{element, shape})), element);
    Value* x = make.Input("x", shape, Sample(info.domain, Count(shape), {0}, engine));
    cases.push_back(make.Finish(make.Emit(info.op, {x})));
  }
}

void AddBinary(const OpInfo& info, DType element, std::vector<GradientCase>& cases) {
  const std::pair<Shape, Shape> kShapes[] = {
      {{5}, {5}}, {{2, 3}, {3}}, {{3}, {2, 3}}, {{3, 1}, {4}}, {{4}, {3, 1}}, {{}, {2, 2}}, {{2, 2}, {}}, {{}, {}},
  };
  for (const auto& [a_shape, b_shape] : kShapes) {
    std::mt19937_64 engine(cases.size());
    CaseMaker make(absl::StrCat(info.mnemonic, " of ", ir::ToString(ir::Type{element, a_shape}), " and ",
                                ir::ToString(ir::Type{element, b_shape})),
                   element);
    const Numbers b_numbers = SampleSecond(info.domain, Count(b_shape), engine);
    Value* a = make.Input("a", a_shape, Sample(info.domain, Count(a_shape), b_numbers, engine));
    Value* b = make.Input("b", b_shape, b_numbers);
    cases.push_back(make.Finish(make.Emit(info.op, {a, b})));
  }
  for (double literal : {1.0, 2.0, 1.5}) {
    std::mt19937_64 engine(cases.size());
    CaseMaker first(absl::StrCat(info.mnemonic, " of x and ", literal), element);
    Value* a = first.Input("a", {4}, Sample(info.domain, 4, {literal}, engine));
    cases.push_back(first.Finish(first.Emit(info.op, {a, first.Literal(literal)})));
    CaseMaker second(absl::StrCat(info.mnemonic, " of ", literal, " and x"), element);
    Numbers numbers;
    while (numbers.size() < 4) {
      const double b_number = Spread(engine);
      if (Fits(info.domain, literal, b_number)) numbers.push_back(b_number);
    }
    Value* b = second.Input("b", {4}, numbers);
    cases.push_back(second.Finish(second.Emit(info.op, {second.Literal(literal), b})));
  }
  if (info.domain == Domain::kNonIntegerRatio) return;  // x / x is an integer everywhere
  std::mt19937_64 engine(cases.size());
  CaseMaker make(absl::StrCat(info.mnemonic, " of a value and itself"), element);
  Value* x = make.Input("x", {4}, Sample(Domain::kPositive, 4, {0}, engine));
  cases.push_back(make.Finish(make.Emit(info.op, {x, x})));
}

void AddTernary(const OpInfo& info, DType element, std::vector<GradientCase>& cases) {
  const Shape kShapes[][3] = {{{4}, {4}, {4}}, {{3, 1}, {2}, {}}, {{}, {3, 1}, {2}}, {{2}, {}, {3, 1}}};
  for (const auto& shapes : kShapes) {
    CaseMaker make(absl::StrCat(info.mnemonic, " of ", ir::ToString(shapes[0]), ", ", ir::ToString(shapes[1]), ", ",
                                ir::ToString(shapes[2])),
                   element, cases.size());
    Value* a = make.Input("a", shapes[0]);
    Value* b = make.Input("b", shapes[1]);
    Value* c = make.Input("c", shapes[2]);
    cases.push_back(make.Finish(make.Emit(info.op, {a, b, c})));
  }
}

void AddSelect(DType element, std::vector<GradientCase>& cases) {
  const std::pair<Shape, Shape> kShapes[] = {{{4}, {4}}, {{3, 1}, {2}}, {{}, {3}}, {{3}, {}}};
  for (const auto& [a_shape, b_shape] : kShapes) {
    CaseMaker make(absl::StrCat("where of ", ir::ToString(a_shape), " and ", ir::ToString(b_shape)), element);
    Value* a = make.Input("a", a_shape);
    Value* b = make.Input("b", b_shape);
    Value* condition = make.Emit(Op::kLess, {a, b});
    cases.push_back(make.Finish(make.Emit(Op::kSelect, {condition, make.Emit(Op::kMul, {a, b}), b})));
  }
  CaseMaker make("where of a repeated condition and a literal", element);
  Value* x = make.Input("x", {3, 2});
  Value* index = make.Indices("i", {3, 1}, {0, 1, 1});
  Value* condition = make.Emit(Op::kEqual, {index, make.b().ScalarInt(DType::kI32, 1)});
  cases.push_back(make.Finish(make.Emit(Op::kSelect, {condition, x, make.Literal(0)})));
}

void AddConvert(DType element, std::vector<GradientCase>& cases) {
  CaseMaker make("convert to the other float and back", element);
  const DType other = element == DType::kF32 ? DType::kF64 : DType::kF32;
  Value* x = make.Input("x", {3});
  Value* there = make.Emit(Op::kConvert, {x}, {other});
  Value* square = make.Emit(Op::kMul, {there, there});
  cases.push_back(make.Finish(make.Emit(Op::kMul, {make.Emit(Op::kConvert, {square}, {element}), x})));
  CaseMaker integer("convert to an integer carries nothing", element);
  Value* y = integer.Input("x", {3}, {0.3, 1.4, -2.5});
  Value* whole = integer.Emit(Op::kConvert, {integer.Emit(Op::kConvert, {y}, {DType::kI32})}, {element});
  cases.push_back(integer.Finish(integer.Emit(Op::kMul, {whole, y})));
}

}  // namespace

CaseMaker::CaseMaker(std::string name, DType element, uint64_t seed)
    : element_(element), builder_(case_.graph), state_(seed) {
  case_.name = absl::StrCat(name, " (", ir::Name(element), ")");
  case_.graph.name = "proof";
}

Value* CaseMaker::Input(const std::string& name, Shape shape, Numbers numbers) {
  CHECK(Count(shape) == static_cast<int64_t>(numbers.size())) << case_.name;
  case_.floats[name] = std::move(numbers);
  return builder_.Declare(Op::kInput, name, ir::Type{element_, std::move(shape)});
}

Value* CaseMaker::Input(const std::string& name, Shape shape) {
  std::mt19937_64 engine(state_++);
  Numbers numbers;
  while (static_cast<int64_t>(numbers.size()) < Count(shape)) {
    const double number = Spread(engine);
    const double gap = numbers.size() < 30 ? 0.02 : 0.0;
    if (std::all_of(numbers.begin(), numbers.end(), [&](double x) { return std::abs(x - number) > gap; })) {
      numbers.push_back(number);
    }
  }
  return Input(name, std::move(shape), std::move(numbers));
}

Value* CaseMaker::Indices(const std::string& name, Shape shape, std::vector<int32_t> numbers) {
  const ir::Type type{DType::kI32, shape};
  case_.others.emplace(name, ir::Tensor::Of<int32_t>(std::move(shape), numbers));
  return builder_.Declare(Op::kInput, name, type);
}

Value* CaseMaker::Emit(Op op, std::vector<Value*> operands, std::vector<ir::AttributeValue> attributes) {
  return builder_.Emit(op, std::move(operands), std::move(attributes));
}

Value* CaseMaker::Literal(double number) { return builder_.Scalar(element_, number); }

GradientCase CaseMaker::Finish(Value* y) {
  y->name = "y";
  case_.graph.outputs = {{"y", y}};
  ir::NameUnnamed(case_.graph);
  return std::move(case_);
}

std::vector<GradientCase> ElementwiseCases(DType element) {
  std::vector<GradientCase> cases;
  for (const OpInfo& info : ir::AllOps()) {
    if (!ir::Contains(info.types, element)) continue;
    if (info.family == ir::OpFamily::kUnary) AddUnary(info, element, cases);
    if (info.family == ir::OpFamily::kBinary) AddBinary(info, element, cases);
    if (info.family == ir::OpFamily::kTernary) AddTernary(info, element, cases);
    if (info.family == ir::OpFamily::kSelect) AddSelect(element, cases);
    if (info.family == ir::OpFamily::kConvert) AddConvert(element, cases);
  }
  return cases;
}

}  // namespace gradus::testing_support
