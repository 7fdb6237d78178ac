#include "passes/schedule.h"

#include <algorithm>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/types/optional.h"
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/control.h"
#include "ir/region.h"
#include "ir/storage.h"
#include "ir/strips.h"
#include "ir/threads.h"
#include "passes/bodies.h"
#include "passes/copies.h"
#include "passes/fuse_build.h"
#include "passes/updates.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

// Bytes that are nothing beside a tensor: scalars that an update needs do not keep it waiting.
constexpr int64_t kLittle = 64;

bool IsScalarLiteral(const Statement& s) { return s.op == Op::kConstant && s.result()->type.rank() == 0; }

// What stands where: statements, barriers as null.
std::vector<const Statement*> Order(const ir::Graph& graph) {
  std::vector<const Statement*> order;
  for (const auto& s : graph.body.statements) order.push_back(s->op == Op::kBarrier ? nullptr : s.get());
  return order;
}

// Statements with the literals that are nested in them.
struct Item {
  std::vector<std::unique_ptr<Statement>> statements;  // the last one is what happens
  bool executed = false;                               // a kernel or a copying `next`
  bool alone = false;                                  // on thread 0
  bool test = false;                                   // no statement: every thread looks whether a `while` ends
  std::vector<size_t> users;                           // items that come later
  int waiting = 0;                                     // items that come earlier
  std::vector<const Value*> reads;                     // storages
  std::vector<const Value*> writes;                    // results, and the state that they are written over
};

class Scheduler {
 public:
  // Of the body of a graph, or of a lent one with the statement that holds it.
  Scheduler(ir::Graph& graph, int64_t threads, const Statement* holder) : graph_(graph), threads_(threads) {
    if (holder != nullptr) {
      yields_.emplace(graph, *holder);
      loops_ = holder->op != Op::kBranch;
      updates_ = CarriesInPlace(yields_->carried);
      for (const Value* stacked : yields_->results) updates_.erase(stacked);
      if (yields_->predicate != nullptr) {
        // Where the loop ends, the carries are those from before.
        for (const Statement* s : ir::DependenciesOf(yields_->predicate)) {
          for (const auto& result : s->results) updates_.erase(result.get());
        }
      }
    } else {
      updates_ = InPlaceUpdates(graph);
    }
    MakeItems();
    if (yields_.has_value() && yields_->predicate != nullptr) MakeTest(yields_->predicate);
    IndexItems();
    FindReadersOfStates();
    for (const Item& item : items_) {
      for (const Value* value : item.reads) ++readers_left_[value];
    }
    for (const ir::Output& output : graph.outputs) ++readers_left_[ir::StorageOf(output.value)];
  }

  void Run() {
    for (size_t i = 0; i < items_.size(); ++i) {
      if (items_[i].waiting == 0) MakeReady(i);
    }
    std::vector<std::unique_ptr<Statement>> out;
    while (const absl::optional<size_t> next = Choose()) {
      const size_t i = *next;
      if (NeedsBarrier(items_[i])) {
        auto barrier = std::make_unique<Statement>();
        barrier->op = Op::kBarrier;
        if (!items_[i].test) barrier->section = items_[i].statements.back()->section;
        out.push_back(std::move(barrier));
        written_.clear();
        read_.clear();
        good_.merge(blocked_);
        fresh_ = true;
        any_barrier_ = true;
        continue;
      }
      for (std::set<size_t>* ready : {&good_, &dear_, &blocked_}) ready->erase(i);
      Take(i);
      if (!any_barrier_) first_.push_back(i);
      for (size_t user : items_[i].users) {
        if (--items_[user].waiting == 0) MakeReady(user);
      }
      for (auto& s : items_[i].statements) out.push_back(std::move(s));
      ++taken_;
    }
    CHECK(taken_ == items_.size()) << "statements wait for each other";
    if (loops_ && ClashesWithNextIteration()) {
      out.push_back(std::make_unique<Statement>());
      out.back()->op = Op::kBarrier;
    }
    graph_.body.statements = std::move(out);
  }

