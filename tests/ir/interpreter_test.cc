// Every structural operation on small cases whose results are written out.
#include "ir/interpreter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ir/builder.h"
#include "tests/apply.h"

namespace gradus::ir {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing_support::Apply;

template <typename T>
Tensor Make(Shape shape, std::vector<T> elements) {
  return Tensor::Of<T>(std::move(shape), absl::MakeConstSpan(elements));
}
Tensor Floats(Shape shape, std::vector<float> elements) { return Make<float>(std::move(shape), std::move(elements)); }
Tensor Ints32(Shape shape, std::vector<int32_t> elements) {
  return Make<int32_t>(std::move(shape), std::move(elements));
}

template <typename T>
std::vector<T> Elements(const absl::StatusOr<Tensor>& tensor) {
  if (!tensor.ok()) {
    ADD_FAILURE() << tensor.status();
    return {};
  }
  const auto data = tensor->data<T>();
  return std::vector<T>(data.begin(), data.end());
}

TEST(InterpreterTest, OperandsBroadcast) {
  const auto y = Apply(Op::kAdd, {Floats({2, 1}, {1, 2}), Floats({3}, {10, 20, 30})});
  EXPECT_EQ(ToString(y->type()), "f32[2,3]");
  EXPECT_THAT(Elements<float>(y), ElementsAre(11, 21, 31, 12, 22, 32));
}

TEST(InterpreterTest, MovementMovesElements) {
  const Tensor x = Floats({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(Elements<float>(Apply(Op::kTranspose, {x}, {Ints{1, 0}})), ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(Elements<float>(Apply(Op::kReshape, {x}, {Ints{3, 2}})), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(Elements<float>(Apply(Op::kSlice, {x}, {Ints{0, 0}, Ints{2, 3}, Ints{1, 2}})), ElementsAre(1, 3, 4, 6));
  EXPECT_THAT(Elements<float>(Apply(Op::kFlip, {x}, {Ints{1}})), ElementsAre(3, 2, 1, 6, 5, 4));
  EXPECT_THAT(Elements<float>(Apply(Op::kFlip, {x}, {Ints{0, 1}})), ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_THAT(Elements<float>(Apply(Op::kConcat, {x, Floats({2, 1}, {7, 8})}, {int64_t{1}})),
              ElementsAre(1, 2, 3, 7, 4, 5, 6, 8));
  EXPECT_THAT(Elements<float>(Apply(Op::kBroadcast, {Floats({2, 1}, {1, 2})}, {Ints{2, 2}})), ElementsAre(1, 1, 2, 2));
  EXPECT_THAT(Elements<float>(Apply(Op::kPad, {Floats({2}, {1, 2}), Floats({}, {9})}, {Ints{1}, Ints{2}, Ints{1}})),
              ElementsAre(9, 1, 9, 2, 9, 9));
}

TEST(InterpreterTest, IotaCountsAlongItsAxis) {
  EXPECT_THAT(Elements<float>(Apply(Op::kIota, {}, {Ints{2, 3}, int64_t{1}, DType::kF32})),
              ElementsAre(0, 1, 2, 0, 1, 2));
  EXPECT_THAT(Elements<int64_t>(Apply(Op::kIota, {}, {Ints{2, 3}, int64_t{0}, DType::kI64})),
              ElementsAre(0, 0, 0, 1, 1, 1));
}

TEST(InterpreterTest, ReductionsReduce) {
  const Tensor x = Floats({2, 3}, {1, 5, 3, 4, 2, 6});
  EXPECT_THAT(Elements<float>(Apply(Op::kReduceSum, {x}, {Ints{1}, std::string()})), ElementsAre(9, 12));
  EXPECT_THAT(Elements<float>(Apply(Op::kReduceSum, {x}, {Ints{0}, std::string()})), ElementsAre(5, 7, 9));
  EXPECT_THAT(Elements<float>(Apply(Op::kReduceSum, {x}, {Ints{0, 1}, std::string()})), ElementsAre(21));
  EXPECT_THAT(Elements<float>(Apply(Op::kReduceMax, {x}, {Ints{1}, std::string()})), ElementsAre(5, 6));
  EXPECT_THAT(Elements<float>(Apply(Op::kReduceMin, {x}, {Ints{0}, std::string()})), ElementsAre(1, 2, 3));
  EXPECT_THAT(Elements<int32_t>(Apply(Op::kReduceMax, {Ints32({2}, {-5, -7})}, {Ints{0}, std::string()})),
              ElementsAre(-5));
}

TEST(InterpreterTest, ArgmaxTakesTheFirstAndNotANumberBeforeAll) {
  const float nan = std::nanf("");
  EXPECT_THAT(
      Elements<int32_t>(Apply(Op::kArgMax, {Floats({3, 3}, {1, 7, 7, 1, nan, nan, nan, 9, nan})}, {int64_t{1}})),
      ElementsAre(1, 1, 0));
  EXPECT_THAT(Elements<int32_t>(Apply(Op::kArgMin, {Floats({2, 2}, {1, 7, 1, nan})}, {int64_t{0}})), ElementsAre(0, 1));
}

// x[i] whose sums depend on the order in which they are made.
std::vector<float> Uneven(int64_t count) {
  std::vector<float> x(count);
  for (int64_t i = 0; i < count; ++i)
    x[i] = std::sin(static_cast<float>(i * i)) * std::exp2f(static_cast<float>(i % 13));
  return x;
}

float Tree(std::vector<float> lanes) {
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lanes[i] = lanes[i] + lanes[i + width];
  }
  return lanes[0];
}

TEST(InterpreterTest, ASumOverTheInnermostAxisHasSixteenLanesInBlocksOf1024) {
  const std::vector<float> x = Uneven(2500);
  float expected = 0;
  for (int block = 0; block < 2500; block += 1024) {
    std::vector<float> lanes(16, 0.0f);
    for (int i = block; i < std::min(2500, block + 1024); ++i) lanes[i % 16] += x[i];
    expected = block == 0 ? Tree(lanes) : expected + Tree(lanes);
  }
  EXPECT_THAT(Elements<float>(Apply(Op::kReduceSum, {Floats({2500}, x)}, {Ints{0}, std::string()})),
              ElementsAre(expected));
  EXPECT_THAT(Elements<float>(Apply(Op::kReduceSum, {Floats({1, 50, 50}, x)}, {Ints{1, 2}, std::string()})),
              ElementsAre(expected));
  // The same elements in another place, by an explicit order.
  EXPECT_THAT(
      Elements<float>(Apply(Op::kReduceSum, {Apply(Op::kBroadcast, {Floats({2500, 1}, x)}, {Ints{2500, 2}}).value()},
                            {Ints{0}, std::string("lanes16")})),
      ElementsAre(expected, expected));
}

TEST(InterpreterTest, ASumOverRowsHasBlocksOf256Rows) {
  const std::vector<float> x = Uneven(2 * 700);
  float expected[2];
  for (int column = 0; column < 2; ++column) {
    for (int block = 0; block < 700; block += 256) {
      float sum = 0;
      for (int row = block; row < std::min(700, block + 256); ++row) sum += x[row * 2 + column];
      expected[column] = block == 0 ? sum : expected[column] + sum;
    }
  }
  EXPECT_THAT(Elements<float>(Apply(Op::kReduceSum, {Floats({700, 2}, x)}, {Ints{0}, std::string()})),
              ElementsAre(expected[0], expected[1]));
}

TEST(InterpreterTest, ASumOverRowsAndTheInnermostAxisReducesTheRowsFirst) {
  const std::vector<float> x = Uneven(300 * 20);
  float expected = 0, block = 0;
  for (int row = 0; row < 300; ++row) {
    std::vector<float> lanes(16, 0.0f);
    for (int i = 0; i < 20; ++i) lanes[i % 16] += x[row * 20 + i];
    if (row == 256) expected = block, block = 0;
    block += Tree(lanes);
  }
  expected += block;
  // [300, 2, 20] with the middle axis kept.
  std::vector<float> twice;
  for (int row = 0; row < 300; ++row) {
    for (int copy = 0; copy < 2; ++copy) twice.insert(twice.end(), x.begin() + row * 20, x.begin() + row * 20 + 20);
  }
  EXPECT_THAT(Elements<float>(Apply(Op::kReduceSum, {Floats({300, 2, 20}, twice)}, {Ints{0, 2}, std::string()})),
              ElementsAre(expected, expected));
}

TEST(InterpreterTest, ContractionsContract) {
  const Tensor a = Floats({2, 3}, {1, 2, 3, 4, 5, 6}), b = Floats({3, 2}, {7, 8, 9, 10, 11, 12});
  EXPECT_THAT(Elements<float>(Apply(Op::kDot, {a, b}, {std::string("ab,bc->ac"), std::string()})),
              ElementsAre(58, 64, 139, 154));
  EXPECT_THAT(Elements<float>(Apply(Op::kDot, {a, b}, {std::string("ab,bc->ca"), std::string()})),
              ElementsAre(58, 139, 64, 154));
  EXPECT_THAT(Elements<float>(Apply(Op::kDot, {a, a}, {std::string("ab,ac->bc"), std::string()})),
              ElementsAre(17, 22, 27, 22, 29, 36, 27, 36, 45));
  EXPECT_THAT(Elements<float>(Apply(Op::kDot, {a, a}, {std::string("ab,ab->a"), std::string()})), ElementsAre(14, 77));
  EXPECT_THAT(Elements<float>(Apply(Op::kDot, {a, Floats({2}, {1, 10})}, {std::string("ab,a->b"), std::string()})),
              ElementsAre(41, 52, 63));
  EXPECT_THAT(Elements<int32_t>(
                  Apply(Op::kDot, {Ints32({2}, {2, 3}), Ints32({2}, {5, 7})}, {std::string("a,a->"), std::string()})),
              ElementsAre(31));
}

TEST(InterpreterTest, AContractionIsAChainOfFusedMultiplyAdds) {
  const std::vector<float> a = Uneven(5 * 40), b = Uneven(40 * 5);
  std::vector<float> expected(25, 0.0f);
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 5; ++j) {
      for (int k = 0; k < 40; ++k) expected[i * 5 + j] = std::fma(a[i * 40 + k], b[k * 5 + j], expected[i * 5 + j]);
    }
  }
  EXPECT_EQ(Elements<float>(
                Apply(Op::kDot, {Floats({5, 40}, a), Floats({40, 5}, b)}, {std::string("ab,bc->ac"), std::string()})),
            expected);
}

TEST(InterpreterTest, FewOutputsOverLongSumsAreSlicedOrHaveLanes) {
  const int k = 3000;
  const std::vector<float> a = Uneven(5 * k), b = Uneven(k * 5);
  std::vector<float> expected(25, 0.0f);
  for (int i = 0; i < 25; ++i) {
    for (int slice = 0; slice < 3; ++slice) {
      float sum = 0;
      for (int t = slice * 1000; t < (slice + 1) * 1000; ++t) sum = std::fma(a[i / 5 * k + t], b[t * 5 + i % 5], sum);
      expected[i] = slice == 0 ? sum : expected[i] + sum;
    }
  }
  EXPECT_EQ(Elements<float>(
                Apply(Op::kDot, {Floats({5, k}, a), Floats({k, 5}, b)}, {std::string("ab,bc->ac"), std::string()})),
            expected);
  std::vector<float> lanes(16, 0.0f);
  for (int t = 0; t < k; ++t) lanes[t % 16] = std::fma(a[t], b[t], lanes[t % 16]);
  EXPECT_THAT(Elements<float>(Apply(Op::kDot,
                                    {Floats({k}, {a.begin(), a.begin() + k}), Floats({k}, {b.begin(), b.begin() + k})},
                                    {std::string("a,a->"), std::string()})),
              ElementsAre(Tree(lanes)));
}

TEST(InterpreterTest, GatherAndScatterAddAreTransposes) {
  const Tensor table = Floats({3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor indices = Ints32({2, 2}, {2, 0, 2, 1});
  const auto rows = Apply(Op::kGather, {table, indices}, {int64_t{0}, int64_t{0}});
  EXPECT_EQ(ToString(rows->type()), "f32[2,2,2]");
  EXPECT_THAT(Elements<float>(rows), ElementsAre(5, 6, 1, 2, 5, 6, 3, 4));
  EXPECT_THAT(Elements<float>(Apply(Op::kScatterAdd, {*rows, indices}, {int64_t{3}, int64_t{0}, int64_t{0}})),
              ElementsAre(1, 2, 3, 4, 10, 12));
  // One element of each row: axis 1, the first axis shared.
  EXPECT_THAT(Elements<float>(Apply(Op::kGather, {table, Ints32({3}, {1, 0, 1})}, {int64_t{1}, int64_t{1}})),
              ElementsAre(2, 3, 6));
  EXPECT_THAT(Elements<float>(Apply(Op::kScatterAdd, {Floats({3}, {7, 8, 9}), Ints32({3}, {1, 0, 1})},
                                    {int64_t{2}, int64_t{1}, int64_t{1}})),
              ElementsAre(0, 7, 8, 0, 0, 9));
}

TEST(InterpreterTest, AnIndexOutOfRangeIsNamed) {
  const auto y = Apply(Op::kGather, {Floats({3}, {1, 2, 3}), Ints32({2}, {1, 3})}, {int64_t{0}, int64_t{0}});
  EXPECT_EQ(y.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(y.status().message(),
            "gather index 3 is out of range for axis 0 of 3 elements, in y (9:17) [index-out-of-range]");
  EXPECT_EQ(Apply(Op::kScatterAdd, {Floats({1}, {1}), Ints32({1}, {-1})}, {int64_t{3}, int64_t{0}, int64_t{0}})
                .status()
                .code(),
            absl::StatusCode::kOutOfRange);
}

TEST(InterpreterTest, OneHotIsZeroOutOfRange) {
  EXPECT_THAT(Elements<float>(Apply(Op::kOneHot, {Ints32({3}, {1, -1, 2})}, {int64_t{2}, DType::kF32})),
              ElementsAre(0, 1, 0, 0, 0, 0));
}

TEST(InterpreterTest, RandomBitsDependOnSeedKeyStepAndElementAlone) {
  const auto draw = [](int64_t seed, int64_t step, uint64_t key, int64_t count, DType type) {
    return Apply(Op::kRandomBits, {Tensor::Scalar<int64_t>(seed), Tensor::Scalar<int64_t>(step)},
                 {Ints{count}, key, type});
  };
  const auto few = Elements<int32_t>(draw(1, 2, 3, 5, DType::kI32));
  const auto many = Elements<int32_t>(draw(1, 2, 3, 1000, DType::kI32));
  EXPECT_EQ(few, std::vector<int32_t>(many.begin(), many.begin() + 5));
  EXPECT_NE(few, Elements<int32_t>(draw(2, 2, 3, 5, DType::kI32)));
  EXPECT_NE(few, Elements<int32_t>(draw(1, 3, 3, 5, DType::kI32)));
  EXPECT_NE(few, Elements<int32_t>(draw(1, 2, 4, 5, DType::kI32)));
  const auto wide = Elements<int64_t>(draw(1, 2, 3, 2, DType::kI64));
  EXPECT_EQ(static_cast<int32_t>(wide[1]), many[2]);
  EXPECT_EQ(static_cast<int32_t>(wide[1] >> 32), many[3]);
  double mean = 0;
  for (const int32_t word : many) mean += word / 2147483648.0 / 1000;
  EXPECT_LT(std::fabs(mean), 0.1);
}

TEST(InterpreterTest, ConversionsSaturateAndNotANumberIsZero) {
  const Tensor x = Floats({6}, {1.9f, -1.9f, 3e9f, -3e9f, std::nanf(""), 300});
  EXPECT_THAT(Elements<int32_t>(Apply(Op::kConvert, {x}, {DType::kI32})),
              ElementsAre(1, -1, 2147483647, -2147483648, 0, 300));
  EXPECT_THAT(Elements<uint8_t>(Apply(Op::kConvert, {x}, {DType::kU8})), ElementsAre(1, 0, 255, 0, 0, 255));
  EXPECT_THAT(Elements<bool>(Apply(Op::kConvert, {Floats({3}, {0, -0.0f, std::nanf("")})}, {DType::kBool})),
              ElementsAre(false, false, true));
  EXPECT_THAT(Elements<uint8_t>(Apply(Op::kConvert, {Ints32({2}, {257, -1})}, {DType::kU8})), ElementsAre(1, 255));
  EXPECT_THAT(Elements<int64_t>(Apply(Op::kConvert, {Make<double>({2}, {1e19, -1e19})}, {DType::kI64})),
              ElementsAre(INT64_MAX, INT64_MIN));
}

TEST(InterpreterTest, AStepGivesOutputsAndNextState) {
  Graph graph;
  graph.name = "counter";
  Builder builder(graph);
  Value* count = builder.Declare(Op::kState, "count", Type{DType::kI64, {}}, "0");
  Value* more = builder.Emit(Op::kAdd, {count, builder.ScalarInt(DType::kI64, 1)});
  more->name = "more";
  builder.Next(count, more);
  graph.outputs.push_back({"before", count});
  const auto step = Interpret(graph, {{"count", Tensor::Scalar<int64_t>(41)}});
  ASSERT_TRUE(step.ok()) << step.status();
  EXPECT_EQ(step->next.at("count").data<int64_t>()[0], 42);
  EXPECT_EQ(step->outputs.at("before").data<int64_t>()[0], 41);

  EXPECT_THAT(std::string(Interpret(graph, {}).status().message()),
              HasSubstr("state count of counter has no value: i64"));
  EXPECT_THAT(std::string(Interpret(graph, {{"count", Tensor::Scalar<float>(1)}}).status().message()),
              HasSubstr("state count of counter is i64 but was given f32"));
}

TEST(InterpreterTest, DualsCarrySecondDerivativesThroughAGraph) {
  Graph graph;
  graph.name = "cubic";
  Builder builder(graph);
  Value* x = builder.Declare(Op::kInput, "x", Type{DType::kF32, {2}});
  Value* square = builder.Emit(Op::kMul, {x, x});
  square->name = "square";
  Value* sum = builder.Emit(Op::kDot, {square, x}, {std::string("a,a->"), std::string()});
  sum->name = "sum";
  graph.outputs.push_back({"sum", sum});
  NamedArrays declared;
  declared.emplace("x", Array::From(Floats({2}, {2, 3}), Arithmetic::kDualOfDual));
  for (auto& element : declared.at("x").data<Dual<Dual<double>>>()) {
    element = Dual<Dual<double>>(Dual<double>(element.value.value, 1), Dual<double>(1));
  }
  const auto step = InterpretIn(Arithmetic::kDualOfDual, graph, declared, /*keep_values=*/true);
  ASSERT_TRUE(step.ok()) << step.status();
  const Dual<Dual<double>> y = step->outputs.at("sum").data<Dual<Dual<double>>>()[0];
  EXPECT_EQ(y.value.value, 8 + 27);
  EXPECT_EQ(y.value.derivative, 12 + 27);
  EXPECT_EQ(y.derivative.derivative, 12 + 18);
  EXPECT_TRUE(step->values.contains("square"));
}

TEST(InterpreterTest, DerivativesAreZeroWhereARowIsSingular) {
  for (const Op op : {Op::kSqrt, Op::kRsqrt, Op::kLog}) {
    const auto graph = testing_support::GraphOf(op, {Type{DType::kF64, {3}}});
    NamedArrays declared;
    declared.emplace("a", Array(Type{DType::kF64, {3}}, Arithmetic::kDual));
    const auto x = declared.at("a").data<Dual<double>>();
    x[0] = Dual<double>(0, 1), x[1] = Dual<double>(-1, 1), x[2] = Dual<double>(4, 1);
    const auto step = InterpretIn(Arithmetic::kDual, *graph, declared);
    const auto y = step->outputs.at("y").data<Dual<double>>();
    EXPECT_EQ(y[0].derivative, 0) << Info(op).mnemonic;
    EXPECT_EQ(y[1].derivative, 0) << Info(op).mnemonic;
    EXPECT_NE(y[2].derivative, 0) << Info(op).mnemonic;
  }
}

TEST(InterpreterTest, TheDerivativeOfAMaximumIsThatOfTheFirstIndex) {
  Graph graph;
  graph.name = "top";
  Builder builder(graph);
  Value* x = builder.Declare(Op::kInput, "x", Type{DType::kF64, {20}});
  Value* top = builder.Emit(Op::kReduceMax, {x}, {Ints{0}, std::string()});
  top->name = "top";
  graph.outputs.push_back({"top", top});
  NamedArrays declared;
  declared.emplace("x", Array(Type{DType::kF64, {20}}, Arithmetic::kDual));
  const auto elements = declared.at("x").data<Dual<double>>();
  for (int i = 0; i < 20; ++i) elements[i] = Dual<double>(i == 4 || i == 8 || i == 17 ? 7 : 0, i);
  const auto step = InterpretIn(Arithmetic::kDual, graph, declared);
  EXPECT_EQ(step->outputs.at("top").data<Dual<double>>()[0].derivative, 4);
}

}  // namespace
}  // namespace gradus::ir
