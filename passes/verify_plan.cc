#include "passes/verify_plan.h"

#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/storage.h"
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

struct Read {
  size_t write = 0;  // whose bytes
  const Statement* statement = nullptr;
  const Value* operand = nullptr;
  Moment moment;
};

bool Overlap(const ArenaRange& a, const ArenaRange& b) {
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
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

class PlanVerifier {
 public:
  explicit PlanVerifier(const ir::Graph& graph) : graph_(graph), timeline_(Timeline(graph)) {}

  absl::Status Run() {
    if (graph_.arena_bytes < 0) return Wrong("the graph has none");
    int64_t states = 0;
    for (size_t i = 0; i < timeline_.size(); ++i) {
      const Statement& s = *graph_.body.statements[i];
      if (s.op == Op::kParam || s.op == Op::kState) {
        if (!s.result()->arena.has_value() || s.result()->arena->offset != states) {
          return Wrong(s.result()->name, " does not lie at ", states);
        }
        states = states + ir::Size(s.result()->arena->bytes).RoundedUpTo(ir::kArenaAlignment).value();
      }
      RETURN_IF_ERROR(AddStatement(s, timeline_[i]));
    }
    AddEnd();
    for (const Read& read : reads_) RETURN_IF_ERROR(CheckRead(read));
    return absl::OkStatus();
  }

 private:
  absl::Status AddStatement(const Statement& s, const Moment& moment) {
    for (const auto& result : s.results) {
      const bool placed = s.op == Op::kParam || s.op == Op::kState || ir::IsExecuted(s);
      if (ir::IsView(s)) {
        if (result->arena != s.operands[0]->arena) return Wrong(result->name, " is a view but lies elsewhere");
        continue;
      }
      if (placed != result->arena.has_value()) return Wrong(result->name, placed ? " lies nowhere" : " has a place");
      if (!placed) continue;
      const ArenaRange& range = *result->arena;
      if (range.bytes != result->type.bytes().value() || range.offset < 0 ||
          range.offset + range.bytes > graph_.arena_bytes || range.offset % ir::kArenaAlignment != 0) {
        return Wrong(result->name, " : ", ToString(result->type), " lies at ", range.offset, "+", range.bytes,
                     " of an arena of ", graph_.arena_bytes);
      }
      write_of_.emplace(result.get(), writes_.size());
      const bool state = ir::IsDeclaration(s.op);
      writes_.push_back({result.get(), state ? nullptr : &s, state ? Moment::Start() : moment, range});
    }
    if (!ir::IsExecuted(s)) return absl::OkStatus();
    if (s.op == Op::kNext) {
      AddRead(s.operands[1], &s, moment);
      copied_[s.operands[0]] = writes_.size();
      writes_.push_back({s.operands[0], &s, moment, *s.operands[0]->arena});
      return absl::OkStatus();
    }
    for (const Value* operand : s.operands) AddRead(operand, &s, moment);
    return absl::OkStatus();
  }

  void AddRead(const Value* operand, const Statement* reader, const Moment& moment) {
    const auto found = write_of_.find(ir::StorageOf(operand));
    if (found != write_of_.end()) reads_.push_back({found->second, reader, operand, moment});
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
        reads_.push_back({copied->second, nullptr, state, Moment::End()});
      } else if (const auto found = next.find(state); found != next.end()) {
        AddRead(found->second, nullptr, Moment::End());
      } else {
        AddRead(state, nullptr, Moment::End());
      }
    }
  }

  absl::Status CheckRead(const Read& read) const {
    const Write& own = writes_[read.write];
    if (!HappensBefore(own.moment, read.moment)) {
      return Wrong(Who(read.statement), " reads ", own.value->name, " before it is written on every thread");
    }
    for (const Write& other : writes_) {
      if (&other == &own || !Overlap(other.range, own.range)) continue;
      if (HappensBefore(other.moment, own.moment) || HappensBefore(read.moment, other.moment)) continue;
      const bool in_place = read.statement != nullptr && read.statement == other.statement &&
                            other.statement->op != Op::kNext && other.range == own.range &&
                            ir::MayOverwrite(*read.statement, other.value->index, read.operand);
      if (in_place) continue;
      return Wrong(Who(read.statement), " reads ", own.value->name, " at ", own.range.offset, "+", own.range.bytes,
                   ", which ", Who(other.statement), " may overwrite before");
    }
    return absl::OkStatus();
  }

  const ir::Graph& graph_;
  std::vector<Moment> timeline_;
  std::vector<Write> writes_;
  std::vector<Read> reads_;
  absl::flat_hash_map<const Value*, size_t> write_of_;
  absl::flat_hash_map<const Value*, size_t> copied_;  // by state: the write of its copying `next`
};

}  // namespace

absl::Status VerifyPlan(const ir::Graph& graph) { return PlanVerifier(graph).Run(); }

}  // namespace gradus::passes
