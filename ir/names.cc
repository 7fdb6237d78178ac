#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/control.h"

namespace gradus::ir {
namespace {

bool IsScalarLiteral(const Value& value) {
  return value.definition != nullptr && value.definition->op == Op::kConstant && value.type.rank() == 0 &&
         value.name.empty();
}

// Operands that the text writes as names: of `next`, `grad`, `fused`, captures, all but the value of a custom vjp.
bool OperandIsName(const Statement& user, int operand) {
  switch (user.op) {
    case Op::kNext:
      return operand == 0;
    case Op::kFused:
      return true;
    case Op::kCustomVjp:
      return operand != 0;
    case Op::kGrad:
      return true;
    case Op::kScan:
    case Op::kWhile:
    case Op::kBranch:
      return static_cast<size_t>(operand) >= RegionOperandsOf(user).first_capture;
    default:
      return false;
  }
}

}  // namespace

NameTable::NameTable(const Region& region) {
  for (const auto& parameter : region.parameters) names_.emplace(parameter->name, 1);
  for (const auto& statement : region.statements) {
    for (const auto& result : statement->results) {
      if (!result->name.empty()) names_.emplace(result->name, 1);
    }
  }
}

std::string NameTable::Unique(absl::string_view wanted) {
  if (names_.emplace(std::string(wanted), 1).second) return std::string(wanted);
  // A name has one prime: after `h'2` comes `h'3`.
  std::string base(wanted.substr(0, wanted.find('\'')));
  int count = std::max(names_[base], 1);
  std::string candidate;
  do {
    candidate = absl::StrCat(base, "'", ++count);
  } while (!names_.emplace(candidate, 1).second);
  names_[base] = count;
  return candidate;
}

bool MayNest(const Value& value, absl::Span<const Use> uses, const Note& yield_note) {
  if (value.definition == nullptr || !value.name.empty() || uses.size() != 1) return false;
  const Statement& definition = *value.definition;
  if (definition.results.size() != 1 || definition.region != nullptr ||
      Info(definition.op).family == OpFamily::kSpecial) {
    return false;
  }
  if (definition.op == Op::kConstant && value.type.rank() != 0) return false;
  if (!definition.note.aliases.empty()) return false;
  const Use& use = uses[0];
  if (use.user == nullptr) return definition.note.SamePosition(yield_note);
  return !OperandIsName(*use.user, use.operand) && definition.note.SamePosition(use.user->note) &&
         definition.section == use.user->section;
}

namespace {

using Origins = absl::flat_hash_map<const Value*, std::string>;

// The name after its origin of an unnamed value. `known` has those of later values: without them this recurses.
std::string Origin(const Value& value, const Uses& uses, const Origins& known) {
  const Statement& definition = *value.definition;
  for (const Use& use : uses.of(&value)) {
    if (use.user != nullptr && use.user->op == Op::kNext) return absl::StrCat(use.user->operands[0]->name, ".next");
  }
  // What an optimizer computes is noted `of` it, and is no adjoint.
  const bool adjoint = !definition.note.of.empty() && definition.section != "update";
  if (adjoint) return absl::StrCat("d.", definition.note.of);
  for (const Use& use : uses.of(&value)) {
    if (use.user == nullptr) continue;
    for (const auto& result : use.user->results) {
      std::string name = result->name;
      if (name.empty()) {
        const auto found = known.find(result.get());
        name = found != known.end() ? found->second : Origin(*result, uses, known);
      }
      if (absl::EndsWith(name, ".next")) name = absl::StrCat(name.substr(0, name.size() - 5), ".update");
      return name.substr(0, name.find('\''));
    }
  }
  // `scan`, `while`, `and` are words of the language.
  if (definition.region != nullptr) return "result";
  return Info(definition.op).family == OpFamily::kLogic ? "condition" : std::string(Info(definition.op).mnemonic);
}

}  // namespace

std::string NameAfterOrigin(const Value& value, const Uses& uses) { return Origin(value, uses, {}); }

namespace {

// An expression nests no deeper than this: the text stays readable, and whoever recurses over it stays on the stack.
constexpr int kMaxNesting = 64;

class Naming {
 public:
  // `yield_note` is what a nested yield of the region inherits; null for the body of the graph, whose outputs are
  // named.
  Naming(Region& region, const Note* yield_note, absl::Span<const Output> outputs)
      : region_(region), yield_note_(yield_note), outputs_(outputs), names_(region) {}

  bool Run() {
    SplitLiterals();
    uses_ = Uses(region_);
    AlignNotes();
    NameValues();
    Reorder();
    for (const auto& statement : region_.statements) {
      if (statement->region == nullptr) continue;
      changed_ |= AlignCaptures(*statement);
      changed_ |= Naming(*statement->region, &statement->note, {}).Run();
    }
    return changed_;
  }

