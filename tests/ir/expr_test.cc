#include "ir/expr.h"

#include <gtest/gtest.h>

#include "ir/printer.h"

namespace gradus::ir {
namespace {

class ExprTest : public testing::Test {
 protected:
  ExprTest() : builder_(graph_) {
    x_ = Expr::Of(builder_, builder_.Declare(Op::kInput, "x", Type{DType::kF32, {4}}));
    c_ = Expr::Of(builder_, builder_.Declare(Op::kInput, "c", Type{DType::kBool, {4}}));
  }

  // The expression as the language writes it.
  std::string Text(const Expr& e) {
    Value* value = e.value();
    if (value->definition->op == Op::kInput) return value->name;
    value->name = "y";
    const std::string text = Print(*value->definition);
    value->name.clear();
    return text.substr(text.find(" = ") + 3);
  }

  Graph graph_;
  Builder builder_;
  Expr x_, c_;
};

TEST_F(ExprTest, FormulasBecomeStatementsWithLiteralsOfTheTypeThatTheyMeet) {
  EXPECT_EQ(Text(x_ * (1 - x_)), "x * (1 - x)");
  EXPECT_EQ(Text(Select(x_ > 0, x_, 0.5)), "where(x > 0, x, 0.5)");
  EXPECT_EQ(Text(-(x_ / Exp(x_))), "-(x / exp(x))");
  EXPECT_EQ(graph_.body.statements.back()->result()->type, (Type{DType::kF32, {4}}));
}

TEST_F(ExprTest, WhatAReaderWouldNotWriteIsNotWritten) {
  const Expr one = Expr::Literal(builder_, DType::kF32, 1), half = Expr::Literal(builder_, DType::kF32, 0.5);
  EXPECT_EQ(Text(one * x_), "x");
  EXPECT_EQ(Text(x_ / 1), "x");
  EXPECT_EQ(Text(-1 * x_), "-x");
  EXPECT_EQ(Text(2 * half * x_), "x");
  EXPECT_EQ(Text((half / 4) * x_), "0.125 * x");
  EXPECT_EQ(Text(0 < x_), "x > 0");
  EXPECT_EQ(Text(Select(one > 0, x_, -x_)), "x");
}

TEST_F(ExprTest, TheSymbolicZeroIsNoStatement) {
  const size_t before = graph_.body.statements.size();
  EXPECT_EQ(Text(x_ + Expr()), "x");
  EXPECT_TRUE((x_ * Expr()).IsZero());
  EXPECT_TRUE((-Expr()).IsZero());
  EXPECT_TRUE(Select(c_, Expr(), Expr()).IsZero());
  EXPECT_EQ(graph_.body.statements.size(), before);
  EXPECT_EQ(Text(Select(c_, x_, Expr())), "where(c, x, 0)");
}

TEST_F(ExprTest, ANumberThatF32DoesNotHaveIsRoundedByAConversionThatFoldingRemoves) {
  EXPECT_EQ(Text(1.1283791670955126 * x_), "f32(f64(1.1283791670955126)) * x");
  EXPECT_EQ(Text(0.5 * x_), "0.5 * x");
}

}  // namespace
}  // namespace gradus::ir
