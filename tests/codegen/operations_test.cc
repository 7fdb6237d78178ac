// Every operation × element type on every target of this machine and on several threads: the bits of the interpreter.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "ir/builder.h"
#include "ir/convolution.h"
#include "ir/printer.h"
#include "tests/codegen/native_run.h"
#include "tests/differential/random_graph.h"

namespace gradus::testing_support {
namespace {

using ir::DType;
using ir::Op;

constexpr DType kTypes[] = {DType::kBool, DType::kU8, DType::kI32, DType::kI64, DType::kF32, DType::kF64};

// A graph under construction whose every value is an output.
class Operations {
 public:
  Operations() : builder_(graph_) { graph_.name = "operations"; }

  ir::Value* Input(ir::Type type) {
    const std::string name = absl::StrCat("x", declared_.size());
    declared_.emplace(name, RandomTensor(declared_.size() + 17, type));
    return builder_.Declare(Op::kInput, name, type);
  }
  // Returns whether the operation takes these operands.
  bool Try(Op op, std::vector<ir::Value*> operands, std::vector<ir::AttributeValue> attributes = {}) {
    const auto result = builder_.Add(op, std::move(operands), std::move(attributes));
    if (!result.ok()) return false;
    (*result)->name = absl::StrCat("y", graph_.outputs.size());
    graph_.outputs.push_back({(*result)->name, *result});
    return true;
  }
  void Bind(const std::string& name, ir::Tensor value) { declared_.insert_or_assign(name, std::move(value)); }
  size_t count() const { return graph_.outputs.size(); }

  void ExpectTheBitsOfTheInterpreter(absl::Span<const int64_t> threads) {
    for (const ir::Target& target : TargetsOfThisMachine()) {
      for (const int64_t t : threads) {
        EXPECT_EQ(DifferenceFromInterpreter(graph_, declared_, target, t), "") << ir::Print(graph_);
      }
    }
  }