 private:
  // Every use of a scalar literal gets its own statement.
  void SplitLiterals() {
    absl::flat_hash_set<const Value*> seen;
    std::vector<std::unique_ptr<Statement>> statements;
    const auto own = [&](Value*& operand) {
      if (!IsScalarLiteral(*operand) || seen.insert(operand).second) return;
      ValueMap map;
      statements.push_back(CloneStatement(*operand->definition, map));
      operand = statements.back()->result();
      changed_ = true;
    };
    for (auto& statement : region_.statements) {
      for (Value*& operand : statement->operands) own(operand);
      statements.push_back(std::move(statement));
    }
    for (Value*& yield : region_.yields) own(yield);
    region_.statements = std::move(statements);
  }

  // A literal has no history of its own: it carries that of its user.
  void AlignNotes() {
    for (auto it = region_.statements.rbegin(); it != region_.statements.rend(); ++it) {
      Statement& statement = **it;
      if (statement.results.size() != 1 || !IsScalarLiteral(*statement.result())) continue;
      const auto uses = uses_.of(statement.result());
      if (uses.size() != 1) continue;
      const Note* note = uses[0].user != nullptr ? &uses[0].user->note : yield_note_;
      if (note == nullptr) continue;
      if (!statement.note.SamePosition(*note) || !statement.note.aliases.empty()) {
        statement.note = *note;
        statement.note.aliases.clear();
        changed_ = true;
      }
      if (uses[0].user != nullptr && statement.section != uses[0].user->section) {
        statement.section = uses[0].user->section;
        changed_ = true;
      }
    }
  }

  // Users come later in the list, so walking backwards finds them decided.
  void NameValues() {
    for (const Output& output : outputs_) {
      if (!output.value->name.empty()) continue;
      output.value->name = names_.Unique(output.name);
      changed_ = true;
    }
    std::vector<Value*> unnamed;
    for (auto it = region_.statements.rbegin(); it != region_.statements.rend(); ++it) {
      for (const auto& result : (*it)->results) {
        if (!result->name.empty()) continue;
        origin_[result.get()] = Origin(*result, uses_, origin_);
        if (!Nests(*result)) unnamed.push_back(result.get());
      }
    }
    // Numbered in text order.
    for (auto it = unnamed.rbegin(); it != unnamed.rend(); ++it) {
      (*it)->name = names_.Unique(origin_[*it]);
      changed_ = true;
    }
  }

  // Whether the value stays unnamed; notes how deep it prints.
  bool Nests(const Value& value) {
    const auto uses = uses_.of(&value);
    if (!MayNest(value, uses, yield_note_ ? *yield_note_ : Note())) return false;
    const Statement* user = uses[0].user;
    int depth = 1;
    if (user != nullptr && user->results.size() == 1) {
      const auto outer = depth_.find(user->result());
      if (outer != depth_.end()) depth += outer->second;
    }
    if (depth > kMaxNesting && !IsScalarLiteral(value)) return false;
    depth_[&value] = depth;
    return true;
  }

  // A nested value stands right before its root, operands first, as the reader of the text creates it.
  void Reorder() {
    absl::flat_hash_map<const Statement*, std::unique_ptr<Statement>> nested;
    std::vector<std::unique_ptr<Statement>> statements;
    std::vector<const Statement*> before, after;
    for (auto& statement : region_.statements) {
      before.push_back(statement.get());
      if (statement->results.size() == 1 && statement->result()->name.empty() &&
          !uses_.of(statement->result()).empty()) {
        const Statement* key = statement.get();
        nested.emplace(key, std::move(statement));
        continue;
      }
      Place(*statement, nested, statements);
      statements.push_back(std::move(statement));
    }
    for (Value* yield : region_.yields) PlaceValue(yield, nested, statements);
    CHECK(nested.empty()) << "an unnamed value is used outside its region";
    region_.statements = std::move(statements);
    for (const auto& statement : region_.statements) after.push_back(statement.get());
    changed_ |= before != after;
  }

  using Pending = absl::flat_hash_map<const Statement*, std::unique_ptr<Statement>>;
  void Place(const Statement& root, Pending& nested, std::vector<std::unique_ptr<Statement>>& out) {
    for (Value* operand : root.operands) PlaceValue(operand, nested, out);
  }
  void PlaceValue(Value* value, Pending& nested, std::vector<std::unique_ptr<Statement>>& out) {
    if (value->definition == nullptr) return;
    const auto found = nested.find(value->definition);
    if (found == nested.end()) return;
    std::unique_ptr<Statement> statement = std::move(found->second);
    nested.erase(found);
    Place(*statement, nested, out);
    out.push_back(std::move(statement));
  }

  Region& region_;
  const Note* yield_note_;
  absl::Span<const Output> outputs_;
  NameTable names_;
  Uses uses_ = Uses(Region());
  Origins origin_;                                // of unnamed values
  absl::flat_hash_map<const Value*, int> depth_;  // of values that stay unnamed, in the expression that holds them
  bool changed_ = false;
};

}  // namespace

bool NameUnnamed(Graph& graph) { return Naming(graph.body, nullptr, graph.outputs).Run(); }

}  // namespace gradus::ir
