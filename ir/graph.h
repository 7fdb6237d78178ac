// A program: declarations and statements in execution order, each statement an operation on values.
//
// The text of a graph (ir/printer.h) and this structure say exactly the same. Declarations (`input`, `param`, `state`)
// are statements of operations without operands that stand first. A value is named, or unnamed: an unnamed value has
// exactly one use, in a later statement of the same region with the same note position and section, and prints nested
// in it. Scalar literals are always unnamed and never shared.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "ir/op.h"
#include "ir/target.h"
#include "ir/tensor.h"
#include "ir/type.h"

namespace gradus::ir {

struct Statement;
struct Region;

// Where a statement comes from: what prints behind `|`.
struct Note {
  std::string of;                    // an adjoint or a derived value: the name of the value it was derived from
  std::string file;                  // empty: the file of the program itself
  int line = 0;                      // from 1; 0: none
  int column = 0;                    // in code points, from 1
  std::vector<std::string> aliases;  // other names of the same value, joined by cse, in text order

  bool SamePosition(const Note& other) const {
    return line == other.line && column == other.column && file == other.file && of == other.of;
  }
};

// Where the plan puts a value: bytes of the arena. A result at the offset of a param or state is that state updated in
// place.
//
// In the body of a loop a place may depend on the iteration. `1024+512*`: the index-th of the places of 512 bytes that
// lie one after another from 1024, for index 0 of every loop around. `1024+512/2048`: a carry with two places; the last
// iteration writes at 1024, the one before at 2048, and so on in turn.
struct ArenaRange {
  int64_t offset = 0;
  int64_t bytes = 0;
  bool stacked = false;
  int64_t turn = -1;  // the offset of the other place; -1: there is none
  friend bool operator==(const ArenaRange&, const ArenaRange&) = default;
};

struct Value {
  Statement* definition = nullptr;  // null for the parameter of a region
  int index = 0;                    // among the results of `definition` or the parameters of its region
  Type type;
  std::string name;  // empty: unnamed
  absl::optional<ArenaRange> arena;
};

// The body of `fused(…) { …; yield … }`, of a custom vjp, a loop or a branch. Parameters carry the names of the
// operands that they stand for, in order (ir/control.h has what differs: a custom vjp has the incoming gradient first,
// loops have slices and carries of their own names). Statements see nothing but parameters and one another.
struct Region {
  std::vector<std::unique_ptr<Value>> parameters;
  std::vector<std::unique_ptr<Statement>> statements;
  std::vector<Value*> yields;
};

struct Statement {
  Op op = Op::kConstant;
  std::vector<Value*> operands;
  std::vector<AttributeValue> attributes;  // one an entry of Info(op).attributes, in that order
  std::vector<std::unique_ptr<Value>> results;
  std::unique_ptr<Region> region;  // kFused, kCustomVjp, kScan, kWhile, kBranch
  absl::optional<Tensor> literal;  // kConstant
  std::string initializer;  // kParam, kState (and kInput, where drawn unless fed): its expression as text, canonical
  std::string section;      // `forward`, `backward`, `update`, or empty
  Note note;

  Value* result() const { return results.front().get(); }
  // The attribute of this name, which the schema of `op` must have.
  int64_t Int(absl::string_view attribute) const;
  const Ints& IntList(absl::string_view attribute) const;
  const std::string& Text(absl::string_view attribute) const;
  DType TypeAttribute(absl::string_view attribute) const;
  uint64_t Key(absl::string_view attribute) const;
  void Set(absl::string_view attribute, AttributeValue value);
};

// What `output loss, acc` names: the public name and its value.
struct Output {
  std::string name;
  Value* value = nullptr;
};

struct NamedSize {
  std::string name;
  int64_t value = 0;
};

struct Graph {
  std::string name;  // `mlp.step`
  int numerics = 1;
  bool frozen = false;            // order is fixed: from here on no pass may change a bit
  absl::optional<Target> target;  // set by Schedule: the plan is exact for (graph, target, threads)
  int64_t threads = 0;            // 0: not scheduled yet
  int64_t arena_bytes = -1;       // set by the plan: states first, then temporaries; -1: not planned
  int64_t scratch_bytes = -1;     // of each thread, beside the arena
  std::vector<NamedSize> dims;    // for the reader; sizes in types are numbers
  Region body;                    // no parameters, no yields
  std::vector<Output> outputs;

  Graph() = default;
  Graph(Graph&&) = default;
  Graph& operator=(Graph&&) = default;

  Graph Clone() const;
  // The declaration or named value `name` of the outer body, or null.
  Value* Find(absl::string_view name) const;
};

// Uses of every value in the outer body of a graph or in one region. Regions nested below count as uses by the
// statement that holds them (through its operands). Outputs are uses with no statement. Computed on demand: editing the
// graph leaves it behind.
struct Use {
  Statement* user = nullptr;  // null: an output of the graph or a yield of the region
  int operand = 0;
};
class Uses {
 public:
  explicit Uses(const Graph& graph);
  explicit Uses(const Region& region);
  absl::Span<const Use> of(const Value* value) const;

 private:
  void Add(const Region& region);
  absl::flat_hash_map<const Value*, std::vector<Use>> uses_;
};

// Replaces `from` by `to` in the operands of every statement of `region`, in its yields, and (the overload) in the
// outputs.
void ReplaceUses(Region& region, const Value* from, Value* to);
void ReplaceUses(Graph& graph, const Value* from, Value* to);

// Replaces by a map, in one walk.
using ValueMap = absl::flat_hash_map<const Value*, Value*>;
void ReplaceUses(Graph& graph, const ValueMap& replacements);

// A copy of a statement whose operands are looked up in `map` (an operand that it lacks stays); adds its results to the
// map.
std::unique_ptr<Statement> CloneStatement(const Statement& statement, ValueMap& map);

// Removes the statements for which `dead` holds; nothing that stays may use them. Returns whether anything went.
template <typename Predicate>
bool EraseIf(Region& region, Predicate dead) {
  return std::erase_if(region.statements, [&](const std::unique_ptr<Statement>& s) { return dead(*s); }) > 0;
}

}  // namespace gradus::ir
