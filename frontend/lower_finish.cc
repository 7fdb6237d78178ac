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

void Lowering::SettleNames(ir::Graph& graph) {
  const bool gradients = std::any_of(graph.body.statements.begin(), graph.body.statements.end(),
                                     [](const auto& s) { return s->op == Op::kGrad; });
  // Without a gradient a rule for it says nothing.
  if (!gradients && !options_.keep_rules) {
    ir::ValueMap plain;
    for (const auto& statement : graph.body.statements) {
      for (ir::Value*& operand : statement->operands) {
        const auto found = plain.find(operand);
        if (found != plain.end()) operand = found->second;
      }
      if (statement->op != Op::kCustomVjp) continue;
      ir::Value* value = statement->operands[0];
      ir::Value* result = statement->result();
      if (value->name.empty()) {
        value->name = std::exchange(result->name, "");
        hints_.erase(value);
      }
      plain[result] = value;
    }
    ir::ReplaceUses(graph, plain);
    ir::EraseIf(graph.body, [](const ir::Statement& s) { return s.op == Op::kCustomVjp; });
  }
  Prune(graph);

  // What is used once, in the same section, belongs to the statement that uses it; anything else needs a name.
  const ir::Uses uses(graph);
  std::vector<ir::Value*> unnamed;
  for (auto it = graph.body.statements.rbegin(); it != graph.body.statements.rend(); ++it) {
    ir::Statement& statement = **it;
    if (statement.results.size() != 1 || !statement.result()->name.empty()) continue;
    ir::Value* value = statement.result();
    const auto of = uses.of(value);
    const bool literal = statement.op == Op::kConstant && value->type.rank() == 0;
    if (of.size() == 1 && of[0].user != nullptr && of[0].user->section == statement.section) {
      ir::Note note = of[0].user->note;
      note.aliases.clear();
      if (ir::MayNest(*value, of, note) || literal) {
        statement.note = of[0].user->note;
        continue;
      }
      // MayNest compares the note too.
      ir::Note old = std::exchange(statement.note, note);
      if (ir::MayNest(*value, of, note)) continue;
      statement.note = std::move(old);
    }
    if (!literal && hints_.count(value) > 0) unnamed.push_back(value);
  }
  for (auto it = unnamed.rbegin(); it != unnamed.rend(); ++it) (*it)->name = names_.Unique(hints_[*it]);

  ir::NameUnnamed(graph);
  // The parameters of regions are called after their operands, which have names now.
  const auto name_parameters = [](const auto& self, ir::Region& region) -> void {
    for (const auto& statement : region.statements) {
      if (statement->op != Op::kCustomVjp) continue;
      for (size_t i = 1; i < statement->operands.size(); ++i) {
        statement->region->parameters[i]->name = statement->operands[i]->name;
      }
      // A name that the body gave away already gets another number there.
      ir::NameTable names(*statement->region);
      absl::flat_hash_set<std::string> taken;
      for (const auto& parameter : statement->region->parameters) taken.insert(parameter->name);
      for (const auto& inner : statement->region->statements) {
        for (const auto& value : inner->results) {
          if (taken.contains(value->name)) value->name = names.Unique(value->name);
        }
      }
      self(self, *statement->region);
    }
  };
  name_parameters(name_parameters, graph.body);
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
