#include "frontend/builtins.h"

#include <algorithm>

#include "ir/op.h"

namespace gradus::frontend {
namespace {

constexpr Builtin kRows[] = {
    {"arange", "start stop= axis= type=",
     "The numbers from start to below stop, or from 0 to below start where stop is absent, as a vector of i32 or of "
     "`type`."},
    {"argmax", "x axis=",
     "The index of the largest element along the axis, i32: the first of equal ones, and NaN comes first. A vector "
     "needs no axis."},
    {"argmin", "x axis=",
     "The index of the smallest element along the axis, i32: the first of equal ones, and NaN comes first. A vector "
     "needs no axis."},
    {"argsort", "x axis= descending=",
     "The indices, i32, that put the elements along the axis (the last where it is absent) into ascending order, or "
     "with "
     "`descending=true` into descending order: equal elements keep their order, and NaN counts as larger than every "
     "number, so that it comes last in ascending order and first in descending order. No gradient flows through "
     "indices."},
    {"broadcast", "x shape", "x repeated to a shape by NumPy's rule; its gradient is summed over the repetitions."},
    {"channels_first", "x layout",
     "x [n, spatial axes, channels] in the layout that a layer was given: \"nchw\" (of one spatial axis \"ncw\", of "
     "three "
     "\"ncdhw\") moves the channels to the second place, \"nhwc\" leaves them."},
    {"channels_last", "x layout", "The way back: x of that layout as [n, spatial axes, channels]."},
    {"concat", "list axis=",
     "Tensors one after another along the axis (0 where it is absent); their types agree beside that axis."},
    {"convolution", "x w stride= pad= dilation= interior= groups=",
     "x [n, spatial axes, channels] under windows w [taps, channels / groups, outputs], for 1 to 3 spatial axes: "
     "`stride` "
     "places from window to window, `dilation` from tap to tap, `interior` holes between the elements of x. `pad` is a "
     "number, [before, after], a list of these with one an axis, `\"same\"` or `\"valid\"`; negative padding crops. "
     "What would stand in padding does not exist."},
    {"count", "x axis=", "How many elements the axes hold, all of x where no axis is given: a static integer."},
    {"einsum", "spec a b= band=",
     "A contraction by its letters: `\"bqd,bkd->bqk\"` sums over the letters that the result lacks. With one operand, "
     "sums and transposes it. `band=\"k<=q\"` says that only those of its terms exist for which the index k is at most "
     "the index q: what is summed over has fewer terms, an element without a term is 0, and neither takes time. Also "
     "\"k<=q+3\", \"k>=q\", and both, \"q-3<=k<=q\"; gradients have the same band."},
    {"fill", "value shape axis= type=", "A tensor of this shape that holds one number, of `type` or of float."},
    {"flip", "x axis=", "The elements in reverse order along the axes, all of them where none is given."},
    {"gather", "x indices axis= batch=",
     "The elements of x at these indices (i32) of the axis (0 where it is absent), whose place in the shape the shape "
     "of the indices takes. The first `batch` axes (none where it is absent) are shared: every row of x has indices of "
     "its own. An index out of range is an error, with its value and place."},
    {"grad", "y x",
     "The gradient of a scalar y by x, or by each of a list of tensors; of any order. No path from x to y is an "
     "error."},
    {"len", "list", "How many items a list or a shape has: a static integer."},
    {"max", "x axis= keepdims=",
     "The largest element along the axes, of all where none is given; the gradient goes to the first that attains it. "
     "`keepdims=true` keeps the axes with size 1."},
    {"min", "x axis= keepdims=",
     "The smallest element along the axes, of all where none is given; the gradient goes to the first that attains "
     "it. `keepdims=true` keeps the axes with size 1."},
    {"one_hot", "indices n axis= type=",
     "1 at the index of a new last axis of n, else 0, as float or `type`; all zero where the index is out of range."},
    {"pad", "x axis= low= high= interior= value=",
     "x with `value` (0 where it is absent) `low` times before, `high` times after and `interior` times between its "
     "elements: one width an axis, or one width with `axis`."},
    {"per_axis", "x n", "x itself where it is a list, which must have n items, else a list that holds it n times."},
    {"product", "list", "The product of a list of static integers, as of a shape."},
    {"random_bits", "shape axis= type=",
     "Random integers, i32 or i64: Philox of the seed, the place of the call and the step. random_uniform and "
     "random_normal are made of them."},
    {"range", "start stop=",
     "The static integers from start to below stop, or from 0 to below start, for loops and comprehensions."},
    {"reshape", "x shape",
     "The same elements in row-major order under another shape; one size may be -1: what is "
     "left."},
    {"scatter_add", "u indices extent axis=",
     "The transpose of gather: zeros with `extent` places along the axis, to which u is added at the indices, in "
     "ascending order of their position. An index out of range is an error."},
    {"split", "x parts axis=", "A list of that many equal parts along the axis (0 where it is absent)."},
    {"stack", "list axis=", "Tensors of one type beside one another along a new axis (0 where it is absent)."},
    {"stop_gradient", "x", "x, through which no gradient flows."},
    {"sum", "x axis= keepdims=",
     "The sum along the axes, of all elements where none is given; in f32 and f64 in an order that does not depend on "
     "threads or vector width. `keepdims=true` keeps the axes with size 1."},
    {"text", "file window shift= stride= from= to= vocabulary= bytes=",
     "In `data`: the examples of a file of text, `window` characters each, as integers. A character is the number of "
     "its "
     "code point among those of the file in ascending order, so the file says how many there are; `bytes=true` takes "
     "bytes, 0 to 255. Window i begins at character i·`stride` + `shift`; the stride is the window where it is absent, "
     "and what follows each character is the same text with `shift=1`. `from=0.9` and `to=0.9` cut the last or the "
     "first "
     "part of the file as shares of its length; `vocabulary=\"other.txt\"` numbers the characters of another file."},
    {"transpose", "x axes",
     "The axes in another order: axis i of the result is axis axes[i] of x. `x.T` swaps the "
     "last two."},
    {"window_argmax", "x window stride= pad= dilation=",
     "Where window_max first finds its maximum: the row-major index, i32, among the elements of its example."},
    {"window_max", "x window stride= pad= dilation=",
     "The maximum of each window of x [n, spatial axes, channels], whose arguments are those of convolution; the "
     "gradient goes to the first element that attains it. `stride` is 1 where it is absent."},
    {"window_sum", "x window stride= pad= dilation= interior=",
     "The sum of each window of x [n, spatial axes, channels], whose arguments are those of convolution."},
};

}  // namespace

absl::Span<const Builtin> Builtins() { return kRows; }

bool IsBuiltin(absl::string_view name) {
  if (std::any_of(std::begin(kRows), std::end(kRows), [&](const Builtin& row) { return row.name == name; }))
    return true;
  const auto op = ir::FindMnemonic(name);
  return op && ir::IsElementwise(*op) && *op != ir::Op::kConvert;
}

std::vector<std::string> BuiltinNames() {
  std::vector<std::string> names = {"step", "epoch", "training", "pi", "float"};
  for (const Builtin& row : kRows) names.emplace_back(row.name);
  for (const ir::OpInfo& info : ir::AllOps()) {
    if (ir::IsElementwise(info.op) && info.op != ir::Op::kConvert) names.emplace_back(info.mnemonic);
  }
  return names;
}

}  // namespace gradus::frontend
