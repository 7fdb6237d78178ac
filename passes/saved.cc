#include "passes/saved.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ir/control.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

constexpr absl::string_view kBackward = "backward";

// Whether what reads a value there computes gradients, or updates, which may hold the last product of a gradient. A
// kernel may do that beside what is no gradient, such as a loss.
bool IsForGradient(const ir::Use& use) {
  if (use.user->op != Op::kFused) return use.user->section == kBackward || use.user->section == "update";
  // What stands in a kernel has no section of its own; what is derived says of what.
  const ir::Uses inside(*use.user->region);
  const auto of = inside.of(use.user->region->parameters[static_cast<size_t>(use.operand)].get());
  return std::all_of(of.begin(), of.end(),
                     [](const ir::Use& one) { return one.user == nullptr || !one.user->note.of.empty(); });
}

int64_t Bytes(const std::vector<const Value*>& values) {
  int64_t bytes = 0;
  for (const Value* value : values) bytes += value->type.bytes().value();
  return bytes;
}

std::vector<const Value*> StackedFor(const Statement& scan, const ir::Uses& uses, bool (*reads)(const ir::Use&)) {
  std::vector<const Value*> values;
  const size_t stacked = ir::ScanView(scan).stacked;
  for (size_t i = 0; i < stacked; ++i) {
    const auto of = uses.of(scan.results[i].get());
    const bool kept = !of.empty() && std::all_of(of.begin(), of.end(),
                                                 [&](const ir::Use& use) { return use.user != nullptr && reads(use); });
    if (kept) values.push_back(scan.results[i].get());
  }
  return values;
}

// What the forward scans inside of a reverse scan, which run again there, stack for what follows.
int64_t KeptInside(const Statement& reverse) {
  const ir::Uses uses(*reverse.region);
  int64_t most = 0;
  for (const auto& s : reverse.region->statements) {
    if (s->op != Op::kScan || !s->note.of.empty()) continue;
    most = std::max(most, Bytes(StackedFor(*s, uses, [](const ir::Use&) { return true; })));
  }
  return most;
}

}  // namespace

std::vector<SavedByScan> SavedForGradients(const ir::Graph& graph) {
  const ir::Uses uses(graph);
  std::vector<SavedByScan> saved;
  for (const auto& s : graph.body.statements) {
    if (s->op != Op::kScan || s->section == kBackward) continue;
    SavedByScan one{s.get(), StackedFor(*s, uses, IsForGradient), 0, 0};
    one.bytes = Bytes(one.values);
    for (const auto& reverse : graph.body.statements) {
      const bool of_it = reverse->op == Op::kScan && reverse->section == kBackward && reverse->Int("recompute") != 0 &&
                         std::any_of(s->results.begin(), s->results.end(),
                                     [&](const auto& result) { return result->name == reverse->note.of; });
      if (of_it) one.again = std::max(one.again, KeptInside(*reverse));
    }
    if (one.bytes > 0 || one.again > 0) saved.push_back(std::move(one));
  }
  return saved;
}

std::string ToString(const std::vector<SavedByScan>& saved) {
  std::string text;
  for (const SavedByScan& one : saved) {
    absl::StrAppend(&text, "scan ", one.scan->result()->name);
    if (one.scan->note.line != 0) absl::StrAppend(&text, " (", one.scan->note.line, ":", one.scan->note.column, ")");
    absl::StrAppend(&text, " keeps ", one.bytes, " bytes for its gradient");
    if (one.again > 0) absl::StrAppend(&text, ", and ", one.again, " while a part of it runs again");
    absl::StrAppend(&text, one.values.empty() ? "" : ": ",
                    absl::StrJoin(one.values, ", ",
                                  [](std::string* out, const Value* value) { absl::StrAppend(out, value->name); }),
                    "\n");
  }
  return text;
}

}  // namespace gradus::passes