 private:
  void MakeItems() {
    absl::flat_hash_map<const Value*, size_t> item_of;
    std::vector<std::unique_ptr<Statement>> literals;
    for (auto& s : graph_.body.statements) {
      if (s->op == Op::kBarrier) continue;
      if (IsScalarLiteral(*s)) {
        literals.push_back(std::move(s));
        continue;
      }
      Item item;
      const size_t index = items_.size();
      const auto after = [&](size_t earlier) {
        items_[earlier].users.push_back(index);
        ++item.waiting;
      };
      for (const Value* operand : s->operands) {
        if (IsScalarLiteral(*operand->definition)) continue;
        after(item_of.at(operand));
        if (!ir::IsView(*s)) item.reads.push_back(ir::StorageOf(operand));
      }
      item.executed = !ir::IsDeclaration(s->op) && s->op != Op::kConstant && !ir::IsView(*s) && s->op != Op::kNext;
      if (s->op == Op::kNext) {
        item.reads = {ir::StorageOf(s->operands[1])};
        item.executed = !IsInPlace(*s) && item.reads[0] != s->operands[0];
        if (item.executed) item.writes.push_back(s->operands[0]);
      }
      item.alone = item.executed && ir::RunsOnThreadZero(*s);
      // What the body of a loop keeps for itself: its first yield stands for it.
      if (ir::HasBody(s->op)) item.writes.push_back(s->region->yields[0]);
      for (const auto& result : s->results) {
        item_of.emplace(result.get(), index);
        if (!item.executed) continue;
        item.writes.push_back(result.get());
        if (const auto found = updates_.find(result.get()); found != updates_.end()) {
          item.writes.push_back(found->second);
        }
      }
      std::sort(item.reads.begin(), item.reads.end());
      item.reads.erase(std::unique(item.reads.begin(), item.reads.end()), item.reads.end());
      item.statements = std::move(literals);
      literals.clear();
      item.statements.push_back(std::move(s));
      items_.push_back(std::move(item));
    }
    if (literals.empty()) return;
    // Behind everything else stand literals that are outputs.
    items_.emplace_back();
    items_.back().statements = std::move(literals);
  }

  // What the predicate depends on comes before the test, everything else after it.
  void MakeTest(const Value* predicate) {
    const size_t test = items_.size();
    Item item;
    item.executed = item.test = true;
    item.alone = std::all_of(items_.begin(), items_.end(), [](const Item& i) { return !i.executed || i.alone; });
    item.reads = {ir::StorageOf(predicate)};
    const absl::flat_hash_set<const Statement*> before = ir::DependenciesOf(predicate);
    for (size_t i = 0; i < test; ++i) {
      const Statement& s = *items_[i].statements.back();
      if (before.contains(&s)) {
        items_[i].users.push_back(test);
        ++item.waiting;
      } else if (!ir::IsDeclaration(s.op)) {
        item.users.push_back(i);
        ++items_[i].waiting;
      }
    }
    items_.push_back(std::move(item));
  }

  // Whether a thread that begins an iteration before the others have ended the last one may disturb them, or miss what
  // they write.
  bool ClashesWithNextIteration() {
    if (threads_ <= 1) return false;
    const auto carry_over = [](absl::flat_hash_map<const Value*, bool>& done, const Value* from, const Value* to) {
      const auto found = done.find(from);
      if (found == done.end()) return;
      const bool alone = found->second;
      Mark(done, to, alone);
    };
    for (const auto& [parameter, next] : yields_->carried) {
      carry_over(written_, next, parameter);
      // The next value may be written where this one is read.
      if (!yields_->results.contains(next)) carry_over(read_, parameter, next);
    }
    // What is stacked is written at another index then.
    for (const Value* stacked : yields_->results) {
      written_.erase(stacked);
      read_.erase(stacked);
    }
    fresh_ = false;
    return std::any_of(first_.begin(), first_.end(), [&](size_t i) { return NeedsBarrier(items_[i]); });
  }

  bool IsInPlace(const Statement& next) const {
    const auto found = updates_.find(next.operands[1]);
    return found != updates_.end() && found->second == next.operands[0];
  }

  // What is looked up by state or storage while items are put in order.
  void IndexItems() {
    for (size_t i = 0; i < items_.size(); ++i) {
      for (const Value* value : items_[i].reads) readers_of_[value].push_back(i);
      for (const Value* value : items_[i].writes) writers_of_[value].push_back(i);
      if (items_[i].test) continue;
      const Statement& s = *items_[i].statements.back();
      if (s.op == Op::kNext) next_of_.emplace(s.operands[0], i);
    }
  }

