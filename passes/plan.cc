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
#include "ir/strips.h"
#include "passes/bodies.h"
#include "passes/liveness.h"
#include "passes/updates.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

// Where the body of a loop or branch has its values, before it is known where the body lies.
struct BodyPlan {
  struct Place {
    Value* value;
    int64_t offset;
  };
  // A yield that lies in a result.
  struct Yield {
    Value* value;
    size_t result;
    bool stacked = false;
    int64_t turn = -1;
  };
  int64_t bytes = 0;
  std::vector<Place> temporaries;
  std::vector<Yield> yields;
  struct Inner;
  std::vector<Inner> inner;
};
struct BodyPlan::Inner {
  Statement* holder;
  BodyPlan plan;
  int64_t offset = 0;
};

// Writes the places into the body, which begins at `base`; those of its results are known.
void PlaceBody(const Statement& holder, const BodyPlan& plan, int64_t base) {
  for (const BodyPlan::Place& place : plan.temporaries) {
    place.value->arena = ir::ArenaRange{base + place.offset, place.value->type.bytes().value()};
  }
  for (const BodyPlan::Yield& yield : plan.yields) {
    const auto& result = holder.results[yield.result]->arena;
    CHECK(result.has_value()) << "a result of a loop has no place";
    yield.value->arena = ir::ArenaRange{result->offset, yield.value->type.bytes().value(), yield.stacked,
                                        yield.turn < 0 ? -1 : base + yield.turn};
  }
  for (const auto& s : holder.region->statements) {
    if (ir::IsView(*s)) s->result()->arena = s->operands[0]->arena;
  }
  for (const BodyPlan::Inner& inner : plan.inner) PlaceBody(*inner.holder, inner.plan, base + inner.offset);
}

