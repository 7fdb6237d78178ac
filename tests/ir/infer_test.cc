#include "ir/infer.h"

#include <gtest/gtest.h>

#include "ir/builder.h"
#include "ir/contraction.h"
#include "ir/error.h"

namespace gradus::ir {
namespace {

class InferTest : public testing::Test {
 protected:
  Value* Input(DType type, Shape shape) { return builder_.Declare(Op::kInput, names_.Unique("x"), {type, shape}); }
  Value* F32(Shape shape) { return Input(DType::kF32, std::move(shape)); }

  // The type that an operation gives, or its complaint.
  std::string Infer(Op op, std::vector<Value*> operands, std::vector<AttributeValue> attributes = {}) {
    const absl::StatusOr<Value*> value = builder_.Add(op, std::move(operands), std::move(attributes));
    return value.ok() ? ToString((*value)->type) : std::string(WithoutKind(value.status().message()));
  }

  Graph graph_;
  Builder builder_{graph_};
  NameTable names_;
};

TEST_F(InferTest, ElementwiseOperandsBroadcastAsNumPyDoes) {
  EXPECT_EQ(Infer(Op::kAdd, {F32({64, 256}), F32({256})}), "f32[64,256]");
  EXPECT_EQ(Infer(Op::kMul, {F32({3, 1}), F32({1, 4})}), "f32[3,4]");
  EXPECT_EQ(Infer(Op::kLess, {F32({2}), F32({})}), "bool[2]");
  EXPECT_EQ(Infer(Op::kSelect, {Input(DType::kBool, {2, 1}), F32({3}), F32({})}), "f32[2,3]");
  EXPECT_EQ(Infer(Op::kAdd, {F32({64, 256}), F32({10})}),
            "cannot apply + to f32[64,256] and f32[10]: extents 256 and 10 of axis -1 differ");
}

TEST_F(InferTest, ElementTypesNeverConvertByThemselves) {
  EXPECT_EQ(Infer(Op::kAdd, {F32({2}), Input(DType::kI32, {2})}),
            "cannot apply + to f32[2] and i32[2]: element types differ; convert one, as in f32(…)");
  EXPECT_EQ(Infer(Op::kDiv, {Input(DType::kI32, {}), Input(DType::kI32, {})}),
            "div needs a floating-point type, found i32; // divides integers, and float(x) converts");
  EXPECT_EQ(Infer(Op::kNot, {F32({})}), "not needs bool, found f32");
  EXPECT_EQ(Infer(Op::kSelect, {F32({}), F32({}), F32({})}), "where needs a bool condition, found f32");
}

TEST_F(InferTest, ContractionsMatchTheirSharedAxes) {
  EXPECT_EQ(Infer(Op::kDot, {F32({64, 784}), F32({784, 10})}, {MatmulSpec(2, 2, false, false)}), "f32[64,10]");
  EXPECT_EQ(Infer(Op::kDot, {F32({64, 784}), F32({64, 10})}, {MatmulSpec(2, 2, true, false)}), "f32[784,10]");
  EXPECT_EQ(Infer(Op::kDot, {F32({5, 2, 3}), F32({3, 4})}, {MatmulSpec(3, 2, false, false)}), "f32[5,2,4]");
  EXPECT_EQ(Infer(Op::kDot, {F32({2, 8, 4, 16}), F32({2, 9, 4, 16})}, {std::string("abcd,aecd->acbe")}),
            "f32[2,4,8,9]");
  EXPECT_EQ(Infer(Op::kDot, {F32({64, 256}), F32({10, 256})}, {MatmulSpec(2, 2, false, false)}),
            "cannot multiply f32[64,256] by f32[10,256]: inner sizes 256 and 10 differ");
  EXPECT_EQ(Infer(Op::kDot, {F32({2, 2}), F32({2, 2})}, {std::string("ab,cd->ac")}),
            "einsum \"ab,cd->ac\": axis b stands in one operand alone");
  EXPECT_EQ(Infer(Op::kDot, {F32({2, 2}), F32({2, 2})}, {std::string("aa,ab->b")}),
            "einsum \"aa,ab->b\": the letter a is repeated in one operand");
}

TEST_F(InferTest, GatherAndScatterAddAreTransposes) {
  Value* i = Input(DType::kI32, {64});
  EXPECT_EQ(Infer(Op::kGather, {F32({64, 10}), i}, {int64_t{1}, int64_t{1}}), "f32[64]");
  EXPECT_EQ(Infer(Op::kScatterAdd, {F32({64}), i}, {int64_t{10}, int64_t{1}, int64_t{1}}), "f32[64,10]");
  Value* tokens = Input(DType::kI32, {12, 8});
  EXPECT_EQ(Infer(Op::kGather, {F32({65, 32}), tokens}, {int64_t{0}, int64_t{0}}), "f32[12,8,32]");
  EXPECT_EQ(Infer(Op::kScatterAdd, {F32({12, 8, 32}), tokens}, {int64_t{65}, int64_t{0}, int64_t{0}}), "f32[65,32]");
  EXPECT_EQ(Infer(Op::kGather, {F32({65, 32}), F32({3})}, {int64_t{0}, int64_t{0}}),
            "gather: indices must be i32 or i64, found f32[3]");
}

TEST_F(InferTest, MovementKeepsCountOfElements) {
  Value* x = F32({4, 6});
  EXPECT_EQ(Infer(Op::kReshape, {x}, {Ints{2, 12}}), "f32[2,12]");
  EXPECT_EQ(Infer(Op::kReshape, {x}, {Ints{5}}), "reshape: f32[4,6] has 24 elements, [5] has another number");
  EXPECT_EQ(Infer(Op::kTranspose, {x}, {Ints{1, 0}}), "f32[6,4]");
  EXPECT_EQ(Infer(Op::kTranspose, {x}, {Ints{1, 1}}), "transpose: axes must name every axis once");
  EXPECT_EQ(Infer(Op::kSlice, {x}, {Ints{1, 0}, Ints{4, 6}, Ints{1, 4}}), "f32[3,2]");
  EXPECT_EQ(Infer(Op::kSlice, {x}, {Ints{0, 0}, Ints{5, 6}, Ints{1, 1}}),
            "slice: 0:5 is out of range for axis 0 of f32[4,6]");
  EXPECT_EQ(Infer(Op::kPad, {x, F32({})}, {Ints{1, 0}, Ints{0, 2}, Ints{0, 1}}), "f32[5,13]");
  EXPECT_EQ(Infer(Op::kConcat, {x, F32({4, 1})}, {int64_t{1}}), "f32[4,7]");
  EXPECT_EQ(Infer(Op::kConcat, {x, F32({5, 1})}, {int64_t{1}}), "concat: f32[4,6] and f32[5,1] differ beside axis 1");
  EXPECT_EQ(Infer(Op::kReduceSum, {x}, {Ints{0}}), "f32[6]");
  EXPECT_EQ(Infer(Op::kReduceSum, {x}, {Ints{1, 0}}), "sum: axes must ascend without repetition");
  EXPECT_EQ(Infer(Op::kArgMax, {x}, {int64_t{2}}), "argmax: axis 2 is out of range for rank 2");
}

TEST_F(InferTest, LimitsAreReportedByName) {
  const int64_t big = int64_t{1} << 30;
  EXPECT_EQ(Infer(Op::kIota, {}, {Ints{big, big, big}, int64_t{0}, DType::kI64}),
            "i64[1073741824,1073741824,1073741824] is above the limit of 1099511627776 bytes a tensor (tensor limit)");
  EXPECT_EQ(Infer(Op::kIota, {}, {Ints(17, 1), int64_t{0}, DType::kI64}),
            "rank 17 is above the limit of 16 (rank limit)");
  EXPECT_EQ(Infer(Op::kIota, {}, {Ints{0}, int64_t{0}, DType::kI64}), "every extent must be at least 1, found i64[0]");
}

TEST_F(InferTest, StepsThatNoTensorIsLongEnoughForAreRefused) {
  const int64_t most = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(Infer(Op::kSlice, {F32({1})}, {Ints{0}, Ints{1}, Ints{most}}),
            "slice: stride 9223372036854775807 is above the limit of 1099511627776 (tensor limit)");
  EXPECT_EQ(Infer(Op::kPad, {F32({1}), F32({})}, {Ints{0}, Ints{0}, Ints{most}}),
            "pad: interior 9223372036854775807 is above the limit of 1099511627776 (tensor limit)");
  EXPECT_EQ(Infer(Op::kPad, {F32({3}), F32({})}, {Ints{most}, Ints{most}, Ints{0}}), "pad: the result is too large");
  EXPECT_EQ(Infer(Op::kIota, {}, {Ints{most, most}, int64_t{0}, DType::kU8}),
            "u8[9223372036854775807,9223372036854775807] is above the limit of 1099511627776 bytes a tensor (tensor "
            "limit)");
  EXPECT_EQ(Infer(Op::kReshape, {F32({1})}, {Ints{-1, -1}}),
            "reshape: f32[1] has 1 elements, [-1,-1] has another number");
  EXPECT_EQ(Infer(Op::kOneHot, {Input(DType::kI64, {2})}, {most, DType::kF64}),
            "f64[2,9223372036854775807] is above the limit of 1099511627776 bytes a tensor (tensor limit)");
  EXPECT_EQ(Infer(Op::kSlice, {F32({1})}, {Ints{0}, Ints{1}, Ints{int64_t{1} << 40}}), "f32[1]");
  EXPECT_EQ(Infer(Op::kPad, {F32({1}), F32({})}, {Ints{0}, Ints{0}, Ints{int64_t{1} << 40}}), "f32[1]");
}

}  // namespace
}  // namespace gradus::ir
