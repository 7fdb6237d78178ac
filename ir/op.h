// Operations: their names, arity, attributes and traits, read from ir/ops.def.
#pragma once

#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "ir/type.h"

namespace gradus::ir {

enum class Op : uint8_t {
#define UNARY(name, ...) k##name,
#define BINARY(name, ...) k##name,
#define TERNARY(name, ...) k##name,
#define COMPARE(name, ...) k##name,
#define PREDICATE(name, ...) k##name,
#define LOGIC(name, ...) k##name,
#define SELECT(name, ...) k##name,
#define CONVERT(name, ...) k##name,
#define STRUCTURAL(name, ...) k##name,
#define SPECIAL(name, ...) k##name,
#define ATTRIBUTE(...)
#include "ir/ops.def"
};

enum class OpFamily : uint8_t {
  kUnary,
  kBinary,
  kTernary,
  kCompare,
  kPredicate,
  kLogic,
  kSelect,
  kConvert,
  kStructural,
  kSpecial
};

// Which element types the operands of an elementwise operation may have.
enum class TypeSet : uint8_t { kAnyType, kNumeric, kFloating, kBoolean };
bool Contains(TypeSet set, DType type);
absl::string_view Describe(TypeSet set);  // `a floating-point type`

// Where tests sample the operands of an elementwise operation.
enum class Domain : uint8_t {
  kAny,
  kNonZero,
  kNonInteger,
  kNonHalf,
  kPositive,
  kNonZeroB,
  kNonIntegerRatio,
  kPositiveA,
  kDistinct
};

enum class AttributeKind : uint8_t { kInt, kInts, kText, kType, kKey };

// kPositional attributes are written without their name after the operands. The others have defaults, and print only
// where they differ from them: kOptional (text) is empty, kZero and kOne are that number, on every axis where they are
// integers.
enum class AttributeForm : uint8_t { kPositional, kRequired, kOptional, kZero, kOne };

using Ints = Shape;
using AttributeValue = std::variant<int64_t, Ints, std::string, DType, uint64_t>;  // in the order of AttributeKind

struct AttributeSchema {
  absl::string_view name;
  AttributeKind kind;
  AttributeForm form;
};

// What an attribute is where nothing says it, for an operation over `axes` axes; none where it must be said.
absl::optional<AttributeValue> DefaultOf(const AttributeSchema& schema, size_t axes);
bool IsDefault(const AttributeSchema& schema, const AttributeValue& value);

inline constexpr int kVariadic = -1;

struct OpInfo {
  Op op;
  OpFamily family;
  absl::string_view name;      // `Tanh`
  absl::string_view mnemonic;  // `tanh`
  absl::string_view infix;     // `+`, or empty
  int arity;                   // or kVariadic
  TypeSet types;               // elementwise operations
  Domain domain;               // elementwise operations
  absl::string_view doc;
  absl::Span<const AttributeSchema> attributes;
};

const OpInfo& Info(Op op);
absl::Span<const OpInfo> AllOps();                            // in the order of the table
absl::optional<Op> FindMnemonic(absl::string_view mnemonic);  // `tanh`

// One output element depends on one element of each operand at the same (broadcast) index.
inline bool IsElementwise(Op op) { return Info(op).family < OpFamily::kStructural; }
inline bool IsDeclaration(Op op) { return op == Op::kInput || op == Op::kParam || op == Op::kState; }
inline bool IsReduction(Op op) { return op == Op::kReduceSum || op == Op::kReduceMax || op == Op::kReduceMin; }

}  // namespace gradus::ir
