#include "ir/op.h"

#include "absl/container/flat_hash_map.h"
#include "ir/check.h"

namespace gradus::ir {
namespace {

using enum TypeSet;
using enum Domain;
using enum AttributeKind;
using enum AttributeForm;

// The attribute lists of the rows that have one, each with a name of its own so that OpInfo can point at it.
#define ATTRIBUTE(name, kind, form) \
  AttributeSchema { name, kind, form }
#define CONVERT(name, mnemonic, doc, ...) \
  constexpr std::initializer_list<AttributeSchema> k##name##Attributes = {__VA_ARGS__};
#define STRUCTURAL(name, mnemonic, arity, doc, ...) \
  constexpr std::initializer_list<AttributeSchema> k##name##Attributes = {__VA_ARGS__};
#define SPECIAL(name, mnemonic, arity, doc, ...) \
  constexpr std::initializer_list<AttributeSchema> k##name##Attributes = {__VA_ARGS__};
#include "ir/ops.def"

constexpr absl::Span<const AttributeSchema> kNoAttributes;

const OpInfo kTable[] = {
#define UNARY(name, mnemonic, types, y, dx, singular, domain, doc) \
  {Op::k##name, OpFamily::kUnary, #name, mnemonic, "", 1, types, domain, doc, kNoAttributes},
#define BINARY(name, mnemonic, infix, types, y, da, db, singular, domain, doc) \
  {Op::k##name, OpFamily::kBinary, #name, mnemonic, infix, 2, types, domain, doc, kNoAttributes},
#define TERNARY(name, mnemonic, types, y, da, db, dc, domain, doc) \
  {Op::k##name, OpFamily::kTernary, #name, mnemonic, "", 3, types, domain, doc, kNoAttributes},
#define COMPARE(name, mnemonic, infix, types, y, doc) \
  {Op::k##name, OpFamily::kCompare, #name, mnemonic, infix, 2, types, kAny, doc, kNoAttributes},
#define PREDICATE(name, mnemonic, types, y, doc) \
  {Op::k##name, OpFamily::kPredicate, #name, mnemonic, "", 1, types, kAny, doc, kNoAttributes},
#define LOGIC(name, mnemonic, infix, arity, y, doc) \
  {Op::k##name, OpFamily::kLogic, #name, mnemonic, infix, arity, kBoolean, kAny, doc, kNoAttributes},
#define SELECT(name, mnemonic, doc) \
  {Op::k##name, OpFamily::kSelect, #name, mnemonic, "", 3, kAnyType, kAny, doc, kNoAttributes},
#define CONVERT(name, mnemonic, doc, ...) \
  {Op::k##name, OpFamily::kConvert, #name, mnemonic, "", 1, kAnyType, kAny, doc, k##name##Attributes},
#define STRUCTURAL(name, mnemonic, arity, doc, ...) \
  {Op::k##name, OpFamily::kStructural, #name, mnemonic, "", arity, kAnyType, kAny, doc, k##name##Attributes},
#define SPECIAL(name, mnemonic, arity, doc, ...) \
  {Op::k##name, OpFamily::kSpecial, #name, mnemonic, "", arity, kAnyType, kAny, doc, k##name##Attributes},
#define ATTRIBUTE(...)
#include "ir/ops.def"
};

}  // namespace

bool Contains(TypeSet set, DType type) {
  switch (set) {
    case kAnyType:
      return true;
    case kNumeric:
      return type != DType::kBool;
    case kFloating:
      return IsFloat(type);
    case kBoolean:
      return type == DType::kBool;
  }
  return false;
}

absl::string_view Describe(TypeSet set) {
  switch (set) {
    case kAnyType:
      return "any type";
    case kNumeric:
      return "a number type";
    case kFloating:
      return "a floating-point type";
    case kBoolean:
      return "bool";
  }
  return "";
}

const OpInfo& Info(Op op) { return kTable[static_cast<size_t>(op)]; }

absl::Span<const OpInfo> AllOps() { return kTable; }

absl::optional<Op> FindMnemonic(absl::string_view mnemonic) {
  static const auto* const kByMnemonic = [] {
    auto* map = new absl::flat_hash_map<absl::string_view, Op>;
    for (const OpInfo& info : kTable) CHECK(map->emplace(info.mnemonic, info.op).second) << info.mnemonic;
    return map;
  }();
  const auto found = kByMnemonic->find(mnemonic);
  return found == kByMnemonic->end() ? absl::nullopt : absl::make_optional(found->second);
}

absl::optional<AttributeValue> DefaultOf(const AttributeSchema& schema, size_t axes) {
  switch (schema.form) {
    case AttributeForm::kPositional:
    case AttributeForm::kRequired:
      return absl::nullopt;
    case AttributeForm::kOptional:
      return AttributeValue(std::string());
    case AttributeForm::kZero:
    case AttributeForm::kOne:
      const int64_t number = schema.form == AttributeForm::kOne ? 1 : 0;
      return schema.kind == AttributeKind::kInt ? AttributeValue(number) : AttributeValue(Ints(axes, number));
  }
  return absl::nullopt;
}

bool IsDefault(const AttributeSchema& schema, const AttributeValue& value) {
  const auto* list = std::get_if<Ints>(&value);
  return DefaultOf(schema, list != nullptr ? list->size() : 0) == value;
}

}  // namespace gradus::ir
