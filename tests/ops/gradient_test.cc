// Every gradient rule is proven (trust.md §2 of the design), and the proof can fail.
#include <gtest/gtest.h>

#include <cmath>

#include "absl/container/flat_hash_set.h"
#include "passes/gradient_rules.h"
#include "tests/matchers.h"
#include "tests/ops/gradient_cases.h"
#include "tests/ops/gradient_proof.h"

namespace gradus::testing_support {
namespace {

using ir::DType;
using ir::Ints;
using ir::Op;
using ir::Value;

class GradientTest : public testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Floats, GradientTest, testing::Values(DType::kF32, DType::kF64),
                         [](const auto& info) { return std::string(ir::Name(info.param)); });

TEST_P(GradientTest, EveryElementwiseOperationAgreesWithDualsAndDifferencesToTheSecondOrder) {
  for (const GradientCase& c : ElementwiseCases(GetParam())) {
    for (uint64_t seed : {1, 2}) EXPECT_THAT(ProveGradient(c, {.seed = seed}), IsOk());
  }
}

TEST_P(GradientTest, EveryStructuralOperationAgreesWithDualsAndDifferencesToTheSecondOrder) {
  for (const GradientCase& c : StructuralCases(GetParam())) {
    for (uint64_t seed : {1, 2}) EXPECT_THAT(ProveGradient(c, {.seed = seed}), IsOk());
  }
}

TEST_P(GradientTest, ConvolutionsAndWindowsAgreeWithDualsAndDifferencesToTheSecondOrder) {
  for (const GradientCase& c : ConvolutionCases(GetParam())) EXPECT_THAT(ProveGradient(c), IsOk());
}

TEST_P(GradientTest, NoOperationThatCarriesAGradientIsLeftOut) {
  absl::flat_hash_set<Op> proven;
  for (const auto& cases : {ElementwiseCases(GetParam()), StructuralCases(GetParam()), ConvolutionCases(GetParam())}) {
    for (const GradientCase& c : cases) {
      for (const auto& s : c.graph.body.statements) proven.insert(s->op);
    }
  }
  for (const ir::OpInfo& info : ir::AllOps()) {
    const bool with_floats = info.family < ir::OpFamily::kCompare || info.family == ir::OpFamily::kSelect ||
                             info.family == ir::OpFamily::kConvert || info.family == ir::OpFamily::kStructural;
    const bool without = info.op == Op::kConstant || info.op == Op::kRandomBits || info.op == Op::kStopGradient;
    EXPECT_TRUE(!with_floats || without || proven.contains(info.op)) << info.mnemonic;
  }
}

// One operation of x and, for binary ones, of a literal on the left or right of it.
GradientCase AtPoint(Op op, double x, absl::optional<double> right = absl::nullopt,
                     absl::optional<double> left = absl::nullopt) {
  CaseMaker make(std::string(ir::Info(op).mnemonic), DType::kF64);
  std::vector<Value*> operands;
  if (left.has_value()) operands.push_back(make.Literal(*left));
  operands.push_back(make.Input("x", {}, {x}));
  if (right.has_value()) operands.push_back(make.Literal(*right));
  return make.Finish(make.Emit(op, operands));
}

TEST(KinkTest, TheDocumentedSubgradientIsGivenExactly) {
  struct Kink {
    Op op;
    double x;
    absl::optional<double> right, left;
    double expected;
  };
  const Kink kKinks[] = {
      {Op::kAbs, 0, {}, {}, 0},       {Op::kSqrt, 0, {}, {}, 0},     {Op::kSqrt, -1, {}, {}, 0},
      {Op::kRsqrt, 0, {}, {}, 0},     {Op::kLog, 0, {}, {}, 0},      {Op::kLog, -2, {}, {}, 0},
      {Op::kPow, 0, 0.5, {}, 0},      {Op::kPow, -1, 3, {}, 0},      {Op::kPow, 0.5, {}, 0.0, 0},
      {Op::kMaximum, 0, 0.0, {}, 0},  {Op::kMaximum, 0, {}, 0.0, 1}, {Op::kMaximum, 1, 0.0, {}, 1},
      {Op::kMaximum, -1, 0.0, {}, 0}, {Op::kMinimum, 0, 0.0, {}, 0}, {Op::kMinimum, 0, {}, 0.0, 1},
      {Op::kMinimum, -1, 0.0, {}, 1}, {Op::kSign, 0, {}, {}, 0},     {Op::kFloor, 1, {}, {}, 0},
      {Op::kRound, 0.5, {}, {}, 0},
  };
  for (const Kink& kink : kKinks) {
    const GradientCase c = AtPoint(kink.op, kink.x, kink.right, kink.left);
    EXPECT_EQ(FirstGradient(c, "x"), std::vector<double>{kink.expected}) << c.name << " at " << kink.x;
    for (double second : SecondGradient(c, "x")) EXPECT_EQ(second, 0) << c.name << " at " << kink.x;
    // The duals follow, where y is finite: their product rule multiplies it by 0.
    const bool finite = kink.op != Op::kLog && kink.op != Op::kRsqrt && !(kink.op == Op::kSqrt && kink.x < 0);
    if (finite) {
      EXPECT_THAT(ProveGradient(c, {.differences = false}), IsOk());
    }
  }
}

TEST(KinkTest, TheFirstIndexOfAnExtremumGetsTheGradient) {
  for (Op op : {Op::kReduceMax, Op::kReduceMin}) {
    const double sign = op == Op::kReduceMax ? 1 : -1;
    CaseMaker make("ties", DType::kF64);
    Value* x = make.Input("x", {2, 3}, {sign, 2 * sign, 2 * sign, 5 * sign, 5 * sign, 5 * sign});
    EXPECT_EQ(FirstGradient(make.Finish(make.Emit(op, {x}, {Ints{1}})), "x"), (std::vector<double>{0, 1, 0, 1, 0, 0}));
    CaseMaker nan("not a number comes first", DType::kF64);
    Value* y = nan.Input("x", {3}, {9 * sign, NAN, NAN});
    EXPECT_EQ(FirstGradient(nan.Finish(nan.Emit(op, {y}, {Ints{0}})), "x"), (std::vector<double>{0, 1, 0}));
  }
}

TEST(KinkTest, TheFirstElementOfAWindowThatAttainsItsMaximumGetsTheGradient) {
  CaseMaker make("ties", DType::kF64);
  Value* x = make.Input("x", {1, 6, 1}, {1, 2, 2, NAN, NAN, 7});
  Value* y = make.Emit(Op::kWindowMax, {x}, {Ints{2}, Ints{1}, Ints{0}, Ints{0}, Ints{1}});
  EXPECT_EQ(FirstGradient(make.Finish(y), "x"), (std::vector<double>{0, 2, 0, 2, 1, 0}));
}

TEST(KinkTest, AMaskedBranchGivesNoProductOfZeroAndInfinity) {
  for (Op op : {Op::kSqrt, Op::kRsqrt, Op::kLog}) {
    CaseMaker make("masked", DType::kF64);
    Value* x = make.Input("x", {4}, {-1, 0, 1, 4});
    Value* condition = make.Emit(Op::kGreater, {x, make.Literal(0)});
    const GradientCase c = make.Finish(make.Emit(Op::kSelect, {condition, make.Emit(op, {x}), make.Literal(0)}));
    EXPECT_EQ(FirstGradient(c, "x")[0], 0);
    EXPECT_EQ(FirstGradient(c, "x")[1], 0);
    for (double second : SecondGradient(c, "x")) EXPECT_TRUE(std::isfinite(second)) << ir::Info(op).mnemonic;
    EXPECT_THAT(ProveGradient(c, {.differences = false}), IsOk());
  }
}

// y = a / b with a rule of our own: dL/da = g / b, and dL/db as `by_b` says.
GradientCase DivisionWithRule(Value* (*by_b)(ir::Builder& b, Value* g, Value* b_value, Value* y)) {
  CaseMaker make("a / b with a rule of its own", DType::kF64);
  Value* a = make.Input("a", {3}, {0.5, -1, 2});
  Value* b = make.Input("b", {3}, {1.5, 0.7, -1});
  Value* quotient = make.Emit(Op::kDiv, {a, b});
  quotient->name = "q";
  auto rule = std::make_unique<ir::Statement>();
  rule->op = Op::kCustomVjp;
  rule->operands = {quotient, a, b, quotient};
  rule->operands[3] = make.Emit(Op::kNeg, {quotient});
  rule->operands[3]->name = "m";
  rule->attributes = {int64_t{2}, std::string()};
  rule->region = std::make_unique<ir::Region>();
  const ir::Type type = a->type;
  for (const char* name : {"g", "a", "b", "m"}) {
    rule->region->parameters.push_back(std::make_unique<Value>(Value{.type = type, .name = name}));
  }
  const auto parameter = [&](int i) { return rule->region->parameters[i].get(); };
  ir::Builder body(*rule->region);
  rule->region->yields.push_back(body.Emit(Op::kDiv, {parameter(0), parameter(2)}));
  rule->region->yields.push_back(by_b(body, parameter(0), parameter(2), parameter(3)));
  rule->results.push_back(std::make_unique<Value>(Value{.type = type}));
  return make.Finish(make.b().Append(std::move(rule))->result());
}

TEST(ProofTest, ARightRuleIsProvenAndAWrongOneIsFound) {
  // m = -y, so g * m / b is right.
  const GradientCase right = DivisionWithRule([](ir::Builder& b, Value* g, Value* b_value, Value* m) {
    return b.Emit(Op::kDiv, {b.Emit(Op::kMul, {g, m}), b_value});
  });
  EXPECT_THAT(ProveGradient(right), IsOk());
  // DLVM's rule forgets g, and passes to the first order where g is 1.
  const GradientCase forgets =
      DivisionWithRule([](ir::Builder& b, Value*, Value* b_value, Value* m) { return b.Emit(Op::kDiv, {m, b_value}); });
  EXPECT_THAT(ProveGradient(forgets), FailsWith("first order, duals"));
  EXPECT_EQ(FirstGradient(forgets, "b"), FirstGradient(right, "b"));
  const GradientCase nearly = DivisionWithRule([](ir::Builder& b, Value* g, Value* b_value, Value* m) {
    Value* factor = b.Scalar(DType::kF64, 1 + 1e-10);
    return b.Emit(Op::kMul, {b.Emit(Op::kDiv, {b.Emit(Op::kMul, {g, m}), b_value}), factor});
  });
  EXPECT_THAT(ProveGradient(nearly), FailsWith("first order, duals"));
}

}  // namespace
}  // namespace gradus::testing_support
