// In a build with sanitizers, canaries that must fire: a sanitizer that sees nothing proves nothing.
#ifdef __SANITIZE_ADDRESS__

#include <gtest/gtest.h>

#include <climits>
#include <vector>

#include "codegen/jit.h"
#include "ir/check.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {
namespace {

// void store(float* p, int64_t index): p[index] = 1, as native code.
absl::StatusOr<NativeCode> CompileStore(llvm::Module& module, bool vector) {
  llvm::LLVMContext& context = module.getContext();
  llvm::Function* f = llvm::Function::Create(
      llvm::FunctionType::get(llvm::Type::getVoidTy(context),
                              {llvm::PointerType::getUnqual(context), llvm::Type::getInt64Ty(context)}, false),
      llvm::Function::ExternalLinkage, "store", module);
  ir::Target target;
  target.isa = ir::Isa::kBaseline;
  SetTargetAttributes(target, *f);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "", f));
  llvm::Constant* one = llvm::ConstantFP::get(b.getFloatTy(), 1.0);
  llvm::Value* value = vector ? llvm::ConstantVector::getSplat(llvm::ElementCount::getFixed(16), one) : one;
  b.CreateAlignedStore(value, b.CreateGEP(b.getFloatTy(), f->getArg(0), f->getArg(1)), llvm::Align(4));
  b.CreateRetVoid();
  ASSIGN_OR_RETURN(const std::string object, CompileModule(module, target, CodegenLevel::kLess));
  return Link({object}, {"store"});
}

void ExpectOverflowIsSeen(bool vector, int64_t inside, int64_t outside) {
  llvm::LLVMContext context;
  llvm::Module module("canary", context);
  absl::StatusOr<NativeCode> code = CompileStore(module, vector);
  ASSERT_TRUE(code.ok()) << code.status();
  auto* store = reinterpret_cast<void (*)(float*, int64_t)>(code->Find("store"));
  std::vector<float> values(32);
  store(values.data(), inside);
  EXPECT_EQ(values[inside], 1.0f);
  EXPECT_DEATH(store(values.data(), outside), "heap-buffer-overflow");
}

TEST(SanitizerTest, AStoreOfGeneratedCodePastItsArrayIsSeen) { ExpectOverflowIsSeen(false, 31, 32); }
TEST(SanitizerTest, AVectorThatReachesPastItsArrayIsSeen) { ExpectOverflowIsSeen(true, 16, 17); }

TEST(SanitizerTest, UndefinedArithmeticIsSeen) {
  volatile int most = INT_MAX;
  EXPECT_DEATH(most = most + 1, "signed integer overflow");
}

}  // namespace
}  // namespace gradus::codegen

#endif
