#include "passes/liveness.h"

#include "ir/storage.h"
#include "ir/threads.h"

namespace gradus::passes {

using ir::Op;
using ir::Value;

std::vector<Moment> Timeline(const ir::Graph& graph, bool in_strips) {
  std::vector<Moment> timeline;
  int phase = 0;
  for (const auto& s : graph.body.statements) {
    if (s->op == Op::kBarrier) ++phase;
    const bool work = !ir::IsDeclaration(s->op) && s->op != Op::kConstant && s->op != Op::kBarrier && !ir::IsView(*s);
    const bool alone = graph.threads <= 1 || (!in_strips && work && ir::RunsOnThreadZero(*s));
    timeline.push_back({static_cast<int>(timeline.size()), phase, alone, in_strips ? 0 : -1});
  }
  return timeline;
}

std::vector<Life> Liveness(const ir::Graph& graph, const std::vector<Moment>& timeline) {
  std::vector<Life> lives;
  absl::flat_hash_map<const Value*, size_t> index;
  const auto& statements = graph.body.statements;
  for (size_t i = 0; i < statements.size(); ++i) {
    const ir::Statement& s = *statements[i];
    if (ir::IsView(s)) continue;  // whoever reads the view reads
    for (size_t operand = s.op == Op::kNext ? 1 : 0; operand < s.operands.size(); ++operand) {
      const auto found = index.find(ir::StorageOf(s.operands[operand]));
      if (found != index.end()) lives[found->second].reads.push_back(timeline[i]);
    }
    if (ir::IsDeclaration(s.op) || s.op == Op::kConstant) continue;
    for (const auto& result : s.results) {
      if (ir::LiesInStack(s, static_cast<size_t>(result->index))) continue;
      index.emplace(result.get(), lives.size());
      lives.push_back({result.get(), timeline[i], {}});
    }
  }
  for (const ir::Output& output : graph.outputs) {
    const auto found = index.find(ir::StorageOf(output.value));
    if (found != index.end()) lives[found->second].reads.push_back(Moment::End());
  }
  return lives;
}

}  // namespace gradus::passes
