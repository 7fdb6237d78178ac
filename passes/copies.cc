#include "passes/copies.h"

#include <algorithm>

#include "ir/builder.h"
#include "ir/control.h"
#include "ir/storage.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

bool IsScalarLiteral(const Statement& s) { return s.op == Op::kConstant && s.result()->type.rank() == 0; }

// The statement behind s, or null.
const Statement* After(const ir::Graph& graph, const Statement& s) {
  const auto& all = graph.body.statements;
  const auto after = std::find_if(all.begin(), all.end(), [&](const auto& other) { return other.get() == &s; }) + 1;
  return after == all.end() ? nullptr : after->get();
}

// `fused(v) { yield v }` before `position`: a copy of v.
Value* InsertCopy(ir::Builder& builder, Value* source, const Statement* position) {
  auto copy = std::make_unique<Statement>();
  copy->op = Op::kFused;
  if (position != nullptr) copy->section = position->section;
  if (position != nullptr) copy->note = position->note;
  copy->operands = {source};
  copy->region = std::make_unique<ir::Region>();
  copy->region->parameters.push_back(std::make_unique<Value>(Value{.type = source->type, .name = source->name}));
  copy->region->yields.push_back(copy->region->parameters.front().get());
  copy->results.push_back(std::make_unique<Value>(Value{.type = source->type}));
  builder.InsertBefore(position);
  return builder.Append(std::move(copy))->result();
}

}  // namespace

void CopyChangingStates(ir::Graph& graph) {
  absl::flat_hash_set<const Value*> changing;
  std::vector<Statement*> nexts;
  for (const auto& s : graph.body.statements) {
    if (s->op != Op::kNext) continue;
    changing.insert(s->operands[0]);
    nexts.push_back(s.get());
  }
  ir::Builder builder(graph);
  for (Statement* next : nexts) {
    const Value* stored = ir::StorageOf(next->operands[1]);
    if (stored == next->operands[0] || !changing.contains(stored)) continue;
    next->operands[1] = InsertCopy(builder, next->operands[1], next);
  }
  for (ir::Output& output : graph.outputs) {
    if (changing.contains(ir::StorageOf(output.value))) output.value = InsertCopy(builder, output.value, nullptr);
  }
}

void CopyYields(ir::Graph& body, const Statement& holder) {
  ir::Builder builder(body);
  const size_t carries = holder.op == Op::kBranch ? 0 : static_cast<size_t>(holder.Int("carries"));
  const size_t first_next = body.outputs.size() - carries;
  absl::flat_hash_set<const Value*> stacked, taken;
  for (size_t i = holder.op == Op::kWhile ? 1 : 0; i < body.outputs.size(); ++i) {
    Value*& yield = body.outputs[i].value;
    const Value* stored = ir::StorageOf(yield);
    const bool carried = i >= first_next;
    if (carried && stacked.contains(stored)) continue;
    const bool computed = !ir::IsDeclaration(stored->definition->op) && stored->definition->op != Op::kConstant;
    if (computed && taken.insert(stored).second) {
      if (!carried) stacked.insert(stored);
      continue;
    }
    if (!IsScalarLiteral(*yield->definition)) {
      yield = InsertCopy(builder, yield, nullptr);
      continue;
    }
    // Right behind its literal, with which it is scheduled.
    builder.InsertBefore(After(body, *yield->definition));
    yield = builder.Emit(Op::kBroadcast, {yield}, {ir::Ints()});
  }
}

void ReadLastFromStack(ir::Graph& graph) {
  const ir::Uses uses(graph);
  std::vector<const Statement*> scans;
  for (const auto& s : graph.body.statements) {
    if (s->op == Op::kScan) scans.push_back(s.get());
  }
  for (const Statement* s : scans) {
    const ir::ScanView scan(*s);
    for (size_t i = scan.stacked; i < s->results.size(); ++i) {
      if (!ir::LiesInStack(*s, i) || uses.of(s->results[i].get()).empty()) continue;
      size_t stack = 0;
      while (ir::StorageOf(s->region->yields[stack]) != ir::StorageOf(s->region->yields[i])) ++stack;
      ir::Builder builder(graph);
      builder.InsertBefore(After(graph, *s));
      builder.SetNote(s->note);
      builder.SetSection(s->section);
      Value* whole = s->results[stack].get();
      ir::Ints start(whole->type.shape.size(), 0), limit = whole->type.shape, stride(whole->type.shape.size(), 1);
      start[0] = scan.reverse ? 0 : scan.length - 1;
      limit[0] = start[0] + 1;
      Value* last = builder.Emit(Op::kSlice, {whole}, {start, limit, stride});
      last = builder.Emit(Op::kReshape, {last}, {s->results[i]->type.shape});
      ir::ReplaceUses(graph, s->results[i].get(), last);
    }
  }
}

Yields::Yields(const ir::Graph& body, const Statement& holder) {
  const size_t carries = holder.op == Op::kBranch ? 0 : static_cast<size_t>(holder.Int("carries"));
  const size_t first = holder.op == Op::kScan ? static_cast<size_t>(holder.Int("sequences")) : 0;
  const size_t next = body.outputs.size() - carries;
  if (holder.op != Op::kWhile) {
    for (size_t i = 0; i < next; ++i) results.insert(ir::StorageOf(body.outputs[i].value));
  }
  for (size_t i = 0; i < carries; ++i) {
    carried.emplace_back(body.body.statements[first + i]->result(), ir::StorageOf(body.outputs[next + i].value));
  }
  if (holder.op == Op::kWhile) predicate = body.outputs[0].value;
}

}  // namespace gradus::passes
