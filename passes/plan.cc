#include "passes/plan.h"

#include <algorithm>
#include <numeric>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "ir/blocking.h"
#include "ir/check.h"
#include "ir/convolution_scratch.h"
#include "ir/error.h"
#include "ir/order.h"
#include "ir/region.h"
#include "ir/storage.h"
#include "passes/liveness.h"
#include "passes/updates.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

// Values that share one place because each is computed over the one before.
struct Buffer {
  std::vector<const Value*> values;
  int64_t bytes = 0, aligned = 0;
  Moment written;
  int64_t offset = -1;
  // The latest statements that touch it, and those before them: by thread 0 alone, and by any thread. Earlier ones are
  // over when these are.
  struct Latest {
    Moment last = Moment::Start(), previous = Moment::Start();
    // Statement by statement, in text order.
    void Add(const Moment& moment) {
      if (moment.position <= last.position) return;
      previous = last;
      last = moment;
    }
    bool OverBefore(const Moment& moment) const { return HappensBefore(last, moment); }
    // But for what happens at `moment` itself.
    bool OverUntil(const Moment& moment) const {
      return HappensBefore(last.position == moment.position ? previous : last, moment);
    }
  };
  Latest alone, shared;

  void Touch(const Moment& moment) { (moment.alone ? alone : shared).Add(moment); }
  // Whether everything that touches this one is over when the other is first written.
  bool OverBefore(const Moment& moment) const { return alone.OverBefore(moment) && shared.OverBefore(moment); }
};

int64_t Aligned(int64_t bytes) { return ir::Size(bytes).RoundedUpTo(ir::kArenaAlignment).value(); }

class Planner {
 public:
  explicit Planner(ir::Graph& graph) : graph_(graph), timeline_(Timeline(graph)) {}

  absl::Status Run() {
    ir::Size end = 0;
    for (const auto& s : graph_.body.statements) {
      for (const auto& result : s->results) result->arena.reset();
      if (s->op != Op::kParam && s->op != Op::kState) continue;
      const ir::Size bytes = s->result()->type.bytes();
      if (!end.ok() || !bytes.ok()) return TooLarge();
      s->result()->arena = ir::ArenaRange{end.value(), bytes.value()};
      end = end + bytes.RoundedUpTo(ir::kArenaAlignment);
    }
    if (!end.ok()) return TooLarge();
    PlaceUpdates();
    MakeBuffers();
    ASSIGN_OR_RETURN(graph_.arena_bytes, PlaceBuffers(end.value()));
    for (const Buffer& buffer : buffers_) {
      for (const Value* value : buffer.values) {
        const_cast<Value*>(value)->arena = ir::ArenaRange{buffer.offset, value->type.bytes().value()};
      }
    }
    // A view lies where its operand lies.
    for (const auto& s : graph_.body.statements) {
      if (ir::IsView(*s)) s->result()->arena = s->operands[0]->arena;
    }
    graph_.scratch_bytes = Scratch();
    return absl::OkStatus();
  }

 private:
  static absl::Status TooLarge() {
    return ir::ErrorStatus(absl::StatusCode::kResourceExhausted, ir::ErrorKind::kArenaLimit,
                           "the arena would overflow 63 bits of bytes");
  }

  // New states over old ones, where the schedule lets everyone else read the old one before.
  void PlaceUpdates() {
    const auto updates = InPlaceUpdates(graph_);
    absl::flat_hash_map<const Value*, Moment> written;
    for (size_t i = 0; i < timeline_.size(); ++i) {
      for (const auto& result : graph_.body.statements[i]->results) {
        if (updates.contains(result.get())) written.emplace(updates.at(result.get()), timeline_[i]);
      }
    }
    absl::flat_hash_set<const Value*> kept;  // states whose old value is read too late
    for (size_t i = 0; i < timeline_.size(); ++i) {
      const Statement& s = *graph_.body.statements[i];
      if (s.op == Op::kNext || ir::IsView(s)) continue;
      for (const Value* operand : s.operands) {
        const Value* state = ir::StorageOf(operand);
        const auto found = written.find(state);
        if (found == written.end() || found->second.position == timeline_[i].position) continue;
        if (!HappensBefore(timeline_[i], found->second)) kept.insert(state);
      }
    }
    for (const ir::Output& output : graph_.outputs) kept.insert(ir::StorageOf(output.value));
    for (const auto& [value, state] : updates) {
      if (!kept.contains(state)) const_cast<Value*>(value)->arena = state->arena;
    }
  }

  void MakeBuffers() {
    absl::flat_hash_map<const Value*, size_t> buffer_of;
    for (Life& life : Liveness(graph_, timeline_)) {
      if (life.value->arena.has_value()) continue;  // in the place of a state
      const int64_t bytes = life.value->type.bytes().value();
      const Statement& s = *life.value->definition;
      if (const absl::optional<size_t> taken = DyingOperand(s, life, buffer_of); taken.has_value()) {
        Buffer& buffer = buffers_[*taken];
        buffer.values.push_back(life.value);
        buffer.Touch(life.written);
        for (const Moment& read : life.reads) buffer.Touch(read);
        buffer_of[life.value] = *taken;
        continue;
      }
      buffer_of[life.value] = buffers_.size();
      buffers_.push_back({{life.value}, bytes, 0, life.written});
      buffers_.back().Touch(life.written);
      for (const Moment& read : life.reads) buffers_.back().Touch(read);
    }
  }

