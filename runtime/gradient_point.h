// The values of a graph at one point, every float a double, and how they change when one of them does: exactly, as
// tangents, and by doing the change.
//
// A tangent passes through an operation that is linear by the operation itself, through a contraction by the product
// rule, and through everything else by the dual numbers of the interpreter. None of it knows the gradient rules. The
// markers mean what they mean to a gradient: nothing changes behind `stop_gradient`, and `custom_vjp` is its value.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ir/array.h"
#include "ir/graph.h"

namespace gradus::runtime {

using SharedArray = std::shared_ptr<const ir::Array>;
using ValueArrays = absl::flat_hash_map<const ir::Value*, SharedArray>;

// The loops and branches around a statement of a trace (gradient_trace.h), the innermost first.
struct LoopPlace {
  const ir::Statement* loop = nullptr;
  const LoopPlace* outer = nullptr;
};
struct PlaceInLoop {
  const LoopPlace* place = nullptr;
  bool helper = false;  // it stands for the loop itself, and for no statement of the body
};
using LoopPlaces = absl::flat_hash_map<const ir::Statement*, PlaceInLoop>;

// Who reads what, and where statements stand.
class GraphOrder {
 public:
  // `places`, which stays, is of the statements that a loop became.
  explicit GraphOrder(const ir::Graph& graph, const LoopPlaces* places = nullptr);
  absl::Span<const ir::Statement* const> statements() const { return statements_; }
  absl::Span<const ir::Statement* const> users(const ir::Value* value) const;
  int place(const ir::Statement* statement) const { return places_.at(statement); }
  // The statements that these values are computed from, in order.
  std::vector<const ir::Statement*> Before(absl::Span<const ir::Value* const> values) const;
  // The statement that an unnamed value prints in, that of the value itself where it has a name.
  const ir::Statement* Root(const ir::Statement* statement) const;
  // The statement of the program to speak of: the root, or the loop that it stands for.
  const ir::Statement* Spoken(const ir::Statement* statement) const;
  // Whether a statement, or a loop around it, has a result of one of these names.
  bool IsCalled(const ir::Statement* statement, absl::Span<const std::string> names) const;

 private:
  const LoopPlaces* loops_;
  std::vector<const ir::Statement*> statements_;
  absl::flat_hash_map<const ir::Statement*, int> places_;
  absl::flat_hash_map<const ir::Value*, std::vector<const ir::Statement*>> users_;
};

// The statements through which a change of `from` reaches `ends`, in order. Beyond an end nothing changes.
struct Reach {
  const ir::Value* from = nullptr;
  std::vector<const ir::Statement*> statements;
  absl::flat_hash_set<const ir::Statement*> entries;  // those that see the change of `from` itself; empty: all
  std::vector<const ir::Value*> ends;
  std::vector<const ir::Value*> passed;  // values on the way whose change is told as well
};

// Elements whose side of a comparison, rounding or maximum differs between two points, by statement.
using BranchChanges = std::vector<std::pair<const ir::Statement*, int64_t>>;

// The result of a statement, its operands being what `values` has.
absl::StatusOr<SharedArray> ValueInDouble(const ir::Statement& statement, const ValueArrays& values);

class GradientPoint {
 public:
  // The values of `statements`, which are in order and closed under operands; `declared` has those of the declarations.
  // With a `rounding` that is not 0 every result of an operation is off by a random part in 2^52: how far two such
  // points differ is how far rounding can be seen. `visit` hears of every statement.
  static absl::StatusOr<GradientPoint> Create(absl::Span<const ir::Statement* const> statements,
                                              const ValueArrays& declared, uint64_t rounding,
                                              const std::function<void()>& visit);

  const ir::Array& At(const ir::Value* value) const { return *values_.at(value); }

  // The tangents of the ends and of what is passed; one that does not change is not among them. With a `rounding` that
  // is not 0 they are off as the values are.
  absl::StatusOr<ValueArrays> Tangents(const Reach& reach, SharedArray direction, uint64_t rounding = 0) const;
  // The values of both with `from` at another value; one that does not change is not among them. With `branches`,
  // what takes another branch on the way is appended; nothing more is computed then, and nothing returned.
  absl::StatusOr<ValueArrays> Moved(const Reach& reach, SharedArray value, BranchChanges* branches) const;

 private:
  ValueArrays values_;
};

}  // namespace gradus::runtime
