// Gradients of a contraction: contractions again, with their transpositions in the spec.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "ir/check.h"
#include "ir/contraction.h"
#include "passes/gradient_rules.h"

namespace gradus::passes {

using ir::Expr;
using ir::Ints;
using ir::Op;
using ir::Shape;
using ir::Statement;

namespace {

// x, whose axes are `letters`, with them in the order of `result` and 1 in the place of a letter that x lacks, leading
// ones left out.
Expr Arranged(Expr x, const std::string& letters, const std::string& result) {
  Ints order;
  Shape shape;
  for (char letter : result) {
    const size_t axis = letters.find(letter);
    if (axis != std::string::npos) {
      order.push_back(static_cast<int64_t>(axis));
      shape.push_back(x.shape()[axis]);
    } else if (!shape.empty()) {
      shape.push_back(1);
    }
  }
  if (!std::is_sorted(order.begin(), order.end())) x = Expr::Apply(Op::kTranspose, {x}, {order});
  return Reshaped(x, std::move(shape));
}

// The contraction of a and b to the axes of `result`, each of which one of them has. The operand with the first free
// axis of the result stands first, so that `@` can say it. Without a contracted axis it is a product of elements,
// unless a band says which of them exist.
Expr Contracted(Expr a, std::string a_letters, Expr b, std::string b_letters, const std::string& result,
                const std::string& band) {
  for (char letter : result) {
    const bool in_a = absl::StrContains(a_letters, letter), in_b = absl::StrContains(b_letters, letter);
    if (in_a && in_b) continue;  // a batch axis
    if (in_b) {
      std::swap(a, b);
      std::swap(a_letters, b_letters);
    }
    break;
  }
  const bool contracts = std::any_of(a_letters.begin(), a_letters.end(), [&](char letter) {
    return absl::StrContains(b_letters, letter) && !absl::StrContains(result, letter);
  });
  if (!contracts && band.empty()) return Arranged(a, a_letters, result) * Arranged(b, b_letters, result);
  const std::string spec = absl::StrCat(a_letters, ",", b_letters, "->", result);
  return Expr::Apply(Op::kDot, {a, b}, {ir::CanonicalSpec(spec), std::string(), ir::CanonicalBand(spec, band)});
}

}  // namespace

// y = einsum(α,β->γ, a, b).   dL/da = einsum(γ,β->α, g, b),  dL/db = einsum(α,γ->β, a, g)
// so for y = a @ b:   dL/da = g @ b.T,  dL/db = a.T @ g
// A term of the sum is one of each of these, so all three have one band.
Expr GradientDot(const Statement& y, int operand, Expr g) {
  const std::vector<std::string> sides = absl::StrSplit(y.Text("spec"), "->");
  const std::vector<std::string> operands = absl::StrSplit(sides[0], ',');
  g = Full(g, y.result()->type.shape);
  Expr a = Expr::Of(g.builder(), y.operands[0]), b = Expr::Of(g.builder(), y.operands[1]);
  if (operand == 0) return Contracted(g, sides[1], b, operands[1], operands[0], y.Text("band"));
  return Contracted(a, operands[0], g, sides[1], operands[1], y.Text("band"));
}

// y_t = einsum(α,β->γ, a_t, b).   dL/db = Σ_t einsum(α,γ->β, a_t, g_t) = einsum(tα,tγ->β, a, g)
Expr GradientOfSteps(const std::string& spec, const std::string& band, int operand, Expr other, Expr g) {
  const std::vector<std::string> sides = absl::StrSplit(spec, "->");
  const std::vector<std::string> operands = absl::StrSplit(sides[0], ',');
  char step = 'a';
  while (absl::StrContains(spec, step)) ++step;
  const std::string result = absl::StrCat(std::string(1, step), sides[1]);
  const std::string of_other = absl::StrCat(std::string(1, step), operands[1 - operand]);
  if (operand == 0) return Contracted(g, result, other, of_other, operands[0], band);
  return Contracted(other, of_other, g, result, operands[1], band);
}

}  // namespace gradus::passes
