// Expressions to operations: what the lowering of models and the reader of printed graphs share.
//
// Operands are tensors or static numbers. A number takes the element type of the operand that it meets and is rounded
// to it once, from its digits where it has them. Operations and their attributes come from ir/ops.def; what is added
// here is sugar:
//
//   a + b, a @ b.T, -x, not x        the operation of the operator; `.T` directly under `@` belongs to the contraction
//   f32(0)                           a literal; of a tensor, a conversion
//   x[2, :, 1:3, none, ..., -1]      slice, then reshape, each only where needed
//   x.T                              the last two axes swapped
//   sum(x), sum(x, axis=-1)          `axis` of a reduction: absent all axes, negative from the end, one or a list
//   concat([a, b])                   axis=0
//   pad(x, 0, low=…, high=…)         interior=0
//
// Nothing is simplified and no type is converted: the text of a graph and the graph say the same. A wrong expression is
// reported to `diagnostics`, with caret, types and places of definition, and gives null.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/types/optional.h"
#include "frontend/ast.h"
#include "frontend/diagnostics.h"
#include "ir/builder.h"
#include "ir/graph.h"

namespace gradus::frontend {

// A static number: a literal of the text, or something computed before there are tensors.
struct Number {
  enum class Kind { kBool, kInteger, kFloat };
  Kind kind = Kind::kInteger;
  bool boolean = false;
  int64_t integer = 0;
  double floating = 0;  // of kFloat
  std::string
      text;  // kFloat: its digits, where it was written so, to be rounded once to the type that it meets; else empty

  static Number Bool(bool value) { return {.kind = Kind::kBool, .boolean = value}; }
  static Number Integer(int64_t value) { return {.kind = Kind::kInteger, .integer = value}; }
  static Number Float(double value) { return {.kind = Kind::kFloat, .floating = value}; }

  double AsDouble() const {
    return kind == Kind::kFloat ? floating : kind == Kind::kInteger ? static_cast<double>(integer) : boolean;
  }
  Number Negated() const;
};

// The number that a literal of the text says; a sentence where it is out of range for i64 or f64.
absl::StatusOr<Number> ReadNumber(const ast::Number& literal);
// `3`, `0.5`, `true`.
std::string ToString(const Number& number);
// The scalar of a number, rounded once. A sentence where the type cannot hold it: a fraction or a number out of range
// for an integer type, a number for bool.
absl::StatusOr<ir::Tensor> RoundTo(const Number& number, ir::DType type);

// An operand or argument, with the text that it came from.
struct Operand {
  using List = std::vector<Operand>;
  std::variant<ir::Value*, Number, List, std::string, ir::DType> value = static_cast<ir::Value*>(nullptr);
  SourceRange range;
  std::string name;  // of an argument given by keyword; else empty

  ir::Value* tensor() const {
    ir::Value* const* v = std::get_if<ir::Value*>(&value);
    return v ? *v : nullptr;
  }
  const Number* number() const { return std::get_if<Number>(&value); }
};

// One item between the brackets of an index, its numbers evaluated.
struct IndexEntry {
  enum class Kind { kAt, kSlice, kNewAxis, kEllipsis };
  Kind kind = Kind::kSlice;
  SourceRange range;
  int64_t at = 0;                 // kAt; negative from the end
  absl::optional<int64_t> lower;  // kSlice; negative from the end
  absl::optional<int64_t> upper;
  int64_t step = 1;
};

class ExpressionBuilder {
 public:
  // Where a value was defined, for messages; a range without a file where it is not known.
  using Places = std::function<SourceRange(const ir::Value*)>;

  ExpressionBuilder(ir::Builder& builder, Diagnostics& diagnostics, Places places)
      : builder_(&builder), diagnostics_(&diagnostics), places_(std::move(places)) {}

  // From now on operations go to another region.
  void SetBuilder(ir::Builder& builder) { builder_ = &builder; }
  ir::Builder& builder() { return *builder_; }

  ir::Value* Unary(ast::UnaryOperator op, SourceRange op_range, const Operand& x);
  // Any operator but `@`.
  ir::Value* Binary(ast::BinaryOperator op, SourceRange op_range, const Operand& a, const Operand& b);
  // a @ b; `transpose_a` where `.T` stands directly on it (and `a` is what it stands on).
  ir::Value* MatrixMultiply(SourceRange op_range, const Operand& a, bool transpose_a, const Operand& b,
                            bool transpose_b);
  ir::Value* Transpose(SourceRange where, const Operand& x);
  ir::Value* Cast(SourceRange where, ir::DType type, const Operand& x);
  ir::Value* Index(SourceRange where, const Operand& x, const std::vector<IndexEntry>& entries);
  // A call by mnemonic. Arguments in the order in which a printed graph has them: leading text (`einsum`), operands (of
  // a variadic operation one list), then positional and named attributes.
  ir::Value* Call(SourceRange callee, ir::Op op, std::vector<Operand> arguments);
  // A scalar literal.
  ir::Value* Literal(const Operand& number, ir::DType type);

  // Any operation, its operands and attributes complete; the caret of an error goes to `where`.
  ir::Value* Emit(SourceRange where, ir::Op op, const std::vector<Operand>& operands,
                  std::vector<ir::AttributeValue> attributes = {});

  // Adds `name : type   defined at …` for what an error is about.
  void Explain(Diagnostic& error, const std::vector<Operand>& operands) const;

 private:
  // Gives the literals among the operands the type of the others, from operand `first` on; false after an error.
  bool TypeLiterals(SourceRange where, absl::string_view what, std::vector<Operand>& operands, size_t first);
  absl::optional<ir::AttributeValue> ConvertAttribute(ir::Op op, const ir::AttributeSchema& schema,
                                                      const Operand& argument, int64_t rank);
  absl::optional<ir::AttributeValue> DefaultAttribute(ir::Op op, const ir::AttributeSchema& schema, int64_t rank);

  ir::Builder* builder_;
  Diagnostics* diagnostics_;
  Places places_;
};

}  // namespace gradus::frontend
