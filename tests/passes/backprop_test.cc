#include "passes/backprop.h"

#include <gtest/gtest.h>

#include "ir/builder.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "tests/matchers.h"

namespace gradus::passes {
namespace {

using ir::Builder;
using ir::DType;
using ir::Graph;
using ir::Ints;
using ir::Op;
using ir::Statement;
using ir::Type;
using ir::Value;
using testing_support::FailsWith;
using testing_support::IsOk;

// Names a value and moves on to the next line.
Value* Named(Builder& b, std::string name, Value* value) {
  value->name = std::move(name);
  ir::Note note;
  note.line = b.note().line + 1;
  note.column = 3;
  b.SetNote(note);
  return value;
}

Statement* AddGrad(Builder& b, Value* scalar, std::vector<Value*> by, std::vector<std::string> names) {
  auto s = std::make_unique<Statement>();
  s->op = Op::kGrad;
  s->operands = {scalar};
  s->attributes = {int64_t{1}};
  s->section = "backward";
  s->note = b.note();
  for (size_t i = 0; i < by.size(); ++i) {
    s->operands.push_back(by[i]);
    s->results.push_back(std::make_unique<Value>(Value{.type = by[i]->type, .name = names[i]}));
  }
  return b.Append(std::move(s));
}

TEST(BackpropTest, TheTextbookNetworkPrintsItsErrorTermsOutputLayerFirst) {
  Graph graph;
  graph.name = "textbook";
  Builder b(graph);
  Value* x = b.Declare(Op::kInput, "x", Type{DType::kF32, {4, 2}});
  Value* t = b.Declare(Op::kInput, "t", Type{DType::kF32, {4, 1}});
  Value* w1 = b.Declare(Op::kParam, "w1", Type{DType::kF32, {2, 3}}, "zeros");
  Value* b1 = b.Declare(Op::kParam, "b1", Type{DType::kF32, {}}, "zeros");
  Value* w2 = b.Declare(Op::kParam, "w2", Type{DType::kF32, {3, 1}}, "zeros");
  Value* b2 = b.Declare(Op::kParam, "b2", Type{DType::kF32, {1}}, "zeros");
  b.SetSection("forward");
  Named(b, "x", x);
  const std::string product = "ab,bc->ac";
  Value* z2 = Named(b, "z2", b.Emit(Op::kAdd, {b.Emit(Op::kDot, {x, w1}, {product}), b1}));
  Value* a2 = Named(b, "a2", b.Emit(Op::kSigmoid, {z2}));
  Value* z3 = Named(b, "z3", b.Emit(Op::kAdd, {b.Emit(Op::kDot, {a2, w2}, {product}), b2}));
  Value* a3 = Named(b, "a3", b.Emit(Op::kMaximum, {z3, b.Scalar(DType::kF32, 0)}));
  Value* e = Named(b, "e", b.Emit(Op::kSub, {a3, t}));
  Value* squares = b.Emit(Op::kReduceSum, {b.Emit(Op::kMul, {e, e})}, {Ints{0, 1}});
  Value* loss = Named(b, "loss", b.Emit(Op::kDiv, {squares, b.Scalar(DType::kF32, 2)}));
  AddGrad(b, loss, {w1, b1, w2, b2}, {"d.w1", "d.b1", "d.w2", "d.b2"});
  ir::NameUnnamed(graph);
  ASSERT_THAT(ir::Verify(graph), IsOk());
  ASSERT_THAT(Backprop(graph), IsOk());
  ir::NameUnnamed(graph);
  ASSERT_THAT(ir::Verify(graph), IsOk());
  const std::string text = ir::Print(graph);
  EXPECT_EQ(text.substr(text.find("section backward")),
            "section backward\n"
            "  d.z3 : f32[4,1] = where(z3 > 0, e, 0)     | of a3 4:3\n"
            "  d.w2 : f32[3,1] = a2.T @ d.z3             | of z3 3:3\n"
            "  d.b2 : f32[1] = sum(d.z3, axis=0)         | of z3 3:3\n"
            "  d.a2 : f32[4,3] = d.z3 @ w2.T             | of z3 3:3\n"
            "  d.z2 : f32[4,3] = d.a2 * (a2 * (1 - a2))  | of a2 2:3\n"
            "  d.w1 : f32[2,3] = x.T @ d.z2              | of z2 1:3\n"
            "  d.b1 : f32 = sum(d.z2, axis=[0, 1])       | of z2 1:3\n"
            "}\n");
}

TEST(BackpropTest, EverythingInTheWayIsReportedAtOnce) {
  Graph graph;
  Builder b(graph);
  Value* x = b.Declare(Op::kInput, "x", Type{DType::kF32, {4}});
  Value* w = b.Declare(Op::kParam, "w", Type{DType::kF32, {3}}, "zeros");
  Named(b, "x", x);
  Value* h = Named(b, "h", b.Emit(Op::kFloor, {x}));
  Value* k = Named(b, "k", b.Emit(Op::kStopGradient, {x}));
  Value* u = Named(b, "u", b.Emit(Op::kReduceSum, {b.Emit(Op::kMul, {h, k})}, {Ints{0}}));
  AddGrad(b, u, {x, w}, {"u_x", "u_w"});
  EXPECT_EQ(Backprop(graph).status().message(),
            "4:3: error: no gradient of u by x: the derivative of floor (1:3) is 0 wherever it exists, stop_gradient "
            "(2:3) ends it [no-gradient-path]\n"
            "4:3: error: no gradient of u by w: u does not depend on w [no-gradient-path]");
}

}  // namespace
}  // namespace gradus::passes
