#include "tests/codegen/contraction_harness.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "codegen/jit.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {

struct CompiledContraction::State {
  NativeCode code;
};

CompiledContraction::CompiledContraction(const ContractionSpec& spec, const ir::Target& target, TestEpilogue epilogue)
    : state_(std::make_unique<State>()),
      scratch_bytes_(ContractionScratchBytes(spec, target, epilogue != TestEpilogue::kNone)) {
  auto context = std::make_unique<llvm::LLVMContext>();
  auto module = std::make_unique<llvm::Module>("test", *context);
  llvm::IRBuilder<> builder(*context);
  llvm::SmallVector<llvm::Type*, 7> parameters(5, builder.getPtrTy());
  parameters.append(2, builder.getInt64Ty());
  auto* function = llvm::Function::Create(llvm::FunctionType::get(builder.getVoidTy(), parameters, false),
                                          llvm::Function::ExternalLinkage, "run", module.get());
  SetTargetAttributes(target, *function);
  builder.SetInsertPoint(llvm::BasicBlock::Create(*context, "", function));
  const ContractionContext emit{builder, target, function->getArg(5), function->getArg(6), function->getArg(4)};
  if (epilogue == TestEpilogue::kNone) {
    EmitContraction(emit, spec, function->getArg(0), function->getArg(1), function->getArg(2));
  } else {
    EmitContraction(emit, spec, function->getArg(0), function->getArg(1), [&](const FinishedVector& v) {
      llvm::Type* type = v.value->getType();
      llvm::Type* element = type->getScalarType();
      for (int lane = 0; lane < v.lanes; ++lane) {
        auto place = [&](int o, llvm::Value* base) {
          return builder.CreateGEP(element, base, builder.CreateAdd(v.offsets[o], builder.getInt64(lane * v.steps[o])));
        };
        auto* then = llvm::BasicBlock::Create(*context, "", function);
        auto* after = llvm::BasicBlock::Create(*context, "", function);
        builder.CreateCondBr(v.mask == nullptr ? builder.getTrue() : builder.CreateExtractElement(v.mask, lane), then,
                             after);
        builder.SetInsertPoint(then);
        llvm::Value* sum = v.lanes == 1 ? v.value : builder.CreateExtractElement(v.value, lane);
        llvm::Value* second =
            builder.CreateAlignedLoad(element, place(1, function->getArg(3)), llvm::Align(ir::ByteWidth(spec.type)));
        sum = element->isIntegerTy() ? builder.CreateAdd(sum, second) : builder.CreateFAdd(sum, second);
        builder.CreateAlignedStore(sum, place(0, function->getArg(2)), llvm::Align(ir::ByteWidth(spec.type)));
        builder.CreateBr(after);
        builder.SetInsertPoint(after);
      }
    });
  }
  builder.CreateRetVoid();
  auto object = CompileModule(*module, target, CodegenLevel::kDefault);
  CHECK(object.ok()) << object.status();
  CHECK(CheckNoUndefinedSymbols(*object).ok()) << CheckNoUndefinedSymbols(*object);
  auto code = Link({*object}, {"run"});
  CHECK(code.ok()) << code.status();
  state_->code = *std::move(code);
  function_ = reinterpret_cast<Function>(state_->code.Find("run"));
}

CompiledContraction::~CompiledContraction() = default;

void CompiledContraction::Run(const void* a, const void* b, void* c, const void* second, int64_t threads) const {
  void* scratch = std::aligned_alloc(64, scratch_bytes_ + 64);
  for (int64_t thread = 0; thread < threads; ++thread) {
    std::memset(scratch, 0xff, scratch_bytes_);
    function_(a, b, c, second, scratch, thread, threads);
  }
  std::free(scratch);
}

GuardedBytes::GuardedBytes(size_t size) {
  const size_t page = sysconf(_SC_PAGESIZE);
  const size_t whole = (size + page - 1) / page * page;
  mapped_ = whole + page;
  base_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(base_ != MAP_FAILED);
  CHECK(mprotect(static_cast<char*>(base_) + whole, page, PROT_NONE) == 0);
  data_ = static_cast<char*>(base_) + whole - size;
}
GuardedBytes::~GuardedBytes() { munmap(base_, mapped_); }

}  // namespace gradus::codegen
