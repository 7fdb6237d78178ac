#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "frontend/lowering.h"
#include "ir/contraction.h"

namespace gradus::frontend {
namespace {

struct MatmulOperand {
  ir::Value* value = nullptr;
  bool transposed = false;
  SourceRange where;
};

// `h @ w2.T` from what stood there.
std::string SourceOf(const ast::Expression& e) { return std::string(e.range.text()); }

}  // namespace

// `x.T` as an operand is the operand x with its last two axes exchanged in the spec: nothing is moved.
Item Lowering::EvaluateMatmul(const ast::Binary& binary) {
  const auto operand = [this](const ast::Expression& e) {
    MatmulOperand result{nullptr, false, e.range};
    const ast::Member* member = e.As<ast::Member>();
    if (member != nullptr && member->member.text == "T") {
      const Item object = Evaluate(*member->object);
      result.value = AsTensor(object, e.range);
      result.transposed = true;
      if (result.value != nullptr && result.value->type.rank() < 2) {
        Error(e.range,
              absl::StrCat(".T exchanges the last two axes, and ", ir::ToString(result.value->type), " has not two"));
        result.value = nullptr;
      }
      return result;
    }
    result.value = AsTensor(Evaluate(e), e.range);
    return result;
  };
  const MatmulOperand a = operand(*binary.left);
  const MatmulOperand b = operand(*binary.right);
  if (a.value == nullptr || b.value == nullptr) return Poison();
  const ir::Type &ta = a.value->type, &tb = b.value->type;
  const auto sentence = absl::StrCat("cannot multiply ", ir::ToString(ta), a.transposed ? " transposed" : "", " by ",
                                     ir::ToString(tb), b.transposed ? " transposed" : "");
  const std::string spec = ir::MatmulSpec(ta.rank(), tb.rank(), a.transposed, b.transposed);
  if (spec.empty()) {
    WithOperands(Error(binary.op_range, absl::StrCat(sentence, ": @ takes vectors, matrices and batches of them")),
                 {a.value, b.value})
        .Help("`*` multiplies by a scalar");
    return Poison();
  }
  if (ta.element != tb.element) {
    WithOperands(Error(binary.op_range, absl::StrCat(sentence, ": the element types differ")), {a.value, b.value})
        .Help(absl::StrCat("convert one of them, as in ", ir::Name(ta.element), "(x)"));
    return Poison();
  }
  auto contraction = ir::ParseContraction(spec, ta.rank(), tb.rank());
  CHECK(contraction.ok()) << contraction.status();
  for (const ir::ContractionAxis& axis : contraction->axes) {
    if (axis.in_a < 0 || axis.in_b < 0) continue;
    const int64_t x = ta.shape[axis.in_a], y = tb.shape[axis.in_b];
    if (x == y) continue;
    const bool inner = axis.kind == ir::AxisKind::kContracted;
    Diagnostic& diagnostic = Error(
        binary.op_range, absl::StrCat(sentence, ": ", inner ? "inner" : "batch", " sizes ", x, " and ", y, " differ"));
    WithOperands(diagnostic, {a.value, b.value});
    if (!inner) return Poison();
    const auto other = [](const ir::Type& t, int position, bool last_two) {
      if (!last_two || t.rank() < 2) return int64_t{-1};
      return t.shape[position == t.rank() - 1 ? t.rank() - 2 : t.rank() - 1];
    };
    const std::string left = SourceOf(*binary.left), right = SourceOf(*binary.right);
    if (other(tb, axis.in_b, true) == x && binary.right->As<ast::Name>() != nullptr) {
      diagnostic.Help(absl::StrCat(right, " transposed would fit: ", left, " @ ", right, ".T"));
    } else if (other(ta, axis.in_a, true) == y && binary.left->As<ast::Name>() != nullptr) {
      diagnostic.Help(absl::StrCat(left, " transposed would fit: ", left, ".T @ ", right));
    } else if (b.transposed && other(tb, axis.in_b, true) == x) {
      diagnostic.Help("the second operand without .T would fit");
    } else if (a.transposed && other(ta, axis.in_a, true) == y) {
      diagnostic.Help("the first operand without .T would fit");
    }
    return Poison();
  }
  return EmitItem(Op::kDot, {a.value, b.value}, {spec, std::string()});
}

ir::Value* Lowering::SumAxes(ir::Value* value, ir::Ints axes) {
  if (axes.empty()) return value;
  std::sort(axes.begin(), axes.end());
  return Emit(Op::kReduceSum, {value}, {std::move(axes), std::string()});
}

// einsum(spec, a) and einsum(spec, a, b). A letter of one operand alone is summed first; a result without `->` has the
// letters that occur once, in alphabetical order, as NumPy has it.
Item Lowering::Einsum(const Items& arguments, SourceRange where) {
  const std::string* text = arguments[0].As<std::string>();
  if (text == nullptr) return Fail(where, absl::StrCat("einsum begins with its spec, found ", Describe(arguments[0])));
  std::string spec = *text;
  spec.erase(std::remove(spec.begin(), spec.end(), ' '), spec.end());
  const auto wrong = [&](const std::string& message) {
    return Fail(where, absl::StrCat("einsum \"", *text, "\": ", message));
  };
  const std::vector<std::string> sides = absl::StrSplit(spec, "->");
  std::vector<std::string> letters = absl::StrSplit(sides[0], ',');
  std::vector<ir::Value*> values;
  for (size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i].none()) continue;
    values.push_back(AsTensor(arguments[i], where));
    if (values.back() == nullptr) return Poison();
  }
  if (sides.size() > 2) return wrong("there is more than one ->");
  if (letters.size() != values.size()) {
    return wrong(absl::StrCat("it names ", letters.size(), " operands, found ", values.size()));
  }
  std::string result;
  if (sides.size() == 2) {
    result = sides[1];
  } else {
    for (char c = 'a'; c <= 'z'; ++c) {
      if (std::count(spec.begin(), spec.end(), c) == 1) result += c;
    }
  }
  std::map<char, int64_t> extents;
  for (size_t i = 0; i < values.size(); ++i) {
    const ir::Type& type = values[i]->type;
    if (static_cast<int64_t>(letters[i].size()) != type.rank()) {
      return wrong(absl::StrCat("\"", letters[i], "\" names ", letters[i].size(), " axes, and operand ", i + 1, " is ",
                                ir::ToString(type)));
    }
    for (size_t axis = 0; axis < letters[i].size(); ++axis) {
      const char c = letters[i][axis];
      if (!absl::ascii_islower(static_cast<unsigned char>(c))) {
        return wrong(absl::StrCat("axes are lower-case letters, found '", std::string(1, c), "'"));
      }
      if (letters[i].find(c) != axis) {
        return wrong(absl::StrCat("the letter ", std::string(1, c), " is repeated in one operand"));
      }
      const auto [known, fresh] = extents.emplace(c, type.shape[axis]);
      if (!fresh && known->second != type.shape[axis]) {
        WithOperands(Error(where, absl::StrCat("einsum \"", *text, "\": the axis ", std::string(1, c), " is ",
                                               known->second, " in ", ir::ToString(values[0]->type), " and ",
                                               type.shape[axis], " in ", ir::ToString(type))),
                     values);
        return Poison();
      }
    }
  }
  for (size_t i = 0; i < result.size(); ++i) {
    if (result.find(result[i]) != i) {
      return wrong(absl::StrCat("the letter ", std::string(1, result[i]), " is repeated in the result"));
    }
    if (extents.count(result[i]) == 0) {
      return wrong(absl::StrCat("no operand has the axis ", std::string(1, result[i]), " of the result"));
    }
  }
  for (size_t i = 0; i < values.size(); ++i) {
    ir::Ints alone;
    std::string kept;
    for (size_t axis = 0; axis < letters[i].size(); ++axis) {
      const char c = letters[i][axis];
      const bool elsewhere =
          result.find(c) != std::string::npos || (values.size() == 2 && letters[1 - i].find(c) != std::string::npos);
      if (elsewhere) {
        kept += c;
      } else {
        alone.push_back(static_cast<int64_t>(axis));
      }
    }
    values[i] = SumAxes(values[i], std::move(alone));
    if (values[i] == nullptr) return Poison();
    letters[i] = kept;
  }
  if (values.size() == 2) {
    return EmitItem(Op::kDot, values,
                    {ir::CanonicalSpec(absl::StrCat(letters[0], ",", letters[1], "->", result)), std::string()});
  }
  ir::Ints axes;
  for (char c : result) axes.push_back(static_cast<int64_t>(letters[0].find(c)));
  if (letters[0] == result) return TensorItem{values[0]};
  return EmitItem(Op::kTranspose, {values[0]}, {std::move(axes)});
}

}  // namespace gradus::frontend
