// Operators, literals, casts and indices.
#include "frontend/expression_builder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "ir/contraction.h"
#include "ir/infer.h"
#include "ir/op.h"

namespace gradus::frontend {
namespace {

using ir::Op;

Op OpOf(ast::BinaryOperator op) {
  using ast::BinaryOperator;
  switch (op) {
    case BinaryOperator::kAdd:
      return Op::kAdd;
    case BinaryOperator::kSubtract:
      return Op::kSub;
    case BinaryOperator::kMultiply:
      return Op::kMul;
    case BinaryOperator::kDivide:
      return Op::kDiv;
    case BinaryOperator::kFloorDivide:
      return Op::kFloorDiv;
    case BinaryOperator::kModulo:
      return Op::kMod;
    case BinaryOperator::kPower:
      return Op::kPow;
    case BinaryOperator::kMatrixMultiply:
      return Op::kDot;
    case BinaryOperator::kEqual:
      return Op::kEqual;
    case BinaryOperator::kNotEqual:
      return Op::kNotEqual;
    case BinaryOperator::kLess:
      return Op::kLess;
    case BinaryOperator::kLessEqual:
      return Op::kLessEqual;
    case BinaryOperator::kGreater:
      return Op::kGreater;
    case BinaryOperator::kGreaterEqual:
      return Op::kGreaterEqual;
    case BinaryOperator::kAnd:
      return Op::kAnd;
    case BinaryOperator::kOr:
      return Op::kOr;
  }
  return Op::kAdd;
}

// What would be right instead, where two shapes do not fit one another.
std::string BroadcastHelp(absl::string_view a, const ir::Type& ta, absl::string_view b, const ir::Type& tb) {
  if (ta.element != tb.element || ta.rank() == tb.rank()) return "";
  const bool a_smaller = ta.rank() < tb.rank();
  const ir::Type& small = a_smaller ? ta : tb;
  const ir::Type& large = a_smaller ? tb : ta;
  if (!std::equal(small.shape.begin(), small.shape.end(), large.shape.begin())) return "";
  std::string index;
  for (int64_t i = 0; i < large.rank(); ++i) absl::StrAppend(&index, i ? ", " : "", i < small.rank() ? ":" : "none");
  return absl::StrCat("shapes are aligned at their last axes; ", a_smaller ? a : b, "[", index, "] would fit");
}

bool IsSimple(absl::string_view text) {
  return text.size() <= 32 && text.find_first_of(" \n") == absl::string_view::npos;
}

}  // namespace

void ExpressionBuilder::Explain(Diagnostic& error, const std::vector<Operand>& operands) const {
  std::vector<const ir::Value*> explained;
  for (const Operand& operand : operands) {
    const ir::Value* value = operand.tensor();
    if (!value || std::find(explained.begin(), explained.end(), value) != explained.end()) continue;
    explained.push_back(value);
    const absl::string_view text = operand.range.text();
    std::string name = IsSimple(text) && !text.empty() ? std::string(text) : value->name;
    const bool literal = value->definition && value->definition->op == Op::kConstant && value->name.empty();
    if (name.empty() || literal) continue;
    error.Defined(std::move(name), ir::ToString(value->type), places_ ? places_(value) : SourceRange());
  }
}

ir::Value* ExpressionBuilder::Emit(SourceRange where, Op op, const std::vector<Operand>& operands,
                                   std::vector<ir::AttributeValue> attributes) {
  std::vector<ir::Value*> values;
  for (const Operand& operand : operands) {
    if (!operand.tensor()) return nullptr;  // reported before
    values.push_back(operand.tensor());
  }
  absl::StatusOr<ir::Value*> value = builder_->Add(op, values, std::move(attributes));
  if (value.ok()) return *value;
  Diagnostic& error = diagnostics_->Error(where, value.status());
  Explain(error, operands);
  if (ir::IsElementwise(op) && operands.size() == 2) {
    const std::string help =
        BroadcastHelp(operands[0].range.text(), values[0]->type, operands[1].range.text(), values[1]->type);
    if (!help.empty()) error.Help(help);
  }
  return nullptr;
}

ir::Value* ExpressionBuilder::Literal(const Operand& number, ir::DType type) {
  absl::StatusOr<ir::Tensor> literal = RoundTo(*number.number(), type);
  if (literal.ok()) return builder_->Constant(*std::move(literal));
  diagnostics_->Error(number.range, literal.status());
  return nullptr;
}

bool ExpressionBuilder::TypeLiterals(SourceRange where, absl::string_view what, std::vector<Operand>& operands,
                                     size_t first) {
  const Operand* model = nullptr;
  for (size_t i = first; i < operands.size(); ++i) {
    if (operands[i].tensor() && !model) model = &operands[i];
  }
  for (size_t i = 0; i < operands.size(); ++i) {
    Operand& operand = operands[i];
    if (operand.tensor()) continue;
    if (!operand.number()) {
      diagnostics_->Error(ErrorKind::kNotATensor, operand.range.file ? operand.range : where,
                          absl::StrCat(what, " takes tensors and numbers"));
      return false;
    }
    ir::DType type = ir::DType::kBool;  // has its type anywhere
    if (operand.number()->kind != Number::Kind::kBool) {
      if (i < first || !model) {
        diagnostics_
            ->Error(ErrorKind::kUntypedNumber, operand.range,
                    absl::StrCat("the number ", ToString(*operand.number()), " has no type here"))
            .Help(absl::StrCat("give it one, as in f32(", ToString(*operand.number()), ")"));
        return false;
      }
      type = model->tensor()->type.element;
    }
    const absl::StatusOr<ir::Tensor> literal = RoundTo(*operand.number(), type);
    if (!literal.ok()) {
      Diagnostic& error = diagnostics_->Error(operand.range, literal.status());
      if (model) {
        Explain(error, {*model});
        if (ir::IsInteger(type) && operand.number()->kind == Number::Kind::kFloat) {
          error.Help(absl::StrCat("convert the tensor, as in float(", model->range.text(), ")"));
        }
      }
      return false;
    }
    operand.value = builder_->Constant(*literal);
  }
  return true;
}

ir::Value* ExpressionBuilder::Unary(ast::UnaryOperator op, SourceRange op_range, const Operand& x) {
  std::vector<Operand> operands = {x};
  if (!TypeLiterals(op_range, op_range.text(), operands, 1)) return nullptr;
  return Emit(op_range, op == ast::UnaryOperator::kNot ? Op::kNot : Op::kNeg, operands);
}

ir::Value* ExpressionBuilder::Binary(ast::BinaryOperator op, SourceRange op_range, const Operand& a, const Operand& b) {
  std::vector<Operand> operands = {a, b};
  if (!TypeLiterals(op_range, op_range.text(), operands, 0)) return nullptr;
  return Emit(op_range, OpOf(op), operands);
}

ir::Value* ExpressionBuilder::MatrixMultiply(SourceRange op_range, const Operand& a, bool transpose_a, const Operand& b,
                                             bool transpose_b) {
  for (const Operand* operand : {&a, &b}) {
    if (operand->tensor()) continue;
    diagnostics_->Error(ErrorKind::kMatmulRank, op_range, "@ multiplies matrices; a number is multiplied by *");
    return nullptr;
  }
  const ir::Type& ta = a.tensor()->type;
  const ir::Type& tb = b.tensor()->type;
  for (const auto& [operand, transposed] : {std::make_pair(&a, transpose_a), std::make_pair(&b, transpose_b)}) {
    const int64_t rank = operand->tensor()->type.rank();
    if (rank >= (transposed ? 2 : 1)) continue;
    Diagnostic& error =
        diagnostics_->Error(ErrorKind::kMatmulRank, op_range,
                            absl::StrCat("cannot multiply ", ir::ToString(ta), " by ", ir::ToString(tb), ": ",
                                         transposed ? ".T swaps the last two axes, and there are not two"
                                                    : "@ needs at least one axis on each side"));
    Explain(error, {a, b});
    return nullptr;
  }
  const std::string spec = ir::MatmulSpec(ta.rank(), tb.rank(), transpose_a, transpose_b);
  if (spec.empty()) {
    Diagnostic& error = diagnostics_->Error(ErrorKind::kMatmulRank, op_range,
                                            absl::StrCat("cannot multiply ", ir::ToString(ta), " by ", ir::ToString(tb),
                                                         ": @ has no meaning for these ranks"));
    Explain(error, {a, b});
    error.Help("einsum says any contraction");
    return nullptr;
  }
  absl::StatusOr<ir::Value*> product = builder_->Add(Op::kDot, {a.tensor(), b.tensor()}, {spec});
  if (product.ok()) return *product;
  std::string message(product.status().message());
  // The sentence has the types of the operands; the reader sees them transposed.
  auto seen = [](ir::Type type, bool transposed) {
    if (transposed) std::swap(type.shape[type.shape.size() - 1], type.shape[type.shape.size() - 2]);
    return ir::ToString(type);
  };
  const std::string stored = absl::StrCat("cannot multiply ", ir::ToString(ta), " by ", ir::ToString(tb));
  if (message.compare(0, stored.size(), stored) == 0) {
    message.replace(0, stored.size(),
                    absl::StrCat("cannot multiply ", seen(ta, transpose_a), " by ", seen(tb, transpose_b)));
  }
  Diagnostic& error = diagnostics_->Take(op_range, std::move(message));
  Explain(error, {a, b});
  // Would another transposition fit?
  for (const auto& [other_a, other_b] :
       {std::make_pair(transpose_a, !transpose_b), std::make_pair(!transpose_a, transpose_b)}) {
    const std::string other = ir::MatmulSpec(ta.rank(), tb.rank(), other_a, other_b);
    ir::Statement trial;
    trial.op = Op::kDot;
    trial.operands = {a.tensor(), b.tensor()};
    trial.attributes = {other, std::string(), std::string()};
    if (other.empty() || !ir::InferTypes(trial).ok()) continue;
    auto text = [](const Operand& operand, bool transposed) {
      return absl::StrCat(operand.range.text(), transposed ? ".T" : "");
    };
    const bool changed_b = other_b != transpose_b;
    error.Help(absl::StrCat((changed_b ? b : a).range.text(),
                            (changed_b ? other_b : other_a) ? " transposed" : " not transposed",
                            " would fit: ", text(a, other_a), " @ ", text(b, other_b)));
    return nullptr;
  }
  // Or are several axes meant as one, such as the rows and columns of a picture?
  if (transpose_a || tb.rank() != 2) return nullptr;
  ir::Size together = 1;
  for (int64_t axis = ta.rank() - 1; axis > 0; --axis) {
    together = together * ir::Size(ta.shape[axis]);
    if (axis == ta.rank() - 1 || !together.ok() || together.value() != tb.shape[transpose_b ? 1 : 0]) continue;
    ir::Shape flat(ta.shape.begin(), ta.shape.begin() + axis);
    flat.push_back(together.value());
    const std::string name = IsSimple(a.range.text()) && !a.range.text().empty() ? std::string(a.range.text())
                             : a.tensor()->name.empty()                          ? "x"
                                                                                 : a.tensor()->name;
    error.Help(absl::StrCat("its last axes as one would fit: reshape(", name, ", ", ir::ToString(flat), ")"));
    break;
  }
  return nullptr;
}

ir::Value* ExpressionBuilder::Transpose(SourceRange where, const Operand& x) {
  if (!x.tensor() || x.tensor()->type.rank() < 2) {
    Diagnostic& error =
        diagnostics_->Error(ErrorKind::kTransposeRank, where, ".T swaps the last two axes, and there are not two");
    Explain(error, {x});
    return nullptr;
  }
  ir::Ints axes;
  for (int64_t i = 0; i < x.tensor()->type.rank(); ++i) axes.push_back(i);
  std::swap(axes[axes.size() - 1], axes[axes.size() - 2]);
  return Emit(where, Op::kTranspose, {x}, {axes});
}

ir::Value* ExpressionBuilder::Cast(SourceRange where, ir::DType type, const Operand& x) {
  if (x.tensor()) return Emit(where, Op::kConvert, {x}, {type});
  if (x.number() && x.number()->kind == Number::Kind::kBool && type != ir::DType::kBool) {
    Operand literal = x;
    literal.value = Literal(x, ir::DType::kBool);
    return Emit(where, Op::kConvert, {literal}, {type});
  }
  if (x.number()) return Literal(x, type);
  diagnostics_->Error(ErrorKind::kNotATensor, where, absl::StrCat(ir::Name(type), " converts a tensor or a number"));
  return nullptr;
}

ir::Value* ExpressionBuilder::Index(SourceRange where, const Operand& x, const std::vector<IndexEntry>& entries) {
  if (!x.tensor()) {
    diagnostics_->Error(ErrorKind::kNotIndexable, where, "only a tensor, a list or a tuple can be indexed");
    return nullptr;
  }
  const ir::Type type = x.tensor()->type;
  auto fail = [&](ErrorKind kind, SourceRange range, absl::string_view message) {
    Explain(diagnostics_->Error(kind, range, message), {x});
    return nullptr;
  };
  int64_t axes = 0;
  int ellipses = 0;
  for (const IndexEntry& entry : entries) {
    axes += entry.kind == IndexEntry::Kind::kAt || entry.kind == IndexEntry::Kind::kSlice;
    if (entry.kind == IndexEntry::Kind::kEllipsis && ++ellipses == 2)
      return fail(ErrorKind::kEllipsisPlace, entry.range, "an index has one `...`");
  }
  if (axes > type.rank()) {
    return fail(ErrorKind::kIndexCount, where,
                absl::StrCat("an index of ", axes, axes == 1 ? " axis" : " axes", " for ", ir::ToString(type)));
  }
  ir::Ints start, limit, stride;
  ir::Shape shape;  // of the result
  bool slices = false;
  bool reshapes = false;
  auto whole = [&] {
    const int64_t extent = type.shape[start.size()];
    start.push_back(0), limit.push_back(extent), stride.push_back(1), shape.push_back(extent);
  };
  for (const IndexEntry& entry : entries) {
    if (entry.kind == IndexEntry::Kind::kEllipsis) {
      for (int64_t i = axes; i < type.rank(); ++i) whole();
      continue;
    }
    if (entry.kind == IndexEntry::Kind::kNewAxis) {
      shape.push_back(1);
      reshapes = true;
      continue;
    }
    const int64_t axis = static_cast<int64_t>(start.size());
    const int64_t extent = type.shape[axis];
    if (entry.kind == IndexEntry::Kind::kAt) {
      const int64_t at = entry.at < 0 ? entry.at + extent : entry.at;
      if (at < 0 || at >= extent) {
        return fail(ErrorKind::kIndexRange, entry.range,
                    absl::StrCat("index ", entry.at, " is out of range for axis ", axis, " of ", ir::ToString(type)));
      }
      start.push_back(at), limit.push_back(at + 1), stride.push_back(1);
      slices |= extent != 1;
      reshapes = true;
      continue;
    }
    auto place = [&](const absl::optional<int64_t>& given, int64_t otherwise) {
      return !given ? otherwise : *given < 0 ? *given + extent : *given;
    };
    const int64_t from = place(entry.lower, 0);
    const int64_t to = place(entry.upper, extent);
    if (entry.step < 1) {
      diagnostics_
          ->Error(ErrorKind::kSliceStep, entry.range,
                  absl::StrCat("the step of a slice must be at least 1, found ", entry.step))
          .Help("flip(x, axis=…) reverses an axis");
      return nullptr;
    }
    if (from < 0 || to > extent || from > to) {
      return fail(
          ErrorKind::kIndexRange, entry.range,
          absl::StrCat("slice ", entry.range.text(), " is out of range for axis ", axis, " of ", ir::ToString(type)));
    }
    if (from == to)
      return fail(ErrorKind::kIndexRange, entry.range, absl::StrCat("slice ", entry.range.text(), " is empty"));
    start.push_back(from), limit.push_back(to), stride.push_back(entry.step);
    shape.push_back((to - from + entry.step - 1) / entry.step);
    slices |= from != 0 || to != extent || entry.step != 1;
  }
  while (static_cast<int64_t>(start.size()) < type.rank()) whole();

  // `x[:, :]` says nothing but is a slice in the text.
  Operand result = x;
  if (slices || !reshapes) {
    result.value = Emit(where, Op::kSlice, {x}, {start, limit, stride});
    if (!result.tensor() || !reshapes) return result.tensor();
  }
  return Emit(where, Op::kReshape, {result}, {shape});
}

}  // namespace gradus::frontend
