// Small contractions: the microkernel in place, its epilogue on registers; no call, no packing, no scratch.
#include <algorithm>

#include "codegen/contraction_emit.h"
#include "codegen/control.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

constexpr int64_t kAccumulators = 8;  // enough to hide the latency of a multiply-add; more is more code
constexpr int64_t kUnrolledTerms = 64;

class InlineEmitter {
 public:
  explicit InlineEmitter(const ContractionJob& job)
      : job_(job), loops_(job.loops), builder_(job.context.builder), bytes_(ir::ByteWidth(job.spec.type)) {
    tile_ = InlineTile(loops_.row.extent, loops_.column.extent, job.spec.type, job.context.target);
  }

  void Emit() {
    EmitShare(job_.context, 1, true, [&](Value*, Value*) {
      EmitFor(builder_, Int(0), Int(loops_.outer_count()), 1, [&](Value* outer) {
        indices_ = EmitIndices(builder_, loops_.outer, outer);
        const int64_t whole = loops_.row.extent / tile_.rows * tile_.rows;
        EmitFor(builder_, Int(0), Int(whole), tile_.rows, [&](Value* row) { EmitRows(row, tile_.rows); });
        if (whole < loops_.row.extent) EmitRows(Int(whole), loops_.row.extent - whole);
      });
    });
  }

 private:
  Value* Int(int64_t value) { return builder_.getInt64(static_cast<uint64_t>(value)); }

  void EmitRows(Value* row, int64_t rows) {
    Tile tile = tile_;
    tile.rows = rows;
    TileOperands operands;
    Value* a = EmitOffsets(builder_, loops_.outer, indices_, [](const ContractionLoop& l) { return l.a; });
    a = IndexAdd(builder_, a, IndexMultiply(builder_, row, loops_.row.a.step));
    operands.a = EmitAdvance(builder_, job_.spec.type, job_.a, a);
    operands.b =
        EmitAdvance(builder_, job_.spec.type, job_.b,
                    EmitOffsets(builder_, loops_.outer, indices_, [](const ContractionLoop& l) { return l.b; }));
    operands.a_row = Int(loops_.row.a.step * bytes_);
    operands.a_k = Int(loops_.contracted.a.step * bytes_);
    operands.b_k = Int(loops_.contracted.b.step * bytes_);
    operands.contracted = Int(loops_.contracted.extent);
    operands.columns = loops_.column.extent;
    if (loops_.column.b.step != 1) operands.b_column = loops_.column.b.step * bytes_;
    const int64_t valid = (operands.columns - 1) % tile.lanes + 1;
    Value* mask = valid == tile.lanes ? nullptr : EmitLaneMask(builder_, tile.lanes, Int(valid));
    operands.mask = mask;
    const int64_t unroll = std::max<int64_t>(1, kUnrolledTerms / (tile.rows * tile.vectors));
    const std::vector<Value*> finished = EmitTile(builder_, job_.context.target, tile, operands, {}, unroll);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t v = 0; v < tile.vectors; ++v) {
        Finish(IndexAdd(builder_, row, Int(r)), v * tile.lanes, v + 1 == tile.vectors ? mask : nullptr,
               finished[r * tile.vectors + v]);
      }
    }
  }

  void Finish(Value* row, int64_t column, Value* mask, Value* value) {
    std::vector<Value*> offsets;
    std::vector<int64_t> steps;
    for (int o = 0; o < job_.spec.outputs; ++o) {
      Value* offset =
          EmitOffsets(builder_, loops_.outer, indices_, [o](const ContractionLoop& l) { return l.outputs[o]; });
      offset = IndexAdd(builder_, offset, EmitOffset(builder_, loops_.row.outputs[o], row));
      offsets.push_back(IndexAdd(builder_, offset, EmitOffset(builder_, loops_.column.outputs[o], Int(column))));
      steps.push_back(loops_.column.outputs[o].step);
    }
    job_.epilogue({builder_, value, static_cast<int>(tile_.lanes), mask, offsets, steps});
  }

  const ContractionJob& job_;
  const ContractionLoops& loops_;
  llvm::IRBuilder<>& builder_;
  const int64_t bytes_;
  Tile tile_;
  std::vector<Value*> indices_;
};

}  // namespace

Tile InlineTile(int64_t rows, int64_t columns, ir::DType type, const ir::Target& target) {
  Tile tile;
  tile.type = type;
  // A few elements are computed one by one: what reads them next need not wait for a vector to leave the store buffer.
  if (rows * columns > kAccumulators) {
    const int64_t widest = target.vector_bytes() / ir::ByteWidth(type);
    while (tile.lanes < widest && tile.lanes < columns) tile.lanes *= 2;
  }
  tile.vectors = (columns + tile.lanes - 1) / tile.lanes;
  tile.rows = std::min(rows, std::max<int64_t>(1, kAccumulators / tile.vectors));
  // Equal tiles where a divisor is near.
  for (int64_t r = tile.rows; 2 * r > tile.rows; --r) {
    if (rows % r == 0) {
      tile.rows = r;
      break;
    }
  }
  return tile;
}

void EmitInline(const ContractionJob& job) { InlineEmitter(job).Emit(); }

}  // namespace gradus::codegen
