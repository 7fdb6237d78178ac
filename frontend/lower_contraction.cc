#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "frontend/lowering.h"
#include "ir/contraction.h"

namespace gradus::frontend {

// `x.T` as an operand is the operand x with its last two axes exchanged in the spec: nothing is moved.
Item Lowering::EvaluateMatmul(const ast::Binary& binary) {
  const auto transposed = [](const ast::Expression& e) {
    const ast::Member* member = e.As<ast::Member>();
    return member != nullptr && member->member.text == "T" ? member->object.get() : nullptr;
  };
  const ast::Expression* inner_a = transposed(*binary.left);
  const ast::Expression* inner_b = transposed(*binary.right);
  const ast::Expression& left = inner_a != nullptr ? *inner_a : *binary.left;
  const ast::Expression& right = inner_b != nullptr ? *inner_b : *binary.right;
  ir::Value* a = AsTensor(Evaluate(left), left.range);
  ir::Value* b = AsTensor(Evaluate(right), right.range);
  if (a == nullptr || b == nullptr) return Poison();
  const Operand x = AsOperand(a, left.range), y = AsOperand(b, right.range);
  builder_.SetNote(NoteAt(place_));
  return Made(expressions_.MatrixMultiply(binary.op_range, x, inner_a != nullptr, y, inner_b != nullptr));
}

ir::Value* Lowering::SumAxes(ir::Value* value, ir::Ints axes) {
  if (axes.empty()) return value;
  std::sort(axes.begin(), axes.end());
  return Emit(Op::kReduceSum, {value}, {std::move(axes), std::string()});
}

// The band of an einsum as graphs have it, empty where it leaves every term; nothing after an error. `product` is what
// is left of the spec once the letters that stand in one operand alone are summed.
std::optional<std::string> Lowering::EinsumBand(const Item& argument, const std::string& spec,
                                                const std::string& product, const std::map<char, int64_t>& extents,
                                                SourceRange where) {
  if (argument.none()) return "";
  const auto wrong = [&](const std::string& message) {
    Fail(ErrorKind::kEinsumBand, where, message);
    return std::nullopt;
  };
  const std::string* text = argument.As<std::string>();
  if (text == nullptr) return wrong(absl::StrCat("the band of an einsum is a text, found ", Describe(argument)));
  const absl::StatusOr<ir::Band> band = ir::ParseWrittenBand(*text, spec);
  if (!band.ok()) return wrong(std::string(ir::WithoutKind(band.status().message())));
  if (!absl::StrContains(product, ',')) {
    return wrong(absl::StrCat("the band \"", *text, "\" needs a product of two operands"));
  }
  for (const char letter : {band->inner, band->outer}) {
    if (absl::StrContains(product, letter)) continue;
    return wrong(absl::StrCat("the band \"", *text, "\" of einsum \"", spec, "\" names ", std::string(1, letter),
                              ", which stands in one operand alone and is summed before the product"));
  }
  const bool all = band->lower <= 1 - extents.at(band->outer) && band->upper >= extents.at(band->inner) - 1;
  return all ? "" : ir::ToString(*band);
}

// einsum(spec, a) and einsum(spec, a, b, band). A letter of one operand alone is summed first; a result without `->`
// has the letters that occur once, in alphabetical order, as NumPy has it.
Item Lowering::Einsum(const Items& arguments, SourceRange where) {
  const std::string* text = arguments[0].As<std::string>();
  if (text == nullptr)
    return Fail(ErrorKind::kEinsumSpec, where,
                absl::StrCat("einsum begins with its spec, found ", Describe(arguments[0])));
  std::string spec = *text;
  spec.erase(std::remove(spec.begin(), spec.end(), ' '), spec.end());
  const auto wrong = [&](const std::string& message) {
    return Fail(ErrorKind::kEinsumSpec, where, absl::StrCat("einsum \"", *text, "\": ", message));
  };
  const std::vector<std::string> sides = absl::StrSplit(spec, "->");
  std::vector<std::string> letters = absl::StrSplit(sides[0], ',');
  std::vector<ir::Value*> values;
  for (size_t i = 1; i < 3; ++i) {
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
        WithOperands(
            Error(ErrorKind::kEinsumSizes, where,
                  absl::StrCat("einsum \"", *text, "\": the axis ", std::string(1, c), " is ", known->second, " in ",
                               ir::ToString(values[0]->type), " and ", type.shape[axis], " in ", ir::ToString(type))),
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
  const std::string product = absl::StrJoin(letters, ",") + "->" + result;
  const std::optional<std::string> band = EinsumBand(arguments[3], *text, product, extents, where);
  if (!band) return Poison();
  if (values.size() == 2) {
    return EmitItem(Op::kDot, values, {ir::CanonicalSpec(product), std::string(), ir::CanonicalBand(product, *band)});
  }
  ir::Ints axes;
  for (char c : result) axes.push_back(static_cast<int64_t>(letters[0].find(c)));
  if (letters[0] == result) return TensorItem{values[0]};
  return EmitItem(Op::kTranspose, {values[0]}, {std::move(axes)});
}

}  // namespace gradus::frontend
