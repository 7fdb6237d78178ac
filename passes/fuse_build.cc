#include "passes/fuse_build.h"

#include <algorithm>
#include <functional>
#include <queue>

#include "absl/container/flat_hash_set.h"
#include "ir/builder.h"
#include "ir/check.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Region;
using ir::RegionView;
using ir::Statement;
using ir::Value;

bool IsScalarLiteral(const Statement& s) { return s.op == Op::kConstant && s.result()->type.rank() == 0; }

// Region statements are copies; the originals go when nobody reads them any more.
class RegionBuilder {
 public:
  explicit RegionBuilder(const RegionView& view) : view_(view) {}

  std::unique_ptr<Statement> Build(ir::ValueMap& replaced) {
    auto fused = std::make_unique<Statement>();
    fused->op = Op::kFused;
    fused->region = std::make_unique<Region>();
    const Statement& last = *view_.yields.back()->definition;
    fused->section = last.section;
    fused->note = last.note;
    fused->note.aliases.clear();
    for (const Statement* s : view_.statements) Copy(*s, *fused);
    const ir::Uses inner(*fused->region);
    for (const Value* yield : view_.yields) {
      Value* inside = map_.at(yield);
      auto outside = std::make_unique<Value>();
      outside->definition = fused.get();
      outside->index = static_cast<int>(fused->results.size());
      outside->type = yield->type;
      outside->name = yield->name;
      // The result carries the name and its aliases; inside it is needed only where the region reads it.
      ir::Note& note = inside->definition->note;
      fused->note.aliases.insert(fused->note.aliases.end(), note.aliases.begin(), note.aliases.end());
      note.aliases.clear();
      replaced.emplace(yield, outside.get());
      fused->results.push_back(std::move(outside));
      fused->region->yields.push_back(inside);
      if (inner.of(inside).empty() && note.SamePosition(fused->note)) inside->name.clear();
    }
    return fused;
  }

 private:
  void Copy(const Statement& s, Statement& fused) {
    for (Value* operand : s.operands) {
      if (map_.contains(operand)) continue;
      auto parameter = std::make_unique<Value>();
      parameter->index = static_cast<int>(fused.region->parameters.size());
      parameter->type = operand->type;
      parameter->name = operand->name;
      CHECK(!operand->name.empty()) << "the operand of a region has no name";
      map_.emplace(operand, parameter.get());
      fused.operands.push_back(operand);
      fused.region->parameters.push_back(std::move(parameter));
    }
    fused.region->statements.push_back(ir::CloneStatement(s, map_));
    fused.region->statements.back()->section.clear();
  }

  const RegionView& view_;
  ir::ValueMap map_;
};

}  // namespace

bool NameValues(ir::Graph& graph, absl::FunctionRef<bool(const Value&)> wanted) {
  const ir::Uses uses(graph);
  ir::NameTable names(graph.body);
  std::vector<std::pair<Value*, std::string>> named;
  for (const auto& s : graph.body.statements) {
    for (const auto& result : s->results) {
      if (result->name.empty() && wanted(*result)) named.emplace_back(result.get(), ir::NameAfterOrigin(*result, uses));
    }
  }
  for (auto& [value, base] : named) value->name = names.Unique(base);
  return !named.empty();
}

void OrderStatements(Region& region, absl::Span<const int64_t> keys) {
  auto& statements = region.statements;
  absl::flat_hash_map<const Statement*, size_t> index;
  for (size_t i = 0; i < statements.size(); ++i) index.emplace(statements[i].get(), i);
  std::vector<std::vector<size_t>> users(statements.size());
  std::vector<int> waiting(statements.size(), 0);
  for (size_t i = 0; i < statements.size(); ++i) {
    for (const Value* operand : statements[i]->operands) {
      if (operand->definition == nullptr) continue;
      users[index.at(operand->definition)].push_back(i);
      ++waiting[i];
    }
  }
  using Entry = std::pair<int64_t, size_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready;
  for (size_t i = 0; i < statements.size(); ++i) {
    if (waiting[i] == 0) ready.emplace(keys[i], i);
  }
  std::vector<std::unique_ptr<Statement>> ordered;
  while (!ready.empty()) {
    const size_t i = ready.top().second;
    ready.pop();
    for (size_t user : users[i]) {
      if (--waiting[user] == 0) ready.emplace(keys[user], user);
    }
    ordered.push_back(std::move(statements[i]));
  }
  CHECK(ordered.size() == statements.size()) << "statements depend on each other in a circle";
  statements = std::move(ordered);
}

