#include "passes/fuse_groups.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "ir/check.h"
#include "ir/printer.h"

namespace gradus::passes {

using ir::Op;
using ir::Statement;
using ir::Value;

namespace {

bool IsScalarLiteral(const Statement& s) { return s.op == Op::kConstant && s.result()->type.rank() == 0; }
bool IsCopied(const Statement& s) { return IsScalarLiteral(s) || IsCheapAccess(s); }

bool MayFuse(const Statement& s) { return s.results.size() == 1 && !IsCheapAccess(s) && ir::IsKernelOfOneStatement(s); }

}  // namespace

bool IsCheapAccess(const Statement& s) {
  switch (s.op) {
    case Op::kReshape:
      return ir::SameButUnitAxes(s.operands[0]->type.shape, s.result()->type.shape);
    case Op::kBroadcast:
    case Op::kSlice:
    case Op::kIota:
    case Op::kOneHot:
      return true;
    default:
      return false;
  }
}

Groups::Groups(const ir::Graph& graph) : uses_(graph) {
  const auto& statements = graph.body.statements;
  for (size_t i = 0; i < statements.size(); ++i) position_.emplace(statements[i].get(), static_cast<int>(i));
  // An access that a contraction, an opaque statement, an output or a `next` reads has to exist; backwards, so that an
  // access of it does too.
  for (auto it = statements.rbegin(); it != statements.rend(); ++it) {
    const Statement& s = **it;
    if (!IsCheapAccess(s)) continue;
    for (const ir::Use& use : uses_.of(s.result())) {
      const bool copied = use.user != nullptr && ((MayFuse(*use.user) && use.user->op != Op::kDot) ||
                                                  (IsCheapAccess(*use.user) && !materialized_.contains(use.user)));
      if (!copied) materialized_.emplace(&s, true);
    }
  }
  for (const auto& s : statements) {
    if (ir::IsDeclaration(s->op) || IsScalarLiteral(*s)) continue;
    if (IsCheapAccess(*s) && !materialized_.contains(s.get())) continue;
    const int node = size();
    node_of_.emplace(s.get(), node);
    nodes_.push_back({s.get(), position_.at(s.get()), MayFuse(*s)});
    for (const auto& result : s->results) {
      for (const ir::Use& use : uses_.of(result.get())) nodes_.back().escapes |= use.user == nullptr;
    }
    for (const Value* operand : s->operands) AddInputs(node, operand, MayFuse(*s) && s->op != Op::kDot);
    group_.push_back(node);
    members_.push_back({node});
  }
  version_.assign(nodes_.size(), 0);
  for (int node = 0; node < size(); ++node) {
    for (int input : nodes_[node].inputs) nodes_[input].users.push_back(node);
  }
}

void Groups::AddInputs(int node, const Value* operand, bool through_accesses) {
  const Statement* definition = operand->definition;
  if (definition == nullptr || ir::IsDeclaration(definition->op) || IsScalarLiteral(*definition)) return;
  if (IsCheapAccess(*definition) && (through_accesses || !materialized_.contains(definition))) {
    for (const Value* source : definition->operands) AddInputs(node, source, through_accesses);
    return;
  }
  const int input = node_of_.at(definition);
  std::vector<int>& inputs = nodes_[node].inputs;
  if (std::find(inputs.begin(), inputs.end(), input) == inputs.end()) inputs.push_back(input);
}

void Groups::Join(int a, int b) {
  const int kept = std::min(a, b), gone = std::max(a, b);
  std::vector<int> merged;
  std::merge(members_[kept].begin(), members_[kept].end(), members_[gone].begin(), members_[gone].end(),
             std::back_inserter(merged));
  for (int node : members_[gone]) group_[node] = kept;
  members_[kept] = std::move(merged);
  members_[gone].clear();
  ++version_[kept];
  ++version_[gone];
}

int Groups::OnlyReader(int node) const {
  if (nodes_[node].escapes || nodes_[node].users.empty()) return -1;
  const int reader = group_[nodes_[node].users.front()];
  for (int user : nodes_[node].users) {
    if (group_[user] != reader) return -1;
  }
  return reader;
}

int Groups::NodeOf(const Statement& s) const {
  const auto found = node_of_.find(&s);
  return found == node_of_.end() ? -1 : found->second;
}

int Groups::GroupOf(const Value& value) const {
  const int node = value.definition == nullptr ? -1 : NodeOf(*value.definition);
  return node < 0 ? -1 : group_[node];
}

void Groups::Move(int node, int group) {
  // What the node reads was an ancestor already; that its old group may depend on less now is no harm.
  ++version_[group_[node]];
  ++version_[group];
  std::vector<int>& old = members_[group_[node]];
  old.erase(std::find(old.begin(), old.end(), node));
  std::vector<int>& members = members_[group];
  members.insert(std::lower_bound(members.begin(), members.end(), node), node);
  group_[node] = group;
}

void Groups::CollectAccesses(const Value* operand, std::vector<const Statement*>& out,
                             absl::flat_hash_map<const Statement*, bool>& seen) const {
  const Statement* definition = operand->definition;
  if (definition == nullptr || !IsCopied(*definition) || !seen.emplace(definition, true).second) return;
  for (const Value* source : definition->operands) CollectAccesses(source, out, seen);
  out.push_back(definition);
}

ir::RegionView Groups::View(absl::Span<const int> groups) const {
  std::vector<int> nodes;
  for (int g : groups) nodes.insert(nodes.end(), members_[g].begin(), members_[g].end());
  std::sort(nodes.begin(), nodes.end());
  const auto inside = [&](int node) { return std::find(groups.begin(), groups.end(), group_[node]) != groups.end(); };
  ir::RegionView view;
  absl::flat_hash_map<const Statement*, bool> seen;
  // What a contraction reads is a parameter for the others too.
  for (int node : nodes) {
    if (nodes_[node].statement->op != Op::kDot) continue;
    for (const Value* operand : nodes_[node].statement->operands) seen.emplace(operand->definition, true);
  }
  for (int node : nodes) {
    const Statement& s = *nodes_[node].statement;
    for (const Value* operand : s.operands) CollectAccesses(operand, view.statements, seen);
    view.statements.push_back(&s);
    const std::vector<int>& users = nodes_[node].users;
    if (nodes_[node].escapes || !std::all_of(users.begin(), users.end(), inside)) view.yields.push_back(s.result());
  }
  return view;
}

std::string Groups::DisplayName(const Value& value) const {
  if (!value.name.empty()) return value.name;
  for (const ir::Use& use : uses_.of(&value)) {
    if (use.user == nullptr) continue;
    if (use.user->op == Op::kNext) return "next " + use.user->operands[0]->name;
    for (const auto& result : use.user->results) return DisplayName(*result);
  }
  return ir::Print(*value.definition);
}

}  // namespace gradus::passes
