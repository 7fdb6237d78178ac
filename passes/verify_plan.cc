#include "passes/verify_plan.h"

#include <algorithm>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_map.h"
#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/control.h"
#include "ir/storage.h"
#include "ir/strips.h"
#include "ir/threads.h"
#include "passes/liveness.h"

namespace gradus::passes {
namespace {

using ir::ArenaRange;
using ir::Op;
using ir::Statement;
using ir::Value;

// Bytes that get a value at a moment. `statement` is null for what states hold when the step begins.
struct Write {
  const Value* value = nullptr;
  const Statement* statement = nullptr;
  Moment moment;
  ArenaRange range;
};

// Where a value lies now, and the writes that have put it there: one, or one an index of a stack.
struct Stored {
  ArenaRange range;
  std::vector<size_t> writes;
};

struct Read {
  Stored stored;
  const Statement* statement = nullptr;
  const Value* operand = nullptr;
  Moment moment;
};

bool Overlap(const ArenaRange& a, const ArenaRange& b) {
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

// Whether a is over when b begins. In a scan in strips each thread goes its own way, but what lies in the same range is
// strip by strip the same thread's.
bool IsBefore(const Moment& a, const ArenaRange& a_range, const Moment& b, const ArenaRange& b_range) {
  const bool same_range = a_range.offset == b_range.offset && a_range.bytes == b_range.bytes;
  return same_range ? HappensBeforeInPlace(a, b) : HappensBefore(a, b);
}

std::string Who(const Statement* s) {
  if (s == nullptr) return "the end of the step";
  if (s->op == Op::kNext) return absl::StrCat("next ", s->operands[0]->name);
  return s->results.empty() ? std::string(ir::Info(s->op).mnemonic) : s->results.front()->name;
}

template <typename... Parts>
absl::Status Wrong(const Parts&... parts) {
  return absl::InternalError(absl::StrCat("the memory plan is wrong: ", parts...));
}

// How the run goes that is looked at: how often a `while` goes round, and whether branches are taken.
struct Course {
  int passes = 0;
  bool taken = false;
};

// Goes through a step statement by statement as it is executed, loops iteration by iteration (of a long one the first
// two and the last two or three), and writes down who reads and writes which bytes when.
class PlanVerifier {
 public:
  PlanVerifier(const ir::Graph& graph, Course course) : graph_(graph), course_(course) {}

  absl::Status Run() {
    if (graph_.arena_bytes < 0) return Wrong("the graph has none");
    int64_t states = 0;
    for (const auto& s : graph_.body.statements) {
      if (s->op != Op::kParam && s->op != Op::kState) continue;
      const Value* state = s->result();
      if (!state->arena.has_value() || state->arena->offset != states) {
        return Wrong(state->name, " does not lie at ", states);
      }
      RETURN_IF_ERROR(CheckRange(*state, *state->arena));
      states = states + ir::Size(state->arena->bytes).RoundedUpTo(ir::kArenaAlignment).value();
      AddWrite(state, nullptr, Moment::Start(), *state->arena);
    }
    RETURN_IF_ERROR(RunStatements(graph_.body.statements));
    AddEnd();
    for (const Read& read : reads_) RETURN_IF_ERROR(CheckRead(read));
    return absl::OkStatus();
  }

 private:
  using Statements = absl::Span<const std::unique_ptr<Statement>>;

  absl::Status RunStatements(Statements statements) {
    for (const auto& s : statements) RETURN_IF_ERROR(RunStatement(*s));
    return absl::OkStatus();
  }

  absl::Status RunStatement(const Statement& s) {
    if (ir::IsDeclaration(s.op)) return absl::OkStatus();
    if (s.op == Op::kBarrier) {
      ++phase_;
      return absl::OkStatus();
    }
    for (const auto& result : s.results) {
      if (ir::IsView(s)) {
        if (result->arena != s.operands[0]->arena) return Wrong(result->name, " is a view but lies elsewhere");
        continue;
      }
      const bool placed = ir::IsExecuted(s) && !ir::LiesInStack(s, static_cast<size_t>(result->index));
      if (placed != result->arena.has_value()) return Wrong(result->name, placed ? " lies nowhere" : " has a place");
    }
    if (!ir::IsExecuted(s)) return absl::OkStatus();
    switch (s.op) {
      case Op::kScan:
        return RunScan(s);
      case Op::kWhile:
        return RunWhile(s);
      case Op::kBranch:
        return RunBranch(s);
      default:
        break;
    }
    const Moment moment = Now(graph_.threads <= 1 || ir::RunsOnThreadZero(s));
    if (s.op == Op::kNext) {
      AddRead(s.operands[1], &s, moment);
      copied_[s.operands[0]] = AddWrite(s.operands[0], &s, moment, *s.operands[0]->arena);
      return absl::OkStatus();
    }
    for (const Value* operand : s.operands) AddRead(operand, &s, moment);
    for (const auto& result : s.results) {
      ASSIGN_OR_RETURN(const ArenaRange range, PlaceOf(*result));
      stored_[result.get()] = {range, {AddWrite(result.get(), &s, moment, range)}};
    }
    return absl::OkStatus();
  }

  Moment Now(bool alone) { return {position_++, phase_, alone && strip_ < 0, strip_}; }

  absl::Status CheckRange(const Value& value, const ArenaRange& range) const {
    if (range.bytes != value.type.bytes().value() || range.offset < 0 ||
        range.offset + range.bytes > graph_.arena_bytes) {
      return Wrong(value.name, " : ", ToString(value.type), " lies at ", range.offset, "+", range.bytes,
                   " of an arena of ", graph_.arena_bytes);
    }
    return absl::OkStatus();
  }

  // Where a result is written now.
  absl::StatusOr<ArenaRange> PlaceOf(const Value& value) const {
    if (const auto found = places_.find(&value); found != places_.end()) return found->second;
    const ArenaRange& range = *value.arena;
    RETURN_IF_ERROR(CheckRange(value, range));
    if (range.offset % ir::kArenaAlignment != 0 || range.stacked || range.turn >= 0) {
      return Wrong(value.name, " lies at ", range.offset, ", which is no place for it");
    }
    return range;
  }

  size_t AddWrite(const Value* value, const Statement* writer, const Moment& moment, const ArenaRange& range) {
    writes_.push_back({value, writer, moment, range});
    if (writer == nullptr) stored_[value] = {range, {writes_.size() - 1}};
    return writes_.size() - 1;
  }

  void AddRead(const Value* operand, const Statement* reader, const Moment& moment) {
    const auto found = stored_.find(ir::StorageOf(operand));
    if (found != stored_.end()) reads_.push_back({found->second, reader, operand, moment});
  }

  // Where a body finds what stands behind `operand`, or a part of it.
  void Bind(const Value* parameter, const Value* operand, int64_t first = 0) {
    const auto found = stored_.find(ir::StorageOf(operand));
    if (found == stored_.end()) {
      stored_.erase(parameter);
      return;
    }
    const int64_t bytes = parameter->type.bytes().value();
    Stored part{{found->second.range.offset + first * bytes, bytes}, {}};
    for (size_t write : found->second.writes) {
      if (Overlap(writes_[write].range, part.range)) part.writes.push_back(write);
    }
    stored_[parameter] = std::move(part);
  }

  // A yield lies where the plan says: in the `result`, for a stack at its index.
  absl::Status PlaceYield(const Statement& holder, size_t result, const Value* yield, int64_t index, bool at_turn) {
    const Value* value = ir::StorageOf(yield);
    if (value->definition == nullptr || !ir::IsExecuted(*value->definition) || !value->arena.has_value()) {
      return Wrong(holder.results[result]->name, " is yielded by nobody");
    }
    ASSIGN_OR_RETURN(ArenaRange range, PlaceOf(*holder.results[result]));
    const bool stacked = holder.op == Op::kScan && result < ir::ScanView(holder).stacked;
    const ArenaRange& printed = *value->arena;
    if (printed.offset != holder.results[result]->arena->offset || printed.stacked != stacked) {
      return Wrong(value->name, " does not lie in ", holder.results[result]->name);
    }
    range.bytes = value->type.bytes().value();
    range.offset += index * range.bytes;
    if (at_turn && printed.turn >= 0) range.offset = printed.turn;
    RETURN_IF_ERROR(CheckRange(*value, range));
    places_[value] = range;
    return absl::OkStatus();
  }

  absl::Status RunScan(const Statement& s) {
    const ir::ScanView scan(s);
    const ir::Region& body = *s.region;
    std::vector<int64_t> steps;
    for (int64_t step = 0; step < scan.length; ++step) {
      const int64_t last = 2 + scan.length % 2;
      if (step < 2 || step >= scan.length - last) steps.push_back(step);
    }
    std::vector<Stored> stacks(scan.stacked);
    const bool in_strips = ir::RunsInStrips(s, graph_.threads, *graph_.target);
    if (in_strips) strip_ = strips_++;
    for (int64_t step : steps) {
      const int64_t index = scan.reverse ? scan.length - 1 - step : step;
      for (size_t i = 0; i < s.operands.size(); ++i) {
        const bool carried = i >= scan.sequences && i < scan.sequences + scan.carries;
        if (carried && step > 0) continue;
        Bind(body.parameters[i].get(), s.operands[i], i < scan.sequences ? index : 0);
      }
      for (size_t i = 0; i < s.results.size(); ++i) {
        if (ir::LiesInStack(s, i)) continue;
        RETURN_IF_ERROR(
            PlaceYield(s, i, body.yields[i], i < scan.stacked ? index : 0, (scan.length - 1 - step) % 2 != 0));
      }
      RETURN_IF_ERROR(RunStatements(body.statements));
      for (size_t i = 0; i < scan.stacked; ++i) {
        const Stored& now = stored_[ir::StorageOf(body.yields[i])];
        stacks[i].writes.insert(stacks[i].writes.end(), now.writes.begin(), now.writes.end());
      }
      std::vector<Stored> next;
      for (size_t i = 0; i < scan.carries; ++i) {
        next.push_back(stored_[ir::StorageOf(body.yields[scan.stacked + i])]);
      }
      for (size_t i = 0; i < scan.carries; ++i) stored_[body.parameters[scan.sequences + i].get()] = next[i];
    }
    if (in_strips) strip_ = -1;
    for (size_t i = 0; i < s.results.size(); ++i) {
      if (ir::LiesInStack(s, i)) continue;
      ASSIGN_OR_RETURN(const ArenaRange range, PlaceOf(*s.results[i]));
      if (i < scan.stacked) {
        stacks[i].range = range;
        stored_[s.results[i].get()] = stacks[i];
      } else {
        RETURN_IF_ERROR(Leave(s, i, stored_[body.parameters[scan.sequences + i - scan.stacked].get()]));
      }
    }
    return absl::OkStatus();
  }

  // A result gets its last value, which must lie there.
  absl::Status Leave(const Statement& s, size_t result, const Stored& last) {
    ASSIGN_OR_RETURN(const ArenaRange range, PlaceOf(*s.results[result]));
    if (!(last.range == range)) return Wrong(s.results[result]->name, " is computed elsewhere");
    stored_[s.results[result].get()] = last;
    return absl::OkStatus();
  }

  absl::Status RunWhile(const Statement& s) {
    const ir::Region& body = *s.region;
    const auto carries = static_cast<size_t>(s.Int("carries"));
    const bool alone = graph_.threads <= 1 || ir::RunsOnThreadZero(s);
    for (size_t i = 0; i < s.operands.size(); ++i) Bind(body.parameters[i].get(), s.operands[i]);
    const auto before = ir::DependenciesOf(body.yields[0]);
    size_t test = 0;
    for (size_t i = 0; i < body.statements.size(); ++i) {
      if (before.contains(body.statements[i].get())) test = i + 1;
    }
    if (!alone) {
      if (test == body.statements.size() || body.statements[test]->op != Op::kBarrier) {
        return Wrong(Who(&s), " looks at its predicate without a barrier");
      }
      ++test;
    }
    const Statements statements = body.statements;
    for (int pass = 0;; ++pass) {
      for (size_t i = 0; i < carries; ++i) {
        RETURN_IF_ERROR(PlaceYield(s, i, body.yields[i + 1], 0, pass % 2 != 0));
      }
      RETURN_IF_ERROR(RunStatements(statements.first(test)));
      AddRead(body.yields[0], &s, Now(alone));
      if (pass == course_.passes) break;
      RETURN_IF_ERROR(RunStatements(statements.subspan(test)));
      std::vector<Stored> next;
      for (size_t i = 0; i < carries; ++i) next.push_back(stored_[ir::StorageOf(body.yields[i + 1])]);
      for (size_t i = 0; i < carries; ++i) stored_[body.parameters[i].get()] = next[i];
    }
    for (size_t i = 0; i < carries; ++i) {
      ASSIGN_OR_RETURN(const ArenaRange range, PlaceOf(*s.results[i]));
      const auto found = stored_.find(body.parameters[i].get());
      if (found != stored_.end() && found->second.range == range) {
        stored_[s.results[i].get()] = found->second;
        continue;
      }
      const Moment moment = Now(alone);
      AddRead(body.parameters[i].get(), &s, moment);
      stored_[s.results[i].get()] = {range, {AddWrite(s.results[i].get(), &s, moment, range)}};
    }
    return absl::OkStatus();
  }

  absl::Status RunBranch(const Statement& s) {
    const bool alone = graph_.threads <= 1 || ir::RunsOnThreadZero(s);
    const Moment moment = Now(alone);
    AddRead(s.operands[0], &s, moment);
    for (size_t i = 1; i < s.operands.size(); ++i) Bind(s.region->parameters[i - 1].get(), s.operands[i]);
    for (size_t i = 0; i < s.results.size(); ++i) {
      RETURN_IF_ERROR(PlaceYield(s, i, s.region->yields[i], 0, false));
    }
    if (course_.taken) RETURN_IF_ERROR(RunStatements(s.region->statements));
    for (size_t i = 0; i < s.results.size(); ++i) {
      ASSIGN_OR_RETURN(const ArenaRange range, PlaceOf(*s.results[i]));
      if (course_.taken) {
        RETURN_IF_ERROR(Leave(s, i, stored_[ir::StorageOf(s.region->yields[i])]));
      } else {
        stored_[s.results[i].get()] = {range, {AddWrite(s.results[i].get(), &s, moment, range)}};
      }
    }
    return absl::OkStatus();
  }

  // What has to be there when the step ends: outputs, and every state in its own place.
  void AddEnd() {
    for (const ir::Output& output : graph_.outputs) AddRead(output.value, nullptr, Moment::End());
    absl::flat_hash_map<const Value*, const Value*> next;
    for (const auto& s : graph_.body.statements) {
      if (s->op == Op::kNext) next.emplace(s->operands[0], s->operands[1]);
    }
    for (const auto& s : graph_.body.statements) {
      if (s->op != Op::kParam && s->op != Op::kState) continue;
      const Value* state = s->result();
      if (const auto copied = copied_.find(state); copied != copied_.end()) {
        reads_.push_back({{*state->arena, {copied->second}}, nullptr, state, Moment::End()});
      } else if (const auto found = next.find(state); found != next.end()) {
        AddRead(found->second, nullptr, Moment::End());
      } else {
        AddRead(state, nullptr, Moment::End());
      }
    }
  }

  absl::Status CheckRead(const Read& read) const {
    for (size_t own_write : read.stored.writes) {
      const Write& own = writes_[own_write];
      if (!IsBefore(own.moment, own.range, read.moment, read.stored.range)) {
        return Wrong(Who(read.statement), " reads ", own.value->name, " before it is written on every thread");
      }
      for (const Write& other : writes_) {
        if (&other == &own || !Overlap(other.range, own.range) || !Overlap(other.range, read.stored.range)) continue;
        if (IsBefore(other.moment, other.range, own.moment, own.range)) continue;
        if (IsBefore(read.moment, read.stored.range, other.moment, other.range)) continue;
        const bool in_place = read.statement != nullptr && read.statement == other.statement &&
                              read.moment.position == other.moment.position && other.statement->op != Op::kNext &&
                              other.range == read.stored.range &&
                              ir::MayOverwrite(*read.statement, static_cast<size_t>(other.value->index), read.operand);
        if (in_place) continue;
        return Wrong(Who(read.statement), " reads ", own.value->name, " at ", own.range.offset, "+", own.range.bytes,
                     ", which ", Who(other.statement), " may overwrite before");
      }
    }
    return absl::OkStatus();
  }

  const ir::Graph& graph_;
  const Course course_;
  int position_ = 0, phase_ = 0;
  int strip_ = -1, strips_ = 0;  // the scan in strips at hand; how many there were
  std::vector<Write> writes_;
  std::vector<Read> reads_;
  // Stored values are copied to other keys while new ones come, so they must not move.
  absl::node_hash_map<const Value*, Stored> stored_;      // values that lie in the arena, by storage
  absl::flat_hash_map<const Value*, ArenaRange> places_;  // yields of bodies, in the iteration at hand
  absl::flat_hash_map<const Value*, size_t> copied_;      // by state: the write of its copying `next`
};

bool HoldsChoices(const ir::Region& region) {
  return std::any_of(region.statements.begin(), region.statements.end(), [](const auto& s) {
    return s->op == Op::kWhile || s->op == Op::kBranch || (ir::HasBody(s->op) && HoldsChoices(*s->region));
  });
}

}  // namespace

absl::Status VerifyPlan(const ir::Graph& graph) {
  RETURN_IF_ERROR(PlanVerifier(graph, {3, true}).Run());
  if (!HoldsChoices(graph.body)) return absl::OkStatus();
  RETURN_IF_ERROR(PlanVerifier(graph, {2, true}).Run());
  return PlanVerifier(graph, {0, false}).Run();
}

}  // namespace gradus::passes
