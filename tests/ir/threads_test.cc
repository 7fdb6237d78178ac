#include "ir/threads.h"

#include <gtest/gtest.h>

#include "ir/builder.h"
#include "ir/region.h"

namespace gradus::ir {
namespace {

// One elementwise operation on `elements` numbers.
bool Alone(Op op, int64_t elements) {
  Graph graph;
  Builder builder(graph);
  Value* x = builder.Declare(Op::kInput, "x", {DType::kF32, {elements}});
  return RunsOnThreadZero(*builder.Emit(op, {x})->definition);
}

TEST(ThreadsTest, ManyElementsOrMuchArithmeticAreShared) {
  EXPECT_TRUE(Alone(Op::kNeg, 8191));
  EXPECT_FALSE(Alone(Op::kNeg, 8192));
  EXPECT_TRUE(Alone(Op::kTanh, 512));
  EXPECT_FALSE(Alone(Op::kTanh, 4096)) << "a polynomial an element is worth a barrier";
}

TEST(ThreadsTest, TheArithmeticOfARegionCountsTogether) {
  Graph graph;
  Builder builder(graph);
  Value* x = builder.Declare(Op::kInput, "x", {DType::kF32, {2048}});
  for (const int count : {1, 4}) {
    Value* y = builder.Emit(Op::kSigmoid, {x});
    std::unique_ptr<Statement> fused = Wrap(*y->definition);
    Builder inside(*fused->region);
    for (int i = 1; i < count; ++i) fused->region->yields[0] = inside.Emit(Op::kSigmoid, {fused->region->yields[0]});
    EXPECT_EQ(RunsOnThreadZero(*fused), count == 1) << count;
  }
}

}  // namespace
}  // namespace gradus::ir
