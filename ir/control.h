// Statements that hold a region: how operands meet parameters, and what loops and branches promise.
//
// `scan`: operands are sequences [length, …], first carries, captures; parameters are one slice […] a sequence, the
// carries, the captures. The region yields what is stacked, then the next carries; results are the stacked values
// [length, …], then the last carries. Index by index from 0, or with `reverse` from length - 1 down: slices are those
// of the index and what is stacked lies at it.
//
// `while`: operands are first carries, captures; the region yields the predicate (one bool), then the next carries;
// results are the last carries. Each pass computes the predicate of the carries first; where it holds the loop ends
// with these carries, and nothing else of the region runs.
//
// `branch`: operands are the predicate (one bool), captures, which alone are parameters; results are the yields where
// the predicate holds, else zeros, and then nothing of the region runs.
#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ir/graph.h"

namespace gradus::ir {

// Operand `first_operand + i` stands for parameter `first_parameter + i`. From `first_capture` on operands are
// captures: written by name, each once, and their parameters are called as they are.
struct RegionOperands {
  size_t first_operand = 0;
  size_t first_parameter = 0;
  size_t first_capture = 0;
};
// Of a statement whose operation has a region, with its attributes in place.
RegionOperands RegionOperandsOf(const Statement& statement);
// The parameter that stands for this operand, or null (the predicate of a branch, the value of a custom vjp).
Value* ParameterOf(const Statement& statement, size_t operand);

// What a scan consists of, in the order of its operands and results.
struct ScanView {
  explicit ScanView(const Statement& scan);
  int64_t length;
  size_t sequences, carries, captures, stacked;
  bool reverse, recompute;
};

// The type of a slice of a sequence, and of what is stacked of a value.
Type SliceOf(const Type& sequence);
Type StackOf(int64_t length, const Type& slice);

// The shape rules and the complete static check of the three.
absl::StatusOr<std::vector<Type>> InferScan(const Statement& statement);
absl::StatusOr<std::vector<Type>> InferWhile(const Statement& statement);
absl::StatusOr<std::vector<Type>> InferBranch(const Statement& statement);

// Parameters must have the types of the operands that they stand for.
absl::Status CheckParameters(const Statement& statement);

// After operands were replaced: joins captures that became one value, and calls every parameter of a capture as its
// operand; a value of the region that has this name gets another. Returns whether anything changed.
bool AlignCaptures(Statement& statement);

}  // namespace gradus::ir
