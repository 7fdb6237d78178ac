// Gradients of convolutions and windows: the same operations with their geometry transposed (ir/convolution.h).
#include "ir/check.h"
#include "ir/convolution.h"
#include "passes/gradient_rules.h"

namespace gradus::passes {

using ir::AttributeValue;
using ir::Convolution;
using ir::Expr;
using ir::Ints;
using ir::Op;
using ir::Shape;
using ir::Statement;
using ir::WindowAxis;

namespace {

std::vector<WindowAxis> TransposedAxes(const std::vector<WindowAxis>& axes) {
  std::vector<WindowAxis> back;
  for (const WindowAxis& axis : axes) back.push_back(ir::Transposed(axis));
  return back;
}

Ints TapsOf(const std::vector<WindowAxis>& axes) {
  Ints taps;
  for (const WindowAxis& axis : axes) taps.push_back(axis.taps);
  return taps;
}

// w [taps, in, groups * out] with its taps reversed and the channels of each group swapped: [taps, out, groups * in].
Expr Rotated(Expr w, const Convolution& c) {
  const Ints taps = TapsOf(c.axes);
  const auto rank = static_cast<int64_t>(taps.size());
  Ints reversed;
  for (int64_t i = 0; i < rank; ++i) {
    if (taps[i] > 1) reversed.push_back(i);
  }
  if (!reversed.empty()) w = Expr::Apply(Op::kFlip, {w}, {std::move(reversed)});
  Ints axes;
  for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  if (c.groups == 1) {
    axes.insert(axes.end(), {rank + 1, rank});
    return Expr::Apply(Op::kTranspose, {w}, {std::move(axes)});
  }
  Shape split = taps, joined = taps;
  split.insert(split.end(), {c.in, c.groups, c.out});
  joined.insert(joined.end(), {c.out, c.groups * c.in});
  axes.insert(axes.end(), {rank + 2, rank + 1, rank});
  return Reshaped(Expr::Apply(Op::kTranspose, {Reshaped(w, std::move(split))}, {std::move(axes)}), std::move(joined));
}

// What an adjoint of the result of convolution(x, w) gives to x.
Expr ToInput(const Convolution& c, Expr g, Expr w) {
  std::vector<AttributeValue> attributes = ir::GeometryAttributes(TransposedAxes(c.axes));
  attributes.emplace_back(c.groups);
  return Expr::Apply(Op::kConvolution, {g, Rotated(w, c)}, std::move(attributes));
}

std::vector<AttributeValue> WithWindow(const std::vector<WindowAxis>& axes) {
  std::vector<AttributeValue> attributes = ir::GeometryAttributes(axes);
  attributes.insert(attributes.begin(), TapsOf(axes));
  return attributes;
}

}  // namespace

// y = convolution(x, w).   dL/dx = convolution(g, w rotated) of the transposed geometry,
//                          dL/dw = convolution_weights(x, g)
Expr GradientConvolution(const Statement& y, int operand, Expr g) {
  const Convolution c = ir::ConvolutionOf(y);
  g = Full(g, y.result()->type.shape);
  if (operand == 0) return ToInput(c, g, Expr::Of(g.builder(), y.operands[1]));
  std::vector<AttributeValue> attributes = WithWindow(c.axes);
  attributes.emplace_back(c.groups);
  attributes.emplace_back(std::string());
  return Expr::Apply(Op::kConvolutionWeights, {Expr::Of(g.builder(), y.operands[0]), g}, std::move(attributes));
}

// w = convolution_weights(x, h).   dL/dx = convolution(h, g rotated) of the transposed geometry,
//                                  dL/dh = convolution(x, g)
Expr GradientConvolutionWeights(const Statement& w, int operand, Expr g) {
  const Convolution c = ir::ConvolutionOf(w);
  g = Full(g, w.result()->type.shape);
  if (operand == 0) return ToInput(c, Expr::Of(g.builder(), w.operands[1]), g);
  std::vector<AttributeValue> attributes = ir::GeometryAttributes(c.axes);
  attributes.emplace_back(c.groups);
  return Expr::Apply(Op::kConvolution, {Expr::Of(g.builder(), w.operands[0]), g}, std::move(attributes));
}

// y = window_sum(x).   dL/dx = window_sum(g) of the transposed geometry
Expr GradientWindowSum(const Statement& y, int, Expr g) {
  return Expr::Apply(Op::kWindowSum, {Full(g, y.result()->type.shape)},
                     WithWindow(TransposedAxes(ir::WindowAxesOf(y))));
}

// y = window_max(x).   dL/dx = g, added up where each window has its maximum
Expr GradientWindowMax(const Statement& y, int, Expr g) {
  const Shape &x = y.operands[0]->type.shape, &shape = y.result()->type.shape;
  std::vector<AttributeValue> attributes = y.attributes;
  const Expr winner = Expr::Apply(Op::kWindowArgMax, {Expr::Of(g.builder(), y.operands[0])}, std::move(attributes));
  const auto flat = [](const Shape& s) {
    int64_t size = 1;
    for (size_t i = 1; i < s.size(); ++i) size *= s[i];
    return Shape{s.front(), size};
  };
  const Expr sums = Expr::Apply(Op::kScatterAdd, {Reshaped(Full(g, shape), flat(shape)), Reshaped(winner, flat(shape))},
                                {flat(x)[1], int64_t{1}, int64_t{1}});
  return Reshaped(sums, x);
}

// Indices carry no gradient.
Expr GradientWindowArgMax(const Statement&, int, Expr) { return Expr(); }

}  // namespace gradus::passes
