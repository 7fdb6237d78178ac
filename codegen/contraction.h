// Emits a contraction, c = sum over k of a * b, with an epilogue on every finished vector of accumulators.
//
// The caller says what each loop does to the address of each operand, so every einsum has a form here: transposed
// operands, batches with any strides, operands and results in panels. The bits are those of ir/order.h: one fused
// multiply-add a term, ascending in the contracted axes (the last fastest), from +0. Axes are collapsed, operands
// swapped so that columns are adjacent in the result, and tiles chosen by ir/blocking.h; the microkernels become
// internal functions of the module, shared by every contraction of the same tile.
#pragma once

#include <functional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "ir/band.h"
#include "ir/blocking.h"
#include "llvm/IR/IRBuilder.h"

namespace gradus::codegen {

// How the index i of a loop moves an operand, in elements: by i * step, or, where the operand lies in panels along this
// axis, by (i / panel) * panel_step + (i % panel) * step. A step of 0: the operand does not have the axis.
struct AxisStep {
  int64_t step = 0;
  int64_t panel = 0;
  int64_t panel_step = 0;

  AxisStep() = default;
  AxisStep(int64_t step) : step(step) {}  // NOLINT: the common case is a number
  AxisStep(int64_t step, int64_t panel, int64_t panel_step) : step(step), panel(panel), panel_step(panel_step) {}
};

struct ContractionLoop {
  int64_t extent = 1;
  AxisStep a;
  AxisStep b;
  absl::InlinedVector<AxisStep, 2> outputs;  // one an entry of ContractionSpec::outputs
  int64_t side = 0;                          // of the band: see ContractionSpec
};

// Outputs are whatever the epilogue addresses by the index of a finished element: results to store, and operands of the
// fused statements to load. Output 0 is the one whose adjacent elements steer the direction of vectors.
struct ContractionSpec {
  ir::DType type = ir::DType::kF32;
  std::vector<ContractionLoop> batch;
  std::vector<ContractionLoop> rows;        // free axes of a
  std::vector<ContractionLoop> columns;     // free axes of b
  std::vector<ContractionLoop> contracted;  // in the order of evaluation, the last one fastest
  int outputs = 1;
  int64_t slices = 1;    // contiguous slices of k, each a chain from +0, then added left to right
  bool lanes16 = false;  // sixteen chains, k mod 16, then a tree: 8, 4, 2, 1
  // A term exists where lower <= sum of side * index <= upper; two loops, if any, have a side, 1 and -1.
  int64_t lower = -ir::kNoBound;
  int64_t upper = ir::kNoBound;

  bool banded() const { return lower != -ir::kNoBound || upper != ir::kNoBound; }
};

// A vector of finished accumulators: consecutive elements along one free axis.
struct FinishedVector {
  llvm::IRBuilder<>& builder;
  llvm::Value* value;  // <lanes x type>, or a scalar where lanes is 1
  int lanes;
  llvm::Value* mask;                       // <lanes x i1>, or null: all lanes are valid
  absl::Span<llvm::Value* const> offsets;  // i64 element offset of lane 0 in every output
  absl::Span<const int64_t> steps;         // elements from lane to lane in every output; 0: all lanes share one
};

// Emits code at the builder's insertion point, and leaves the insertion point where code continues. It is called for
// every place of the emitted code in which accumulators are finished, often within loops.
using Epilogue = std::function<void(const FinishedVector&)>;

// Where code is emitted to, and what it may use there.
struct ContractionContext {
  llvm::IRBuilder<>& builder;
  const ir::Target& target;
  llvm::Value* thread;   // i64, of this thread
  llvm::Value* threads;  // i64; a constant 0 and 1 emit code for one thread alone
  llvm::Value* scratch;  // of this thread, aligned to 64 bytes, ContractionScratchBytes(spec) long; may be null if 0
};

// Emits the contraction of *a and *b. Each thread finishes its share of the elements; the caller places the barriers.
void EmitContraction(const ContractionContext& context, const ContractionSpec& spec, llvm::Value* a, llvm::Value* b,
                     const Epilogue& epilogue);
// The same with the result stored through `c`, which output 0 describes.
void EmitContraction(const ContractionContext& context, const ContractionSpec& spec, llvm::Value* a, llvm::Value* b,
                     llvm::Value* c);

// Scratch that the emitted code uses in each thread; never more than ir::ContractionScratchBound.
int64_t ContractionScratchBytes(const ContractionSpec& spec, const ir::Target& target, bool has_epilogue);

}  // namespace gradus::codegen
