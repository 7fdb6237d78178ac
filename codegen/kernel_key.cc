#include "codegen/kernel_key.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ir/printer.h"

namespace gradus::codegen {
namespace {

using ir::Statement;

std::string AttributeKey(const ir::AttributeValue& value) {
  struct {
    std::string operator()(int64_t v) const { return absl::StrCat(v); }
    std::string operator()(const ir::Ints& v) const { return absl::StrCat("[", absl::StrJoin(v, ","), "]"); }
    std::string operator()(const std::string& v) const { return v; }
    std::string operator()(ir::DType v) const { return std::string(ir::Name(v)); }
    std::string operator()(uint64_t v) const { return absl::StrCat(v); }
  } text;
  return std::visit(text, value);
}

using Numbers = absl::flat_hash_map<const ir::Value*, int>;

void Append(const Statement& s, Numbers& numbers, std::string& key) {
  absl::StrAppend(&key, ir::Info(s.op).mnemonic);
  for (const ir::AttributeValue& a : s.attributes) absl::StrAppend(&key, " ", AttributeKey(a));
  if (s.literal)
    absl::StrAppend(&key, " ",
                    absl::CHexEscape({reinterpret_cast<const char*>(s.literal->bytes()),
                                      static_cast<size_t>(s.literal->byte_size())}));
  if (s.op != ir::Op::kFused && MayFault(s)) {
    absl::StrAppend(&key, " at ", s.result()->name, " ", s.note.file, ":", s.note.line, ":", s.note.column);
  }
  const auto number = [&](const ir::Value* v) {
    return numbers.emplace(v, static_cast<int>(numbers.size())).first->second;
  };
  for (const ir::Value* operand : s.operands) {
    // Scalar literals outside of a region become part of the code.
    const Statement* d = operand->definition;
    if (d != nullptr && d->op == ir::Op::kConstant && d->literal->size() == 1 && !numbers.contains(operand)) {
      Append(*d, numbers, key);
    }
    absl::StrAppend(&key, " %", number(operand), " ", ir::ToString(operand->type));
  }
  if (s.region != nullptr) {
    absl::StrAppend(&key, "{");
    for (const auto& p : s.region->parameters) absl::StrAppend(&key, "%", number(p.get()), " ");
    for (const auto& inner : s.region->statements) Append(*inner, numbers, key);
    for (const ir::Value* y : s.region->yields) absl::StrAppend(&key, " yield %", number(y));
    absl::StrAppend(&key, "}");
  }
  for (const auto& r : s.results) absl::StrAppend(&key, " -> %", number(r.get()), " ", ir::ToString(r->type));
  absl::StrAppend(&key, ";");
}

}  // namespace

bool MayFault(const Statement& statement) {
  if (statement.op == ir::Op::kGather || statement.op == ir::Op::kScatterAdd) return true;
  if (statement.op != ir::Op::kFused) return false;
  return std::any_of(statement.region->statements.begin(), statement.region->statements.end(),
                     [](const auto& s) { return MayFault(*s); });
}

std::string KernelKey(const Statement& statement) {
  Numbers numbers;
  std::string key;
  Append(statement, numbers, key);
  return key;
}

}  // namespace gradus::codegen
