#include <algorithm>

#include "codegen/contraction.h"
#include "codegen/emit_kernels.h"
#include "ir/check.h"
#include "ir/contraction.h"
#include "ir/order.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

// The addresses that an epilogue needs, each distinct combination of strides once. Output 0 is the first yield.
std::vector<ir::Shape> OutputsOf(const std::vector<const Linear*>& forms) {
  std::vector<ir::Shape> outputs;
  for (const Linear* form : forms) {
    if (std::find(outputs.begin(), outputs.end(), form->coefficients) == outputs.end()) {
      outputs.push_back(form->coefficients);
    }
  }
  return outputs;
}

ContractionSpec SpecOf(const ir::Statement& dot, const std::vector<ir::Shape>& outputs) {
  const ir::Type& a = dot.operands[0]->type;
  const ir::Type& b = dot.operands[1]->type;
  const ir::Shape strides_a = ir::RowMajorStrides(a.shape);
  const ir::Shape strides_b = ir::RowMajorStrides(b.shape);
  const ir::Contraction contraction = ir::AxesOf(dot);
  const ir::ContractionOrder order = ir::OrderOfContraction(dot);
  ContractionSpec spec;
  spec.type = dot.result()->type.element;
  spec.outputs = static_cast<int>(outputs.size());
  spec.slices = order.slices;
  spec.lanes16 = order.lanes;
  spec.lower = contraction.lower;
  spec.upper = contraction.upper;
  for (const ir::ContractionAxis& axis : contraction.axes) {
    ContractionLoop loop;
    loop.extent = contraction.Extent(axis, a, b);
    loop.side = axis.side;
    if (axis.in_a >= 0) loop.a = AxisStep(strides_a[axis.in_a]);
    if (axis.in_b >= 0) loop.b = AxisStep(strides_b[axis.in_b]);
    for (const ir::Shape& coefficients : outputs) {
      loop.outputs.push_back(axis.in_result >= 0 ? AxisStep(coefficients[axis.in_result]) : AxisStep());
    }
    switch (axis.kind) {
      case ir::AxisKind::kBatch:
        spec.batch.push_back(loop);
        break;
      case ir::AxisKind::kFreeA:
        spec.rows.push_back(loop);
        break;
      case ir::AxisKind::kFreeB:
        spec.columns.push_back(loop);
        break;
      case ir::AxisKind::kContracted:
        spec.contracted.push_back(loop);
        break;
    }
  }
  return spec;
}

bool YieldsTheProductAlone(const ir::Region& region, const ir::Statement& dot) {
  return region.yields.size() == 1 && region.yields[0] == dot.result();
}

}  // namespace

void EmitContractionRegion(RegionCode& code, absl::Span<Value* const> operands, absl::Span<Value* const> results) {
  KernelContext& kernel = code.kernel();
  Builder& b = kernel.builder;
  const ir::Statement& dot = *code.form().dot;
  const std::vector<ir::Shape> outputs = OutputsOf(code.MemoryForms());
  const ContractionSpec spec = SpecOf(dot, outputs);
  const bool direct = YieldsTheProductAlone(code.region(), dot);
  CHECK(ContractionScratchBytes(spec, kernel.target, !direct) <= kernel.scratch_bytes)
      << "a contraction needs more scratch than was counted";
  const ContractionContext context{b, kernel.target, kernel.thread, b.getInt64(static_cast<uint64_t>(kernel.threads)),
                                   kernel.scratch};
  Value* left = operands[dot.operands[0]->index];
  Value* right = operands[dot.operands[1]->index];
  if (direct) return EmitContraction(context, spec, left, right, results[0]);

  Frame outermost;  // scalars of the epilogue are emitted in front of the contraction
  OpenInner(b, outermost);
  EmitContraction(context, spec, left, right, [&](const FinishedVector& finished) {
    Frame frame = Inside(outermost, ~uint64_t{0});
    frame.lanes = finished.lanes == 1 ? 0 : finished.lanes;
    frame.mask = finished.mask;
    frame.locate = [&](const Linear& form) {
      const size_t output = std::find(outputs.begin(), outputs.end(), form.coefficients) - outputs.begin();
      CHECK(output < outputs.size()) << "an epilogue reads what was not announced";
      return Position{b.CreateAdd(finished.offsets[output], b.getInt64(form.constant)), finished.steps[output],
                      nullptr};
    };
    code.Provide(dot.result(), frame, finished.value);
    const int yields = static_cast<int>(code.region().yields.size());
    for (int y = 0; y < yields; ++y) code.EvaluateYield(y, frame);
    for (int y = 0; y < yields; ++y) code.StoreYield(y, frame);
  });
}

int64_t ContractionScratchOf(RegionCode& code) {
  const ir::Statement& dot = *code.form().dot;
  const ContractionSpec spec = SpecOf(dot, OutputsOf(code.MemoryForms()));
  return ContractionScratchBytes(spec, code.kernel().target, !YieldsTheProductAlone(code.region(), dot));
}

}  // namespace gradus::codegen