 private:
  ir::Graph graph_;
  ir::Builder builder_;
  ir::NamedTensors declared_;
};

// All elementwise operations of the table that take operands of this type.
size_t AddElementwise(Operations& operations, DType type, const ir::Shape& shape) {
  ir::Value* a = operations.Input({type, shape});
  ir::Value* b = operations.Input({type, shape});
  ir::Value* c = operations.Input({type, shape});
  ir::Value* row = operations.Input({type, {shape.back()}});
  ir::Value* mask = operations.Input({DType::kBool, shape});
  for (const ir::OpInfo& info : ir::AllOps()) {
    if (!ir::IsElementwise(info.op)) continue;
    if (info.op == Op::kSelect) {
      operations.Try(info.op, {mask, a, b});
    } else if (info.op == Op::kConvert) {
      for (const DType to : kTypes) operations.Try(info.op, {a}, {to});
    } else if (info.arity == 1) {
      operations.Try(info.op, {a});
    } else if (info.arity == 2) {
      operations.Try(info.op, {a, b});
      operations.Try(info.op, {row, a});
    } else {
      operations.Try(info.op, {a, b, c});
    }
  }
  return operations.count();
}

class EveryType : public testing::TestWithParam<DType> {};

TEST_P(EveryType, ElementwiseOperationsOnShapesWithTails) {
  for (const ir::Shape& shape : {ir::Shape{3, 7}, ir::Shape{2, 37}}) {
    Operations operations;
    EXPECT_GT(AddElementwise(operations, GetParam(), shape), 8u);
    operations.ExpectTheBitsOfTheInterpreter({1});
  }
}

TEST_P(EveryType, ElementwiseOperationsOnSeveralThreads) {
  for (const ir::Shape& shape : {ir::Shape{9001}, ir::Shape{3, 3001}}) {
    Operations operations;
    AddElementwise(operations, GetParam(), shape);
    operations.ExpectTheBitsOfTheInterpreter({shape.size() == 1 ? int64_t{2} : int64_t{7}});
  }
}

TEST_P(EveryType, MovementOfElements) {
  const DType type = GetParam();
  for (const int64_t n : {3, 40}) {
    Operations operations;
    ir::Value* x = operations.Input({type, {5, n, 6}});
    ir::Value* y = operations.Input({type, {5, 2, 6}});
    ir::Value* v = operations.Input({type, {}});
    EXPECT_TRUE(operations.Try(Op::kTranspose, {x}, {ir::Ints{2, 0, 1}}));
    EXPECT_TRUE(operations.Try(Op::kTranspose, {x}, {ir::Ints{1, 0, 2}}));
    EXPECT_TRUE(operations.Try(Op::kSlice, {x}, {ir::Ints{1, 0, 1}, ir::Ints{5, n, 6}, ir::Ints{2, 1, 3}}));
    EXPECT_TRUE(operations.Try(Op::kSlice, {x}, {ir::Ints{0, 1, 0}, ir::Ints{5, 3, 6}, ir::Ints{1, 1, 1}}));
    EXPECT_TRUE(operations.Try(Op::kFlip, {x}, {ir::Ints{1}}));
    EXPECT_TRUE(operations.Try(Op::kFlip, {x}, {ir::Ints{0, 2}}));
    EXPECT_TRUE(operations.Try(Op::kConcat, {x, y, x}, {int64_t{1}}));
    EXPECT_TRUE(operations.Try(Op::kConcat, {x, x}, {int64_t{0}}));
    EXPECT_TRUE(operations.Try(Op::kConcat, {x, x}, {int64_t{2}}));
    EXPECT_TRUE(operations.Try(Op::kPad, {x, v}, {ir::Ints{0, 1, 2}, ir::Ints{3, 0, 1}, ir::Ints{0, 0, 0}}));
    EXPECT_TRUE(operations.Try(Op::kPad, {x, v}, {ir::Ints{1, 0, 0}, ir::Ints{0, 2, 0}, ir::Ints{1, 0, 2}}));
    EXPECT_TRUE(operations.Try(Op::kBroadcast, {v}, {ir::Ints{2, n}}));
    EXPECT_TRUE(operations.Try(Op::kBroadcast, {x}, {ir::Ints{3, 5, n, 6}}));
    EXPECT_TRUE(operations.Try(Op::kReshape, {x}, {ir::Ints{n, 30}}));
    EXPECT_TRUE(operations.Try(Op::kStopGradient, {x}));
    EXPECT_TRUE(operations.Try(Op::kIota, {}, {ir::Ints{n, 7}, int64_t{0}, type}) || type == DType::kBool);
    EXPECT_TRUE(operations.Try(Op::kIota, {}, {ir::Ints{2, n}, int64_t{1}, type}) || type == DType::kBool);
    operations.ExpectTheBitsOfTheInterpreter({1, 3});
  }
}

TEST_P(EveryType, LargeMovementIsSharedByThreads) {
  Operations operations;
  ir::Value* x = operations.Input({GetParam(), {31, 33, 11}});
  EXPECT_TRUE(operations.Try(Op::kTranspose, {x}, {ir::Ints{2, 1, 0}}));
  EXPECT_TRUE(operations.Try(Op::kConcat, {x, x}, {int64_t{0}}));
  EXPECT_TRUE(operations.Try(Op::kConcat, {x, x}, {int64_t{2}}));
  EXPECT_TRUE(operations.Try(Op::kBroadcast, {x}, {ir::Ints{2, 31, 33, 11}}));
  ir::Value* v = operations.Input({GetParam(), {}});
  EXPECT_TRUE(operations.Try(Op::kPad, {x, v}, {ir::Ints{1, 0, 2}, ir::Ints{0, 1, 0}, ir::Ints{0, 0, 1}}));
  operations.ExpectTheBitsOfTheInterpreter({2, 7});
}

TEST_P(EveryType, GatherScatterAndOneHot) {
  const DType type = GetParam();
  for (const DType index_type : {DType::kI32, DType::kI64}) {
    for (const int64_t inner : {1, 5, 64}) {
      Operations operations;
      ir::Value* x = operations.Input({type, {3, 9, inner}});
      ir::Value* flat = operations.Input({index_type, {7}});
      ir::Value* batched = operations.Input({index_type, {3, 7}});
      ir::Value* updates = operations.Input({type, {3, 7, inner}});
      for (const auto& [name, count] : {std::pair("x1", 7), std::pair("x2", 21)}) {
        ir::Tensor indices({index_type, count == 7 ? ir::Shape{7} : ir::Shape{3, 7}});
        for (int64_t i = 0; i < count; ++i) {
          const int64_t place = (i * i + 3) % 9;  // some twice
          if (index_type == DType::kI32) {
            indices.data<int32_t>()[i] = static_cast<int32_t>(place);
          } else {
            indices.data<int64_t>()[i] = place;
          }
        }
        operations.Bind(name, indices);
      }
      EXPECT_TRUE(operations.Try(Op::kGather, {x, flat}, {int64_t{1}, int64_t{0}}));
      EXPECT_TRUE(operations.Try(Op::kGather, {x, batched}, {int64_t{1}, int64_t{1}}));
      if (type != DType::kBool) {
        EXPECT_TRUE(operations.Try(Op::kScatterAdd, {updates, flat}, {int64_t{9}, int64_t{1}, int64_t{0}}));
        EXPECT_TRUE(operations.Try(Op::kScatterAdd, {updates, batched}, {int64_t{9}, int64_t{1}, int64_t{1}}));
      }
      operations.Try(Op::kOneHot, {batched}, {int64_t{6}, type});  // indices up to 8: some rows stay zero
      operations.Try(Op::kOneHot, {flat}, {int64_t{20}, type});
      operations.ExpectTheBitsOfTheInterpreter({1, 3});
    }
  }
}

TEST_P(EveryType, ReductionsAroundTheEdgesOfBlocks) {
  const DType type = GetParam();
  if (type == DType::kBool) GTEST_SKIP() << "reductions take numbers";
  struct Case {
    ir::Shape shape;
    ir::Ints axes;
  };
  const Case cases[] = {{{1}, {0}},           {{15}, {0}},           {{16}, {0}},        {{1023}, {0}},
                        {{1024}, {0}},        {{1025}, {0}},         {{3, 2049}, {1}},   {{40, 10}, {1}},
                        {{7, 64}, {1}},       {{7, 65}, {1}},        {{255, 3}, {0}},    {{256, 17}, {0}},
                        {{257, 70}, {0}},     {{600, 4}, {0}},       {{16641, 2}, {0}},  {{9, 40, 6}, {0, 1}},
                        {{9, 40, 6}, {0, 2}}, {{30, 5, 20}, {0, 2}}, {{4, 300, 3}, {1}}, {{2, 3, 4, 5}, {1, 3}},
                        {{5, 1, 7}, {1}},     {{6, 1}, {1}},         {{20, 30}, {0, 1}}};
  Operations operations;
  for (const Case& c : cases) {
    ir::Value* x = operations.Input({type, c.shape});
    for (const Op op : {Op::kReduceSum, Op::kReduceMax, Op::kReduceMin}) {
      EXPECT_TRUE(operations.Try(op, {x}, {c.axes}));
    }
    for (const Op op : {Op::kArgMax, Op::kArgMin}) {
      if (c.axes.size() == 1) {
        EXPECT_TRUE(operations.Try(op, {x}, {c.axes[0]}));
      }
    }
  }
  operations.ExpectTheBitsOfTheInterpreter({3});
}

TEST_P(EveryType, SortingOfRowsAndColumns) {
  const DType type = GetParam();
  if (type == DType::kBool) GTEST_SKIP() << "sorting takes numbers";
  const ir::Shape shapes[] = {{1}, {2}, {3}, {16}, {17}, {1000}, {5, 33}, {33, 5}, {2, 9, 4}, {4, 1, 3}, {3, 128, 7}};
  Operations operations;
  for (const ir::Shape& shape : shapes) {
    ir::Value* x = operations.Input({type, shape});
    for (int64_t axis = 0; axis < static_cast<int64_t>(shape.size()); ++axis) {
      for (const int64_t descending : {0, 1}) EXPECT_TRUE(operations.Try(Op::kArgSort, {x}, {axis, descending}));
    }
  }
  operations.ExpectTheBitsOfTheInterpreter({1, 2, 3, 7});
}

INSTANTIATE_TEST_SUITE_P(Native, EveryType, testing::ValuesIn(kTypes),
                         [](const auto& info) { return std::string(ir::Name(info.param)); });

TEST(NativeTest, ReductionsInOrdersThatTheirShapeWouldNotChoose) {
  Operations operations;
  ir::Value* x = operations.Input({DType::kF32, {40, 50}});
  for (const Op op : {Op::kReduceSum, Op::kReduceMax}) {
    EXPECT_TRUE(operations.Try(op, {x}, {ir::Ints{0}, std::string("lanes16")}));
    EXPECT_TRUE(operations.Try(op, {x}, {ir::Ints{1}, std::string("rows(7)")}));
    EXPECT_TRUE(operations.Try(op, {x}, {ir::Ints{0, 1}, std::string("rows(3,20)")}));
    EXPECT_TRUE(operations.Try(op, {x}, {ir::Ints{0, 1}, std::string("rows(8,250)")}));
    EXPECT_TRUE(operations.Try(op, {x}, {ir::Ints{0, 1}, std::string("rows(64)")}));
  }
  operations.ExpectTheBitsOfTheInterpreter({1, 2});
}

// Channels beside and past a vector, groups, every kind of edge, one to three axes.
TEST(NativeTest, ConvolutionsAndWindows) {
  struct Case {
    ir::Shape x;
    int64_t outputs, groups, taps;
    ir::WindowAxis axis;  // of every spatial axis
  };
  const Case cases[] = {
      {{2, 9, 3}, 5, 1, 3, {.low = 1, .high = 1}},
      {{3, 8, 1}, 1, 1, 2, {.stride = 2}},
      {{2, 7, 6, 3}, 16, 1, 3, {.low = 1, .high = 1}},
      {{1, 6, 7, 4}, 34, 2, 2, {.stride = 2, .low = 1, .high = 2}},
      {{2, 5, 5, 6}, 6, 6, 3, {.low = 2, .high = 0, .dilation = 2}},
      {{2, 3, 4, 2}, 3, 1, 3, {.low = 1, .high = 2, .interior = 1}},
      {{1, 9, 8, 17}, 17, 1, 1, {.stride = 2, .low = -1, .high = -2}},
      {{2, 4, 3, 3, 2}, 4, 2, 2, {.low = 1, .high = 0}},
      {{1, 3, 4, 3, 3}, 5, 1, 2, {.stride = 2, .low = 1, .high = 1, .dilation = 2, .interior = 2}},
      {{5, 24, 24, 3}, 6, 1, 5, {}},  // weights in slices
  };
  for (const DType type : {DType::kF32, DType::kF64}) {
    for (const Case& c : cases) {
      Operations operations;
      std::vector<ir::WindowAxis> axes(c.x.size() - 2, c.axis);
      const ir::Ints taps(axes.size(), c.taps);
      ir::Shape w = taps, y = {c.x.front()};
      for (size_t i = 0; i < axes.size(); ++i) {
        axes[i].input = c.x[i + 1];
        axes[i].taps = c.taps;
        y.push_back((axes[i].places() + axes[i].low + axes[i].high - axes[i].reach()) / axes[i].stride + 1);
      }
      w.insert(w.end(), {c.x.back() / c.groups, c.outputs});
      y.push_back(c.outputs);
      ir::Value* x = operations.Input({type, c.x});
      std::vector<ir::AttributeValue> attributes = ir::GeometryAttributes(axes);
      attributes.emplace_back(c.groups);
      EXPECT_TRUE(operations.Try(Op::kConvolution, {x, operations.Input({type, w})}, attributes));
      attributes.insert(attributes.begin(), taps);
      attributes.emplace_back(std::string());
      EXPECT_TRUE(operations.Try(Op::kConvolutionWeights, {x, operations.Input({type, y})}, attributes));
      attributes.back() = std::string("chain(3)");
      operations.Try(Op::kConvolutionWeights, {x, operations.Input({type, y})}, attributes);
      attributes.resize(6);
      EXPECT_TRUE(operations.Try(Op::kWindowSum, {x}, attributes));
      attributes.pop_back();
      if (c.axis.interior == 0) {
        operations.Try(Op::kWindowMax, {x}, attributes);
        operations.Try(Op::kWindowArgMax, {x}, attributes);
      }
      operations.ExpectTheBitsOfTheInterpreter({1, 2, 7});
    }
  }
}

TEST(NativeTest, RandomBitsArePhilox) {
  Operations operations;
  ir::Value* seed = operations.Input({DType::kI64, {}});
  ir::Value* step = operations.Input({DType::kI64, {}});
  for (const ir::Shape& shape : {ir::Shape{1}, ir::Shape{37}, ir::Shape{5, 7}, ir::Shape{4, 64}}) {
    for (const DType type : {DType::kI32, DType::kI64}) {
      EXPECT_TRUE(operations.Try(Op::kRandomBits, {seed, step}, {shape, uint64_t{0x123456789abcdef0}, type}));
    }
  }
  operations.ExpectTheBitsOfTheInterpreter({1, 2});
}

}  // namespace
}  // namespace gradus::testing_support