// Values that share one place because each is computed over the one before.
struct Buffer {
  std::vector<const Value*> values;
  int64_t bytes = 0, aligned = 0;
  Moment written;
  int64_t offset = -1;
  BodyPlan::Inner* body = nullptr;  // what the body of a loop needs while its statement runs
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
    // But for what happens at `moment` itself, where that is written over it.
    bool OverUntil(const Moment& moment) const {
      return HappensBeforeInPlace(last.position == moment.position ? previous : last, moment);
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
  // Of the body of a graph, or of a lent one with the statement that holds it.
  explicit Planner(ir::Graph& graph, const Statement* holder = nullptr, bool in_strips = false)
      : graph_(graph), holder_(holder), timeline_(Timeline(graph, in_strips)) {
    loops_ = holder != nullptr && holder->op != Op::kBranch;
    const auto& statements = graph.body.statements;
    barriers_ = static_cast<int>(
        std::count_if(statements.begin(), statements.end(), [](const auto& s) { return s->op == Op::kBarrier; }));
  }

  absl::Status Run() {
    RETURN_IF_ERROR(PlanInner());
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
    for (const BodyPlan::Inner& inner : inner_) PlaceBody(*inner.holder, inner.plan, inner.offset);
    graph_.scratch_bytes = Scratch(graph_.body);
    return absl::OkStatus();
  }

  absl::StatusOr<BodyPlan> RunBody() {
    RETURN_IF_ERROR(PlanInner());
    for (const auto& s : graph_.body.statements) {
      for (const auto& result : s->results) result->arena.reset();
    }
    BodyPlan plan;
    const int64_t turns = PlaceYields(plan);
    MakeBuffers();
    ASSIGN_OR_RETURN(plan.bytes, PlaceBuffers(turns));
    for (const Buffer& buffer : buffers_) {
      for (const Value* value : buffer.values) plan.temporaries.push_back({const_cast<Value*>(value), buffer.offset});
    }
    plan.inner = std::move(inner_);
    return plan;
  }

 private:
  // Bodies come before what is around them: they say how many bytes they need.
  absl::Status PlanInner() {
    const auto& statements = graph_.body.statements;
    for (const auto& s : statements) {
      if (!ir::HasBody(s->op)) continue;
      const bool in_strips = ir::RunsInStrips(*s, graph_.threads, *graph_.target);
      LentBody body(graph_, *s);
      ASSIGN_OR_RETURN(BodyPlan plan, Planner(body.graph(), s.get(), in_strips).RunBody());
      inner_.push_back({s.get(), std::move(plan)});
    }
    return absl::OkStatus();
  }

  // In a loop: the same thing in the iteration that follows.
  Moment InNextIteration(const Moment& moment) const {
    return {moment.position + static_cast<int>(timeline_.size()), moment.phase + barriers_, moment.alone, moment.strip};
  }

  // Whether two buffers may share bytes, in this iteration and where it meets the next.
  bool AreDisjoint(const Buffer& a, const Buffer& b) const {
    const auto before = [&](const Buffer& first, const Buffer& second) {
      return first.OverBefore(second.written) && (!loops_ || second.OverBefore(InNextIteration(first.written)));
    };
    return before(a, b) || before(b, a);
  }

  // Yields lie in results; a carry that cannot be written over the one before has a second place. Returns the bytes of
  // those.
  int64_t PlaceYields(BodyPlan& plan) {
    const size_t carries = holder_->op == Op::kBranch ? 0 : static_cast<size_t>(holder_->Int("carries"));
    const size_t first_carry = holder_->op == Op::kScan ? static_cast<size_t>(holder_->Int("sequences")) : 0;
    const size_t predicate = holder_->op == Op::kWhile ? 1 : 0, first_next = graph_.outputs.size() - carries;
    absl::flat_hash_set<const Value*> stacked;
    int64_t turns = 0;
    for (size_t i = predicate; i < graph_.outputs.size(); ++i) {
      auto* value = const_cast<Value*>(ir::StorageOf(graph_.outputs[i].value));
      if (i >= first_next && stacked.contains(value)) continue;
      BodyPlan::Yield yield{value, i - predicate};
      const int64_t bytes = value->type.bytes().value();
      if (i < first_next) {
        yield.stacked = holder_->op == Op::kScan;
        stacked.insert(value);
      } else if (!MayReplaceCarry(graph_.body.statements[first_carry + i - first_next]->result(), value)) {
        yield.turn = turns;
        turns += Aligned(bytes);
      }
      value->arena = ir::ArenaRange{0, bytes};
      plan.yields.push_back(yield);
    }
    return turns;
  }

  // Whether everyone who reads the carry has done so when its next value is written, which may be over it.
  bool MayReplaceCarry(const Value* carry, const Value* next) const {
    if (holder_->op == Op::kScan && holder_->Int("length") == 1) return true;
    if (CarriesInPlace({{carry, next}}).empty()) return false;
    if (holder_->op == Op::kWhile) {
      const Value* predicate = graph_.outputs[0].value;
      if (ir::StorageOf(predicate) == carry || ir::DependenciesOf(predicate).contains(next->definition)) return false;
    }
    const auto& statements = graph_.body.statements;
    size_t writer = 0;
    while (statements[writer].get() != next->definition) ++writer;
    for (size_t i = 0; i < statements.size(); ++i) {
      if (i == writer || ir::IsView(*statements[i])) continue;
      const auto& operands = statements[i]->operands;
      const bool reads = std::any_of(operands.begin(), operands.end(),
                                     [&](const Value* operand) { return ir::StorageOf(operand) == carry; });
      if (reads && !HappensBeforeInPlace(timeline_[i], timeline_[writer])) return false;
    }
    return true;
  }

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
    for (BodyPlan::Inner& inner : inner_) {
      const auto& statements = graph_.body.statements;
      size_t at = 0;
      while (statements[at].get() != inner.holder) ++at;
      buffers_.push_back({{}, inner.plan.bytes, 0, timeline_[at]});
      buffers_.back().Touch(timeline_[at]);
      buffers_.back().body = &inner;
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
      // In a loop the next iteration begins this buffer anew.
      const auto over = [&](const Moment& moment) {
        return !loops_ || HappensBeforeInPlace(moment, InNextIteration(buffer.written));
      };
      if (!over(life.written) || !std::all_of(life.reads.begin(), life.reads.end(), over)) continue;
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
        if (AreDisjoint(*other, buffer)) continue;
        if (offset + buffer.aligned <= other->offset) break;
        offset = std::max(offset, other->offset + other->aligned);
      }
      buffer.offset = offset;
      if (buffer.body != nullptr) buffer.body->offset = offset;
      const ir::Size limit = ir::Size(offset) + ir::Size(buffer.aligned);
      if (!limit.ok()) return TooLarge();
      end = std::max(end.value(), limit.value());
      placed.insert(std::upper_bound(placed.begin(), placed.end(), &buffer,
                                     [](const Buffer* a, const Buffer* b) { return a->offset < b->offset; }),
                    &buffer);
    }
    return end.value();
  }

  int64_t Scratch(const ir::Region& region) const {
    int64_t scratch = 0;
    for (const auto& s : region.statements) {
      if (ir::HasBody(s->op)) scratch = std::max(scratch, Scratch(*s->region));
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
  const Statement* holder_;
  bool loops_ = false;
  int barriers_ = 0;
  std::vector<Moment> timeline_;
  std::vector<BodyPlan::Inner> inner_;
  std::vector<Buffer> buffers_;
};

void AddRanges(const ir::Region& region, std::vector<absl::optional<ir::ArenaRange>>& ranges) {
  for (const auto& s : region.statements) {
    for (const auto& result : s->results) ranges.push_back(result->arena);
    if (ir::HasBody(s->op)) AddRanges(*s->region, ranges);
  }
}

std::vector<absl::optional<ir::ArenaRange>> Ranges(const ir::Graph& graph) {
  std::vector<absl::optional<ir::ArenaRange>> ranges;
  AddRanges(graph.body, ranges);
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

}  // namespace gradus::passes