bool BuildRegions(ir::Graph& graph, const Groups& groups) {
  // Which groups become regions, and what they would hold.
  struct Plan {
    RegionView view;
    int64_t key = 0;
  };
  absl::flat_hash_map<const Statement*, int64_t> position;
  for (const auto& s : graph.body.statements) position.emplace(s.get(), static_cast<int64_t>(position.size()));
  std::vector<Plan> plans;
  absl::flat_hash_set<const Statement*> gone;
  for (int g = 0; g < groups.size(); ++g) {
    const std::vector<int>& members = groups.members(g);
    if (members.empty() || !groups.may_fuse(members.front())) continue;
    Plan plan{groups.View({g}), position.at(&groups.statement(members.back()))};
    const auto work = std::count_if(plan.view.statements.begin(), plan.view.statements.end(),
                                    [](const Statement* s) { return !IsScalarLiteral(*s); });
    if (work < 2 || plan.view.yields.empty()) continue;
    if (!ir::ClassifyRegion(plan.view).ok()) {
      CHECK(members.size() == 1) << "statements joined that are no region";
      continue;  // it reads its operands from memory
    }
    for (int node : members) gone.insert(&groups.statement(node));
    plans.push_back(std::move(plan));
  }
  if (plans.empty()) return false;

  // What crosses between kernels has a name. Literals are copied into every region.
  absl::flat_hash_set<const Value*> crossing;
  for (const Plan& plan : plans) {
    absl::flat_hash_set<const Value*> inside;
    for (const Statement* s : plan.view.statements) {
      for (const Value* operand : s->operands) {
        if (!inside.contains(operand)) crossing.insert(operand);
      }
      inside.insert(s->result());
    }
    crossing.insert(plan.view.yields.begin(), plan.view.yields.end());
  }
  NameValues(graph, [&](const Value& value) { return crossing.contains(&value); });

  ir::ValueMap replaced;
  std::vector<std::pair<std::unique_ptr<Statement>, int64_t>> built;
  for (const Plan& plan : plans) built.emplace_back(RegionBuilder(plan.view).Build(replaced), plan.key);

  std::vector<std::unique_ptr<Statement>> originals;
  std::vector<std::unique_ptr<Statement>> kept;
  std::vector<int64_t> keys;
  for (auto& s : graph.body.statements) {
    if (gone.contains(s.get())) {
      originals.push_back(std::move(s));
    } else {
      keys.push_back(position.at(s.get()));
      kept.push_back(std::move(s));
    }
  }
  for (auto& [fused, key] : built) {
    kept.push_back(std::move(fused));
    keys.push_back(key);
  }
  graph.body.statements = std::move(kept);
  ir::ReplaceUses(graph, replaced);

  // Accesses and literals whose readers have gone.
  absl::flat_hash_set<const Value*> read;
  for (const ir::Output& output : graph.outputs) read.insert(output.value);
  for (const auto& s : graph.body.statements) {
    if (!IsScalarLiteral(*s) && !IsCheapAccess(*s)) read.insert(s->operands.begin(), s->operands.end());
  }
  for (auto it = graph.body.statements.rbegin(); it != graph.body.statements.rend(); ++it) {
    const Statement& s = **it;
    if (IsCheapAccess(s) && read.contains(s.result())) read.insert(s.operands.begin(), s.operands.end());
  }
  std::vector<int64_t> kept_keys;
  kept.clear();
  for (size_t i = 0; i < graph.body.statements.size(); ++i) {
    auto& s = graph.body.statements[i];
    if ((IsScalarLiteral(*s) || IsCheapAccess(*s)) && !read.contains(s->result())) {
      originals.push_back(std::move(s));
      continue;
    }
    kept.push_back(std::move(s));
    kept_keys.push_back(keys[i]);
  }
  graph.body.statements = std::move(kept);
  OrderStatements(graph.body, kept_keys);
  return true;
}

}  // namespace gradus::passes
