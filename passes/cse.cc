#include "passes/cse.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "passes/bodies.h"
#include "passes/dce.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

bool MayJoin(const Statement& s) {
  if (s.region != nullptr || s.results.size() != 1) return false;
  return s.op == Op::kConstant || ir::Info(s.op).family != ir::OpFamily::kSpecial;
}

void AppendAttribute(std::string& key, const ir::AttributeValue& attribute) {
  absl::StrAppend(&key, "|");
  if (const auto* number = std::get_if<int64_t>(&attribute)) {
    absl::StrAppend(&key, *number);
  } else if (const auto* numbers = std::get_if<ir::Ints>(&attribute)) {
    for (int64_t n : *numbers) absl::StrAppend(&key, n, ",");
  } else if (const auto* text = std::get_if<std::string>(&attribute)) {
    absl::StrAppend(&key, *text);
  } else if (const auto* type = std::get_if<ir::DType>(&attribute)) {
    absl::StrAppend(&key, static_cast<int>(*type));
  } else {
    absl::StrAppend(&key, std::get<uint64_t>(attribute));
  }
}

// The bytes of a literal; all NaNs are one value, as in its text.
void AppendElements(std::string& key, const ir::Tensor& literal) {
  ir::Dispatch(literal.type().element, [&](auto tag) {
    using T = decltype(tag);
    for (T element : literal.data<T>()) {
      if (element != element) element = std::numeric_limits<T>::quiet_NaN();
      key.append(reinterpret_cast<const char*>(&element), sizeof(element));
    }
  });
}

class Joiner {
 public:
  explicit Joiner(ir::Region& region) : region_(region) {}

  // Fills `replaced` with what goes, by what stays.
  bool Run(ir::ValueMap& replaced) {
    for (const auto& parameter : region_.parameters) numbers_.emplace(parameter.get(), numbers_.size());
    for (const auto& s : region_.statements) {
      if (MayJoin(*s)) {
        const auto [entry, fresh] = first_.emplace(Key(*s), s.get());
        if (!fresh) {
          Value* kept = entry->second->result();
          const size_t number = numbers_.at(kept);  // a copy: inserting may move the map
          numbers_.emplace(s->result(), number);
          // Every use of a scalar literal has its own: the number joins its users, not the literal.
          if (s->op == Op::kConstant && s->result()->type.rank() == 0) continue;
          KeepNames(*entry->second, *s);
          replaced.emplace(s->result(), kept);
          continue;
        }
      }
      for (const auto& result : s->results) numbers_.emplace(result.get(), numbers_.size());
    }
    return !replaced.empty();
  }

 private:
  std::string Key(const Statement& s) const {
    std::string key = absl::StrCat(static_cast<int>(s.op));
    std::vector<size_t> operands;
    for (const Value* operand : s.operands) operands.push_back(numbers_.at(operand));
    if (s.op == Op::kAdd || s.op == Op::kMul) std::sort(operands.begin(), operands.end());
    for (size_t operand : operands) absl::StrAppend(&key, " ", operand);
    for (const ir::AttributeValue& attribute : s.attributes) AppendAttribute(key, attribute);
    if (s.literal.has_value()) {
      absl::StrAppend(&key, ToString(s.literal->type()), ":");
      AppendElements(key, *s.literal);
    }
    return key;
  }

  static void KeepNames(Statement& kept, Statement& gone) {
    std::vector<std::string>& aliases = kept.note.aliases;
    if (!gone.result()->name.empty()) {
      if (kept.result()->name.empty()) {
        kept.result()->name = gone.result()->name;
      } else {
        aliases.push_back(gone.result()->name);
      }
    }
    aliases.insert(aliases.end(), gone.note.aliases.begin(), gone.note.aliases.end());
    gone.result()->name.clear();
  }

  ir::Region& region_;
  absl::flat_hash_map<const Value*, size_t> numbers_;  // equal values have equal numbers
  absl::flat_hash_map<std::string, Statement*> first_;
};

}  // namespace

absl::StatusOr<bool> EliminateCommonSubexpressions(ir::Graph& graph) {
  ASSIGN_OR_RETURN(const bool inside,
                   InBodies(graph, [](ir::Graph& body, Statement&) { return EliminateCommonSubexpressions(body); }));
  ir::ValueMap replaced;
  if (!Joiner(graph.body).Run(replaced)) return inside;
  ir::ReplaceUses(graph, replaced);
  ir::EraseIf(graph.body, [&](const Statement& s) { return s.results.size() == 1 && replaced.contains(s.result()); });
  RemoveUnnamedDeadCode(graph);
  return true;
}

}  // namespace gradus::passes
