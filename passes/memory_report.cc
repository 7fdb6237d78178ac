#include "passes/memory_report.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "ir/storage.h"
#include "passes/liveness.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;

int64_t Aligned(int64_t bytes) { return ir::Size(bytes).RoundedUpTo(ir::kArenaAlignment).value(); }

// The bytes that the body of a loop or branch has for itself: from where to where.
void AddBodyBytes(const Statement& holder, int64_t& begin, int64_t& end) {
  const auto add = [&](int64_t offset, int64_t bytes) {
    begin = std::min(begin, offset);
    end = std::max(end, offset + Aligned(bytes));
  };
  for (const auto& s : holder.region->statements) {
    if (ir::HasBody(s->op)) AddBodyBytes(*s, begin, end);
    for (const auto& result : s->results) {
      if (!result->arena.has_value()) continue;
      const ir::ArenaRange& range = *result->arena;
      const bool in_result = std::any_of(holder.results.begin(), holder.results.end(), [&](const auto& r) {
        return r->arena.has_value() && r->arena->offset == range.offset;
      });
      if (!in_result) add(range.offset, range.bytes);
      if (range.turn >= 0) add(range.turn, range.bytes);
    }
  }
}

}  // namespace

MemoryReport ReportMemory(const ir::Graph& graph) {
  MemoryReport report;
  report.arena_bytes = graph.arena_bytes;
  report.scratch_bytes = graph.scratch_bytes;
  absl::flat_hash_set<int64_t> states;
  for (const auto& s : graph.body.statements) {
    if (s->op != Op::kParam && s->op != Op::kState) continue;
    states.insert(s->result()->arena->offset);
    report.state_bytes = s->result()->arena->offset + Aligned(s->result()->arena->bytes);
  }
  report.temporary_bytes = report.arena_bytes - report.state_bytes;
  const std::vector<Moment> timeline = Timeline(graph);
  std::vector<int> first_of_phase, last_of_phase;
  for (const Moment& moment : timeline) {
    if (moment.phase == static_cast<int>(first_of_phase.size())) {
      first_of_phase.push_back(moment.position);
      last_of_phase.push_back(moment.position);
    }
    last_of_phase[moment.phase] = moment.position;
  }
  const auto end_of = [&](const Moment& moment, bool alone) {
    if (moment.phase >= static_cast<int>(last_of_phase.size())) return static_cast<int>(timeline.size()) - 1;
    return alone && moment.alone ? moment.position : last_of_phase[moment.phase];
  };
  // When a value is live, as the statements of thread 0 see it and as those of all threads do; what is computed in the
  // place of another counts once.
  struct Span {
    int64_t offset, bytes;
    int first, last;
    std::string name;
  };
  std::vector<Span> spans[2];
  std::vector<int64_t> bytes[2];
  for (const bool alone : {false, true}) {
    for (const Life& life : Liveness(graph, timeline)) {
      if (states.contains(life.value->arena->offset)) continue;
      Span span{life.value->arena->offset, life.value->arena->bytes,
                alone && life.written.alone ? life.written.position : first_of_phase[life.written.phase],
                end_of(life.written, alone), life.value->name};
      for (const Moment& read : life.reads) span.last = std::max(span.last, end_of(read, alone));
      spans[alone].push_back(span);
    }
    for (size_t i = 0; i < timeline.size(); ++i) {
      const Statement& s = *graph.body.statements[i];
      if (!ir::HasBody(s.op)) continue;
      int64_t begin = graph.arena_bytes, end = 0;
      AddBodyBytes(s, begin, end);
      if (begin >= end) continue;
      const bool by_one = alone && timeline[i].alone;
      spans[alone].push_back({begin, end - begin, by_one ? static_cast<int>(i) : first_of_phase[timeline[i].phase],
                              end_of(timeline[i], alone), absl::StrCat("the body of ", s.results.front()->name)});
    }
    std::vector<Span> sorted = spans[alone];
    std::stable_sort(sorted.begin(), sorted.end(), [](const Span& a, const Span& b) {
      return a.offset != b.offset ? a.offset < b.offset : a.first < b.first;
    });
    std::vector<int64_t>& growth = bytes[alone];
    growth.assign(timeline.size() + 1, 0);
    int64_t offset = -1;
    int counted = -1;  // as far as the bytes at this offset are counted
    for (const Span& span : sorted) {
      if (span.offset != offset) counted = -1;
      offset = span.offset;
      if (span.last <= counted) continue;
      growth[std::max(span.first, counted + 1)] += Aligned(span.bytes);
      growth[span.last + 1] -= Aligned(span.bytes);
      counted = span.last;
    }
    for (size_t i = 1; i < growth.size(); ++i) growth[i] += growth[i - 1];
  }
  int peak = -1;
  for (size_t i = 0; i < timeline.size(); ++i) {
    if (!ir::IsExecuted(*graph.body.statements[i]) || bytes[timeline[i].alone][i] <= report.live_bytes) continue;
    report.live_bytes = bytes[timeline[i].alone][i];
    peak = static_cast<int>(i);
  }
  if (peak < 0) return report;
  const Statement& s = *graph.body.statements[peak];
  report.peak = s.op == Op::kNext ? absl::StrCat("next ", s.operands[0]->name) : s.results.front()->name;
  absl::flat_hash_set<int64_t> offsets;
  for (const Span& span : spans[timeline[peak].alone]) {
    if (span.first > peak || span.last < peak || !offsets.insert(span.offset).second) continue;
    report.live.push_back({span.name, span.offset, span.bytes});
  }
  std::stable_sort(report.live.begin(), report.live.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  return report;
}

std::string ToString(const MemoryReport& report) {
  std::string text =
      absl::StrCat("arena      ", report.arena_bytes, " bytes\n  state    ", report.state_bytes, "\n  values   ",
                   report.temporary_bytes, "\nscratch    ", report.scratch_bytes, " bytes a thread\n");
  if (report.live.empty()) return text;
  absl::StrAppend(&text, "peak       ", report.live_bytes, " bytes of values at ", report.peak, ":\n");
  for (const auto& entry : report.live) {
    absl::StrAppend(&text, "  ", entry.name, "  ", entry.bytes, " at ", entry.offset, "\n");
  }
  return text;
}

}  // namespace gradus::passes