  // The buffer of an operand that this statement is the last to touch and that the result may be written over.
  absl::optional<size_t> DyingOperand(const Statement& s, const Life& life,
                                      const absl::flat_hash_map<const Value*, size_t>& buffer_of) const {
    for (const Value* operand : s.operands) {
      const auto found = buffer_of.find(ir::StorageOf(operand));
      if (found == buffer_of.end()) continue;
      const Buffer& buffer = buffers_[found->second];
      if (operand->type != life.value->type || buffer.bytes != life.value->type.bytes().value()) continue;
      // Another operand may be a view of the same bytes; another result may have taken them.
      const auto same_bytes = [&](const Value* other) {
        const auto at = buffer_of.find(ir::StorageOf(other));
        return at != buffer_of.end() && at->second == found->second;
      };
      const bool viewed = std::any_of(s.operands.begin(), s.operands.end(),
                                      [&](const Value* o) { return o != operand && same_bytes(o); });
      const bool taken =
          std::any_of(s.results.begin(), s.results.end(), [&](const auto& r) { return same_bytes(r.get()); });
      if (viewed || taken) continue;
      const bool last = buffer.alone.OverUntil(life.written) && buffer.shared.OverUntil(life.written);
      if (last && ir::MayOverwrite(s, life.value->index, operand)) return found->second;
    }
    return absl::nullopt;
  }

  absl::StatusOr<int64_t> PlaceBuffers(int64_t begin) {
    std::vector<size_t> order(buffers_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return buffers_[a].bytes > buffers_[b].bytes; });
    std::vector<const Buffer*> placed;  // by offset
    ir::Size end = begin;
    for (size_t i : order) {
      Buffer& buffer = buffers_[i];
      buffer.aligned = Aligned(buffer.bytes);
      int64_t offset = begin;
      for (const Buffer* other : placed) {
        if (other->OverBefore(buffer.written) || buffer.OverBefore(other->written)) continue;
        if (offset + buffer.aligned <= other->offset) break;
        offset = std::max(offset, other->offset + other->aligned);
      }
      buffer.offset = offset;
      const ir::Size limit = ir::Size(offset) + ir::Size(buffer.aligned);
      if (!limit.ok()) return TooLarge();
      end = std::max(end.value(), limit.value());
      placed.insert(std::upper_bound(placed.begin(), placed.end(), &buffer,
                                     [](const Buffer* a, const Buffer* b) { return a->offset < b->offset; }),
                    &buffer);
    }
    return end.value();
  }

  int64_t Scratch() const {
    int64_t scratch = 0;
    for (const auto& s : graph_.body.statements) {
      if (s->op == Op::kConvolution || s->op == Op::kConvolutionWeights) {
        scratch = std::max(scratch, ir::ConvolutionScratchBytes(*s, *graph_.target));
      }
      const Statement* dot = s->op == Op::kDot ? s.get() : nullptr;
      if (s->op == Op::kFused) {
        for (const auto& inner : s->region->statements) dot = inner->op == Op::kDot ? inner.get() : dot;
      }
      if (dot == nullptr) continue;
      const ir::ContractionSize size = ir::SizeOf(*dot);
      scratch =
          std::max(scratch, ir::ContractionScratchBound(dot->result()->type.element, std::max(size.m, size.n), size.k,
                                                        ir::OrderOfContraction(*dot).slices, *graph_.target));
    }
    return Aligned(scratch);
  }

  ir::Graph& graph_;
  std::vector<Moment> timeline_;
  std::vector<Buffer> buffers_;
};

std::vector<absl::optional<ir::ArenaRange>> Ranges(const ir::Graph& graph) {
  std::vector<absl::optional<ir::ArenaRange>> ranges;
  for (const auto& s : graph.body.statements) {
    for (const auto& result : s->results) ranges.push_back(result->arena);
  }
  return ranges;
}

}  // namespace

absl::StatusOr<bool> PlanMemory(ir::Graph& graph) {
  CHECK(graph.target.has_value() && graph.threads > 0) << "only a scheduled graph can be planned";
  const auto before = Ranges(graph);
  const int64_t arena = graph.arena_bytes, scratch = graph.scratch_bytes;
  RETURN_IF_ERROR(Planner(graph).Run());
  return Ranges(graph) != before || graph.arena_bytes != arena || graph.scratch_bytes != scratch;
}

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
    const Value* value;
  };
  std::vector<Span> spans[2];
  std::vector<int64_t> bytes[2];
  for (const bool alone : {false, true}) {
    for (const Life& life : Liveness(graph, timeline)) {
      if (states.contains(life.value->arena->offset)) continue;
      Span span{life.value->arena->offset, life.value->arena->bytes,
                alone && life.written.alone ? life.written.position : first_of_phase[life.written.phase],
                end_of(life.written, alone), life.value};
      for (const Moment& read : life.reads) span.last = std::max(span.last, end_of(read, alone));
      spans[alone].push_back(span);
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
    report.live.push_back({span.value->name, span.offset, span.bytes});
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
