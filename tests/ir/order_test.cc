#include "ir/order.h"

#include <gtest/gtest.h>

#include "ir/builder.h"

namespace gradus::ir {
namespace {

std::string Contraction(int64_t batch, int64_t m, int64_t n, int64_t k) {
  return ToString(DefaultOrder(ContractionSize{batch, m, n, k}));
}

TEST(OrderTest, AContractionTakesTheFirstRowThatFits) {
  EXPECT_EQ(Contraction(1, 128, 512, 784), "chain(1)");
  EXPECT_EQ(Contraction(1, 4, 512, 64), "lanes16");
  EXPECT_EQ(Contraction(1, 4, 512, 63), "chain(1)");
  EXPECT_EQ(Contraction(1, 128, 1, 100000), "lanes16");
  EXPECT_EQ(Contraction(1, 5, 5, 1025), "chain(2)");
  EXPECT_EQ(Contraction(1, 5, 5, 1000000), "chain(16)");
  EXPECT_EQ(Contraction(1, 256, 256, 4096), "chain(2)");
  EXPECT_EQ(Contraction(4, 256, 256, 4096), "chain(1)");
}

TEST(OrderTest, SlicesAreContiguousAndAlmostEqual) {
  EXPECT_EQ(DefaultOrder(ContractionSize{1, 5, 5, 1025}).slice_length, 513);
}

TEST(OrderTest, TrailingAxesAreOneInnerAxisAndTheOthersRows) {
  EXPECT_EQ(ToString(DefaultOrder({8, 10}, {1})), "lanes16");
  EXPECT_EQ(ToString(DefaultOrder({8, 10}, {0})), "rows(8)");
  EXPECT_EQ(ToString(DefaultOrder({8, 10}, {0, 1})), "lanes16");
  EXPECT_EQ(DefaultOrder({8, 10}, {0, 1}).inner, 80);
  EXPECT_EQ(ToString(DefaultOrder({1000, 8, 10}, {0, 2})), "rows(256,10)");
  EXPECT_EQ(ToString(DefaultOrder({100, 7, 8}, {0, 1})), "rows(259)");
  EXPECT_EQ(ToString(DefaultOrder({100000, 8}, {0})), "rows(1563)");
}

TEST(OrderTest, AxesOfExtentOneDoNotCount) {
  EXPECT_EQ(DefaultOrder({8, 10, 1}, {1}), DefaultOrder({8, 10}, {1}));
  EXPECT_EQ(DefaultOrder({8, 1, 10}, {0, 1}), DefaultOrder({8, 10}, {0}));
  EXPECT_EQ(ToString(DefaultOrder({8, 1}, {1})), "lanes16");
}

TEST(OrderTest, TextIsReadBack) {
  for (const char* text : {"lanes16", "chain(1)", "chain(7)"}) {
    EXPECT_EQ(ToString(ParseContractionOrder(text, 100).value()), text);
  }
  for (const char* text : {"lanes16", "rows(25)", "rows(5,20)"}) {
    EXPECT_EQ(ToString(ParseReductionOrder(text, 100).value()), text);
  }
  EXPECT_FALSE(ParseContractionOrder("chain(101)", 100).ok());
  EXPECT_FALSE(ParseReductionOrder("rows(6,20)", 100).ok());
  EXPECT_FALSE(ParseReductionOrder("rows(5,21)", 100).ok());
  EXPECT_FALSE(ParseReductionOrder("rows(0)", 100).ok());
  EXPECT_FALSE(ParseReductionOrder("tree", 100).ok());
}

TEST(OrderTest, AStatementWithAnImpossibleOrderIsRefused) {
  Graph graph;
  Builder builder(graph);
  Value* x = builder.Declare(Op::kInput, "x", Type{DType::kF32, {8, 10}});
  EXPECT_FALSE(builder.Add(Op::kReduceSum, {x}, {Ints{0}, std::string("rows(9)")}).ok());
  EXPECT_TRUE(builder.Add(Op::kReduceSum, {x}, {Ints{0}, std::string("rows(4)")}).ok());
  EXPECT_FALSE(builder.Add(Op::kDot, {x, x}, {std::string("ab,ac->bc"), std::string("chain(9)")}).ok());
  EXPECT_TRUE(builder.Add(Op::kDot, {x, x}, {std::string("ab,ac->bc"), std::string("chain(8)")}).ok());
}

}  // namespace
}  // namespace gradus::ir
