// The dispatch over structural operations, filled from the table: a row without its EmitNAME does not link.
#include "codegen/emit_kernels.h"
#include "ir/check.h"
#include "ir/convolution_scratch.h"

namespace gradus::codegen {

using ir::Op;
using ir::Statement;

namespace {

void EmitRegion(KernelContext& kernel, const Statement& fused, Pointers operands, Pointers results) {
  const auto form = ir::ClassifyRegion(*fused.region);
  CHECK(form.ok()) << form.status();
  RegionCode code(kernel, *fused.region, *form, {operands.begin(), operands.end()}, {results.begin(), results.end()});
  switch (form->kind) {
    case ir::RegionKind::kLoop:
      return EmitLoopRegion(code);
    case ir::RegionKind::kRow:
    case ir::RegionKind::kReduction:
      return EmitReducingRegion(code);
    case ir::RegionKind::kContraction:
      return EmitContractionRegion(code, operands, results);
  }
}

// The pointers of the operands that Wrap keeps: each once, without scalar literals.
std::vector<llvm::Value*> OperandsOf(const Statement& wrapped, const Statement& statement, Pointers operands) {
  std::vector<llvm::Value*> kept;
  for (const ir::Value* operand : wrapped.operands) {
    const size_t k =
        std::find(statement.operands.begin(), statement.operands.end(), operand) - statement.operands.begin();
    kept.push_back(operands[k]);
  }
  return kept;
}

void EmitAsRegion(KernelContext& kernel, const Statement& statement, Pointers operands, Pointers results) {
  const std::unique_ptr<Statement> wrapped = ir::Wrap(statement);
  EmitRegion(kernel, *wrapped, OperandsOf(*wrapped, statement, operands), results);
}

void EmitConstant(KernelContext&, const Statement&, Pointers, Pointers) {
  CHECK(false) << "literals are data of the module, not kernels";
}
void EmitReshape(KernelContext& kernel, const Statement& s, Pointers operands, Pointers results) {
  EmitCopy(kernel, s.result()->type.bytes().value(), operands[0], results[0]);
}
constexpr auto EmitStopGradient = EmitReshape;
constexpr auto EmitIota = EmitAsRegion;
constexpr auto EmitBroadcast = EmitAsRegion;
constexpr auto EmitTranspose = EmitAsRegion;
constexpr auto EmitSlice = EmitAsRegion;
constexpr auto EmitFlip = EmitAsRegion;
constexpr auto EmitReduceSum = EmitAsRegion;
constexpr auto EmitReduceMax = EmitAsRegion;
constexpr auto EmitReduceMin = EmitAsRegion;
constexpr auto EmitArgMax = EmitAsRegion;
constexpr auto EmitArgMin = EmitAsRegion;
constexpr auto EmitDot = EmitAsRegion;
constexpr auto EmitGather = EmitAsRegion;
constexpr auto EmitOneHot = EmitAsRegion;
constexpr auto EmitRandomBits = EmitAsRegion;

}  // namespace

void EmitKernel(KernelContext& kernel, const Statement& statement, Pointers operands, Pointers results) {
  if (ir::IsElementwise(statement.op)) return EmitAsRegion(kernel, statement, operands, results);
  switch (statement.op) {
#define STRUCTURAL(name, ...) \
  case Op::k##name:           \
    return Emit##name(kernel, statement, operands, results);
#define ATTRIBUTE(...)
#include "ir/ops.def"
    case Op::kFused:
      return EmitRegion(kernel, statement, operands, results);
    case Op::kNext:
      return EmitCopy(kernel, statement.operands[1]->type.bytes().value(), operands[1], operands[0]);
    case Op::kCustomVjp:
      return EmitCopy(kernel, statement.result()->type.bytes().value(), operands[0], results[0]);
    default:
      break;
  }
  CHECK(false) << ir::Info(statement.op).mnemonic << " reaches code generation";
}

int64_t KernelScratchBytes(const Statement& statement, const ir::Target& target) {
  if (statement.op == Op::kConvolution || statement.op == Op::kConvolutionWeights) {
    return ir::ConvolutionScratchBytes(statement, target);
  }
  if (statement.op == Op::kArgSort) return SortScratchBytes(statement);
  if (statement.op != Op::kDot && statement.op != Op::kFused) return 0;
  std::unique_ptr<Statement> wrapped;
  const Statement* fused = &statement;
  if (statement.op == Op::kDot) {
    wrapped = ir::Wrap(statement);
    fused = wrapped.get();
  }
  const auto form = ir::ClassifyRegion(*fused->region);
  CHECK(form.ok()) << form.status();
  if (form->kind != ir::RegionKind::kContraction) return 0;
  llvm::LLVMContext context;
  Builder builder(context);
  KernelContext kernel{builder, target, nullptr, nullptr, 1, nullptr, 0, nullptr};
  RegionCode code(kernel, *fused->region, *form, {}, {});
  return ContractionScratchOf(code);
}

}  // namespace gradus::codegen
