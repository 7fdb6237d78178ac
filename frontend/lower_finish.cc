#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "frontend/lowering.h"
#include "ir/verifier.h"

namespace gradus::frontend {

// Drops what nothing needs. A step keeps every value that has a name, for its reader; the other entries keep what their
// outputs need. Params and states stay: the entries of a program share them.
void Lowering::Prune(ir::Graph& graph) const {
  absl::flat_hash_set<const ir::Statement*> live;
  std::vector<const ir::Statement*> pending;
  const auto add = [&](const ir::Statement* statement) {
    if (statement != nullptr && live.insert(statement).second) pending.push_back(statement);
  };
  for (const ir::Output& output : graph.outputs) add(output.value->definition);
  const bool step = entry_ == Entry::kStep;
  for (const auto& statement : graph.body.statements) {
    const bool kept = statement->op == Op::kNext || statement->op == Op::kParam || statement->op == Op::kState;
    bool named = false;
    for (const auto& result : statement->results) named |= !result->name.empty();
    const bool counter = statement->op == Op::kInput && counter_inputs_.count(statement->result()->name) > 0;
    if (kept || (step && named && !counter)) add(statement.get());
  }
  while (!pending.empty()) {
    const ir::Statement* statement = pending.back();
    pending.pop_back();
    for (const ir::Value* operand : statement->operands) add(operand->definition);
  }
  ir::EraseIf(graph.body, [&](const ir::Statement& s) { return !live.contains(&s); });
}

namespace {

// Without a gradient a rule for it says nothing.
void DropRules(ir::Region& region, absl::flat_hash_map<const ir::Value*, std::string>& hints, ir::ValueMap& plain) {
  for (const auto& statement : region.statements) {
    for (ir::Value*& operand : statement->operands) {
      const auto found = plain.find(operand);
      if (found != plain.end()) operand = found->second;
    }
    if (statement->op != ir::Op::kCustomVjp) {
      if (statement->region != nullptr) DropRules(*statement->region, hints, plain);
      continue;
    }
    ir::Value* value = statement->operands[0];
    ir::Value* result = statement->result();
    if (value->name.empty()) {
      value->name = std::exchange(result->name, "");
      hints.erase(value);
    }
    plain[result] = value;
  }
  for (ir::Value*& yield : region.yields) {
    const auto found = plain.find(yield);
    if (found != plain.end()) yield = found->second;
  }
  ir::EraseIf(region, [](const ir::Statement& s) { return s.op == ir::Op::kCustomVjp; });
}

// What is used once, in the same section, belongs to the statement that uses it, and has its note; anything else needs
// a name and is added to `unnamed`, last first. `holder` is the statement that holds the region, or null.
void NestOnceUsed(ir::Region& region, const ir::Uses& uses, const ir::Statement* holder,
                  std::vector<ir::Value*>& unnamed) {
  for (auto it = region.statements.rbegin(); it != region.statements.rend(); ++it) {
    ir::Statement& statement = **it;
    if (statement.region != nullptr) {
      std::vector<ir::Value*> inner;
      NestOnceUsed(*statement.region, ir::Uses(*statement.region), &statement, inner);
    }
    if (statement.results.size() != 1 || !statement.result()->name.empty()) continue;
    ir::Value* value = statement.result();
    const auto of = uses.of(value);
    const bool literal = statement.op == ir::Op::kConstant && value->type.rank() == 0;
    const ir::Statement* user = of.size() != 1 ? nullptr : of[0].user != nullptr ? of[0].user : holder;
    if (user != nullptr && (of[0].user == nullptr || user->section == statement.section)) {
      ir::Note note = user->note;
      note.aliases.clear();
      // MayNest compares the note too.
      const ir::Note old = std::exchange(statement.note, note);
      if (literal || ir::MayNest(*value, of, note)) continue;
      statement.note = old;
    }
    if (!literal) unnamed.push_back(value);
  }
}

}  // namespace

void Lowering::SettleNames(ir::Graph& graph) {
  const bool gradients = std::any_of(graph.body.statements.begin(), graph.body.statements.end(),
                                     [](const auto& s) { return s->op == Op::kGrad; });
  if (!gradients && !options_.keep_rules) {
    ir::ValueMap plain;
    DropRules(graph.body, hints_, plain);
    ir::ReplaceUses(graph, plain);
  }
  Prune(graph);
  std::vector<ir::Value*> unnamed;
  NestOnceUsed(graph.body, ir::Uses(graph), nullptr, unnamed);
  for (auto it = unnamed.rbegin(); it != unnamed.rend(); ++it) {
    if (hints_.count(*it) > 0) (*it)->name = names_.Unique(hints_[*it]);
  }
  ir::NameUnnamed(graph);
}

ir::Graph Lowering::Finish(std::string name) {
  graph_.name = std::move(name);
  std::vector<std::unique_ptr<ir::Statement>> body = std::move(graph_.body.statements);
  graph_.body.statements.clear();
  for (ir::Region* region : {&inputs_, &params_, &states_}) {
    for (auto& statement : region->statements) graph_.body.statements.push_back(std::move(statement));
  }
  for (auto& statement : body) graph_.body.statements.push_back(std::move(statement));
  SettleNames(graph_);
  if (const absl::Status status = ir::Verify(graph_); !status.ok()) diagnostics_.Append(status);
  return std::move(graph_);
}

}  // namespace gradus::frontend