  // Whoever reads the old value of a state comes before the statement that writes the new one there. Where that would
  // be a circle, because a reader waits for the new value, the update is no update in place but a copy at the end.
  void FindReadersOfStates() {
    std::vector<std::pair<const Value*, size_t>> writers;  // of states, in the order of their declarations
    for (const Item& declaration : items_) {
      if (declaration.test) continue;
      const Statement& s = *declaration.statements.back();
      if (!ir::IsDeclaration(s.op)) continue;
      for (size_t i : writers_of_[s.result()]) writers.emplace_back(s.result(), i);
    }
    // An update that is given up becomes a copy, which is looked at then.
    for (size_t w = 0; w < writers.size(); ++w) {
      const auto [state, writer] = writers[w];
      std::vector<size_t> readers;
      for (size_t i : readers_of_[state]) {
        if (i != writer && items_[i].executed) readers.push_back(i);
      }
      if (yields_.has_value()) {
        // A carry has a second place if need be, so nobody waits for a reader that the new value does not wait for
        // anyway.
        const bool all_before =
            std::all_of(readers.begin(), readers.end(), [&](size_t r) { return Later(r).contains(writer); });
        if (!all_before) {
          auto& writes = items_[writer].writes;
          writes.erase(std::find(writes.begin(), writes.end(), state));
        }
        continue;
      }
      const absl::flat_hash_set<size_t> later = Later(writer);
      const bool circle = std::any_of(readers.begin(), readers.end(), [&](size_t r) { return later.contains(r); });
      if (circle) {
        CHECK(items_[writer].statements.back()->op != Op::kNext) << "a copy of a state that waits for itself";
        writers.emplace_back(state, GiveUp(writer, state));
        continue;
      }
      for (size_t reader : readers) {
        items_[reader].users.push_back(writer);
        ++items_[writer].waiting;
      }
    }
  }

  // The items that wait for this one.
  absl::flat_hash_set<size_t> Later(size_t from) const {
    absl::flat_hash_set<size_t> seen;
    std::vector<size_t> stack = {from};
    while (!stack.empty()) {
      const size_t i = stack.back();
      stack.pop_back();
      for (size_t user : items_[i].users) {
        if (seen.insert(user).second) stack.push_back(user);
      }
    }
    return seen;
  }

  // Returns the `next` that copies instead.
  size_t GiveUp(size_t writer, const Value* state) {
    auto& writes = items_[writer].writes;
    writes.erase(std::find(writes.begin(), writes.end(), state));
    CHECK(next_of_.contains(state)) << state->name << " has no next";
    const size_t i = next_of_.at(state);
    Item& item = items_[i];
    const Statement& s = *item.statements.back();
    updates_.erase(s.operands[1]);
    item.executed = true;
    item.alone = ir::RunsOnThreadZero(s);
    item.writes.push_back(state);
    return i;
  }

  bool NeedsBarrier(const Item& item) const {
    if (threads_ <= 1 || !item.executed) return false;
    // Behind it every thread finds the predicate, and before it none changes what the predicate was computed from.
    if (item.test) return !item.alone && !fresh_;
    const auto clashes = [&](const absl::flat_hash_map<const Value*, bool>& done, const Value* value) {
      const auto found = done.find(value);
      return found != done.end() && !(found->second && item.alone);
    };
    for (const Value* value : item.reads) {
      if (clashes(written_, value)) return true;
    }
    for (const Value* value : item.writes) {
      if (clashes(written_, value) || clashes(read_, value)) return true;
    }
    return false;
  }

  // Bytes of temporaries that come to life, less those that die.
  int64_t Growth(const Item& item) const {
    if (!item.executed || item.test) return 0;
    int64_t bytes = 0;
    for (const auto& result : item.statements.back()->results) {
      if (!updates_.contains(result.get())) bytes += result->type.bytes().value();
    }
    for (const Value* value : item.reads) {
      const bool temporary = !ir::IsDeclaration(value->definition->op) && !updates_.contains(value);
      if (temporary && readers_left_.at(value) == 1) bytes -= value->type.bytes().value();
    }
    return bytes;
  }

  void MakeReady(size_t i) { (Growth(items_[i]) <= kLittle ? good_ : dear_).insert(i); }

  // The first in the text that needs no barrier and no memory, or else the first.
  absl::optional<size_t> Choose() {
    while (!good_.empty()) {
      const size_t i = *good_.begin();
      if (!NeedsBarrier(items_[i])) return i;
      blocked_.insert(good_.extract(good_.begin()));
    }
    absl::optional<size_t> first;
    for (const std::set<size_t>* ready : {&dear_, &blocked_}) {
      if (!ready->empty() && (!first.has_value() || *ready->begin() < *first)) first = *ready->begin();
    }
    return first;
  }

