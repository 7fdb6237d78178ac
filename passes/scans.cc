#include "passes/scans.h"

#include "absl/algorithm/container.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "ir/builder.h"
#include "passes/loop_parts.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Region;
using ir::Statement;
using ir::Value;

// A scan over sequences turned round runs the other way over the sequences, and what it stacks is turned round.
bool TurnRound(ir::Graph& graph, Statement& s, const Statement* after) {
  if (s.op != Op::kScan) return false;
  const LoopParts parts(s);
  const auto is_turned = [](const Value* sequence) {
    const Statement* flip = sequence->definition;
    return flip != nullptr && flip->op == Op::kFlip && flip->IntList("axis") == ir::Ints{0};
  };
  const auto sequences = absl::MakeSpan(s.operands).first(parts.first_carry);
  if (sequences.empty() || !absl::c_all_of(sequences, is_turned)) return false;
  for (Value*& sequence : sequences) sequence = sequence->definition->operands[0];
  s.Set("reverse", 1 - s.Int("reverse"));
  ir::Builder builder = BuilderBehind(graph, s, after);
  for (size_t i = 0; i < parts.first_next; ++i) {
    Value* stacked = s.results[i].get();
    Value* turned = builder.Emit(Op::kFlip, {stacked}, {ir::Ints{0}});
    TakePlace(graph, stacked, turned);
    turned->definition->operands[0] = stacked;
  }
  return true;
}

// Where a carry of the scan only adds up sums over what is stacked: the number of the stack. The gradient of a bias.
absl::optional<size_t> StackAddedUp(const Statement& s, size_t carry) {
  const LoopParts parts(s);
  const ir::Uses uses(*s.region);
  const Value* now = s.region->parameters[parts.first_carry + carry].get();
  const Value* next = s.region->yields[parts.first_next + carry];
  const Statement* add = next->definition;
  if (add == nullptr || add->op != Op::kAdd || uses.of(now).size() != 1 || uses.of(next).size() != 1) return {};
  if (add->operands[0] != now && add->operands[1] != now) return {};
  const Value* term = add->operands[add->operands[0] == now ? 1 : 0];
  const Statement* sum = term->definition;
  if (sum == nullptr || sum->op != Op::kReduceSum || !sum->Text("order").empty() || term->type != now->type) return {};
  for (size_t i = 0; i < parts.first_next; ++i) {
    if (s.region->yields[i] == sum->operands[0]) return i;
  }
  return {};
}

// Such a carry is one sum behind the scan.
bool SumBehind(ir::Graph& graph, Statement& s, const Statement* after) {
  if (s.op != Op::kScan) return false;
  bool changed = false;
  for (size_t i = 0; i < LoopParts(s).carries;) {
    const absl::optional<size_t> stack = StackAddedUp(s, i);
    if (!stack.has_value()) {
      ++i;
      continue;
    }
    const LoopParts parts(s);
    Region& region = *s.region;
    const Statement* add = region.yields[parts.first_next + i]->definition;
    const Value* now = region.parameters[parts.first_carry + i].get();
    const Statement* sum = add->operands[add->operands[0] == now ? 1 : 0]->definition;
    ir::Ints axes = {0};
    for (int64_t axis : sum->IntList("axis")) axes.push_back(axis + 1);
    ir::Builder builder = BuilderBehind(graph, s, after);
    Value* total = builder.Emit(Op::kReduceSum, {s.results[*stack].get()}, {axes});
    total = builder.Emit(Op::kAdd, {s.operands[parts.first_carry + i], total});
    const size_t result = parts.first_next + i;
    TakePlace(graph, s.results[result].get(), total);
    EraseAt(region.yields, result);
    EraseAt(s.results, result);
    ir::EraseIf(region, [&](const Statement& inner) { return &inner == add; });
    if (ir::Uses(region).of(sum->result()).empty()) {
      ir::EraseIf(region, [&](const Statement& inner) { return &inner == sum; });
    }
    RemoveOperand(s, parts.first_carry + i);
    Decrease(s, "carries");
    Renumber(s);
    changed = true;
  }
  return changed;
}

}  // namespace

bool SimplifyScans(ir::Graph& graph) {
  bool changed = false;
  std::vector<std::pair<Statement*, const Statement*>> scans;  // with what stands behind them
  const auto& statements = graph.body.statements;
  for (size_t i = 0; i < statements.size(); ++i) {
    const Statement* after = i + 1 < statements.size() ? statements[i + 1].get() : nullptr;
    if (statements[i]->op == Op::kScan) scans.emplace_back(statements[i].get(), after);
  }
  for (const auto& [scan, after] : scans) {
    changed |= TurnRound(graph, *scan, after);
    changed |= SumBehind(graph, *scan, after);
  }
  return changed;
}

}  // namespace gradus::passes
