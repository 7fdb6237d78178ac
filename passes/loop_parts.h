// The parts of a loop or a branch as a statement, and how operands join and leave it.
#pragma once

#include <vector>

#include "ir/builder.h"

namespace gradus::passes {

// How the yields and results of a statement are divided: what is stacked (or all of a branch), then carries.
struct LoopParts {
  explicit LoopParts(const ir::Statement& s)
      : first_carry(s.op == ir::Op::kScan ? static_cast<size_t>(s.Int("sequences")) : 0),
        carries(s.op == ir::Op::kBranch ? 0 : static_cast<size_t>(s.Int("carries"))),
        first_next(s.region->yields.size() - carries),
        predicate(s.op == ir::Op::kWhile ? 1 : 0) {}

  size_t first_carry;  // among operands and parameters
  size_t carries;
  size_t first_next;  // among yields
  size_t predicate;   // yields before those that are results
};

template <typename T>
void EraseAt(std::vector<T>& items, size_t i) {
  items.erase(items.begin() + static_cast<int64_t>(i));
}

// Takes an operand and its parameter, which nothing reads, off a statement. Sizes and numbers stay for Decrease and
// Renumber.
void RemoveOperand(ir::Statement& s, size_t operand);
void Decrease(ir::Statement& s, absl::string_view attribute);
// Numbers parameters and results again after some have gone.
void Renumber(ir::Statement& s);

// The parameter through which the body reads `value`, which is captured if it is not yet.
ir::Value* Capture(ir::Statement& s, ir::Value* value);

// Builds what follows from a statement and speaks for it, before `after`, the next one; null: it is the last.
ir::Builder BuilderBehind(ir::Graph& graph, const ir::Statement& s, const ir::Statement* after);
// What reads a result reads `value` from here on, which takes its name.
void TakePlace(ir::Graph& graph, ir::Value* result, ir::Value* value);

// A literal, or a literal repeated to a shape: copied to the front of the body. Null: it is neither.
ir::Value* Sink(ir::Statement& s, const ir::Value* value);

}  // namespace gradus::passes