  void Take(size_t i) {
    const Item& item = items_[i];
    for (const Value* value : item.reads) {
      if (--readers_left_[value] != 1) continue;
      // The last reader lets the value die.
      for (size_t reader : readers_of_[value]) {
        if (dear_.contains(reader) && Growth(items_[reader]) <= kLittle) good_.insert(dear_.extract(reader));
      }
    }
    if (!item.executed) return;
    fresh_ = false;
    for (const Value* value : item.reads) Mark(read_, value, item.alone);
    for (const Value* value : item.writes) Mark(written_, value, item.alone);
  }

  // Once a thread other than 0 takes part, it stays so until the barrier.
  static void Mark(absl::flat_hash_map<const Value*, bool>& done, const Value* value, bool alone) {
    const auto [entry, fresh] = done.emplace(value, alone);
    if (!fresh) entry->second = entry->second && alone;
  }

  ir::Graph& graph_;
  int64_t threads_;
  absl::optional<Yields> yields_;  // of a lent body
  bool loops_ = false;
  absl::flat_hash_map<const Value*, const Value*> updates_;
  std::vector<Item> items_;
  absl::flat_hash_map<const Value*, std::vector<size_t>> readers_of_, writers_of_;
  absl::flat_hash_map<const Value*, size_t> next_of_;  // by state
  absl::flat_hash_map<const Value*, int> readers_left_;
  // Items that wait for nothing, in text order: those that need no memory, those that do, and those of the first kind
  // that wait for the next barrier.
  std::set<size_t> good_, dear_, blocked_;
  // Storages since the last barrier; true: by statements of thread 0 alone.
  absl::flat_hash_map<const Value*, bool> written_, read_;
  bool fresh_ = false;  // nothing is executed since the last barrier
  bool any_barrier_ = false;
  std::vector<size_t> first_;  // items before the first barrier
  size_t taken_ = 0;
};

// Adds the copies without which values would have no place of their own. Of the body of a graph, or of a lent one with
// the statement that holds it, and of the bodies in it. Whether there are any.
absl::StatusOr<bool> InsertCopies(ir::Graph& graph, const Statement* holder) {
  ASSIGN_OR_RETURN(const bool inside,
                   InBodies(graph, [](ir::Graph& body, Statement& s) { return InsertCopies(body, &s); }));
  const std::vector<const Statement*> before = Order(graph);
  if (holder != nullptr) {
    CopyYields(graph, *holder);
  } else {
    CopyChangingStates(graph);
  }
  ReadLastFromStack(graph);
  return Order(graph) != before || inside;
}

using Strips = absl::flat_hash_set<const Statement*>;

void FindStrips(const ir::Region& body, const Options& options, Strips& strips) {
  for (const auto& s : body.statements) {
    if (!ir::HasBody(s->op)) continue;
    if (ir::RunsInStrips(*s, options.threads, options.target)) strips.insert(s.get());
    FindStrips(*s->region, options, strips);
  }
}

// As above. Whether the order changed. In strips no thread waits for another.
absl::StatusOr<bool> ScheduleStatements(ir::Graph& graph, const Options& options, const Strips& strips,
                                        const Statement* holder) {
  ASSIGN_OR_RETURN(const bool inside, InBodies(graph, [&](ir::Graph& body, Statement& s) {
                     return ScheduleStatements(body, options, strips, &s);
                   }));
  const std::vector<const Statement*> before = Order(graph);
  const bool named = NameValues(graph, [](const Value& value) { return !IsScalarLiteral(*value.definition); });
  Scheduler(graph, strips.contains(holder) ? 1 : options.threads, holder).Run();
  return Order(graph) != before || named || inside;
}

}  // namespace

absl::StatusOr<bool> Schedule(ir::Graph& graph, const Options& options) {
  ASSIGN_OR_RETURN(const bool copied, InsertCopies(graph, nullptr));
  Strips strips;
  FindStrips(graph.body, options, strips);
  ASSIGN_OR_RETURN(const bool ordered, ScheduleStatements(graph, options, strips, nullptr));
  const bool changed = copied || ordered || graph.target != options.target || graph.threads != options.threads;
  graph.target = options.target;
  graph.threads = options.threads;
  return changed;
}

}  // namespace gradus::passes
