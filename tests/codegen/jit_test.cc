#include "codegen/jit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <random>

#include "codegen/software_fma.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {
namespace {

ir::Target TargetOf(ir::Isa isa) {
  ir::Target target;
  target.isa = isa;
  return target;
}

// void fma(const T* a, const T* b, const T* c, T* result): `lanes` elements.
void BuildFma(llvm::Module& module, llvm::Type* element, unsigned lanes, const ir::Target& target) {
  llvm::LLVMContext& context = module.getContext();
  llvm::Type* pointer = llvm::PointerType::getUnqual(context);
  llvm::Function* f = llvm::Function::Create(
      llvm::FunctionType::get(llvm::Type::getVoidTy(context), {pointer, pointer, pointer, pointer}, false),
      llvm::Function::ExternalLinkage, "run", module);
  SetTargetAttributes(target, *f);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "", f));
  llvm::Type* type = lanes == 1 ? element : llvm::FixedVectorType::get(element, lanes);
  const auto load = [&](unsigned i) { return b.CreateAlignedLoad(type, f->getArg(i), llvm::Align(4)); };
  b.CreateAlignedStore(EmitFma(b, target, load(0), load(1), load(2)), f->getArg(3), llvm::Align(4));
  b.CreateRetVoid();
}

template <typename T>
void ExpectExactFma(ir::Isa isa) {
  if (!HostSupports(isa)) GTEST_SKIP() << "this machine lacks " << ir::Name(isa);
  for (const unsigned lanes : {1u, 3u, 8u, 16u}) {
    llvm::LLVMContext context;
    llvm::Module module("fma", context);
    BuildFma(module, sizeof(T) == 4 ? llvm::Type::getFloatTy(context) : llvm::Type::getDoubleTy(context), lanes,
             TargetOf(isa));
    absl::StatusOr<std::string> object = CompileModule(module, TargetOf(isa), CodegenLevel::kLess);
    ASSERT_TRUE(object.ok()) << object.status();
    EXPECT_EQ(CheckNoUndefinedSymbols(*object), absl::OkStatus());
    absl::StatusOr<NativeCode> code = Link({*object}, {"run"});
    ASSERT_TRUE(code.ok()) << code.status();
    auto* run = reinterpret_cast<void (*)(const T*, const T*, const T*, T*)>(code->Find("run"));
    using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
    std::mt19937_64 random(7);
    const T special[] = {0,
                         -0.0,
                         1,
                         -1,
                         std::numeric_limits<T>::infinity(),
                         -std::numeric_limits<T>::infinity(),
                         std::numeric_limits<T>::quiet_NaN(),
                         std::numeric_limits<T>::max(),
                         std::numeric_limits<T>::min(),
                         std::numeric_limits<T>::denorm_min(),
                         -std::numeric_limits<T>::min()};
    const auto draw = [&]() -> T {
      switch (random() % 4) {
        case 0:
          return special[random() % std::size(special)];
        case 1:
          return std::bit_cast<T>(static_cast<Bits>(random()));  // any bits
        case 2:
          return static_cast<T>(static_cast<int64_t>(random() % 4097) - 2048) / 1024;
        default:
          return std::ldexp(static_cast<T>(random() >> 11), static_cast<int>(random() % 128) - 100);
      }
    };
    for (int round = 0; round < 20000; ++round) {
      T a[16], b[16], c[16], y[16];
      for (unsigned i = 0; i < lanes; ++i) {
        a[i] = draw(), b[i] = draw(), c[i] = draw();
        if (random() % 3 == 0) c[i] = -(a[i] * b[i]);  // cancellation
        if (random() % 8 == 0) c[i] = std::nextafter(-(a[i] * b[i]), T{0});
      }
      run(a, b, c, y);
      for (unsigned i = 0; i < lanes; ++i) {
        const T expected = std::fma(a[i], b[i], c[i]);
        if (std::isnan(expected)) {
          ASSERT_TRUE(std::isnan(y[i])) << a[i] << " * " << b[i] << " + " << c[i];
        } else {
          ASSERT_EQ(std::bit_cast<Bits>(y[i]), std::bit_cast<Bits>(expected))
              << std::hexfloat << a[i] << " * " << b[i] << " + " << c[i] << " gave " << y[i] << ", not " << expected;
        }
      }
    }
  }
}

TEST(SoftwareFmaTest, SingleIsRoundedOnceWithoutTheInstruction) { ExpectExactFma<float>(ir::Isa::kBaseline); }
TEST(SoftwareFmaTest, DoubleIsRoundedOnceWithoutTheInstruction) { ExpectExactFma<double>(ir::Isa::kBaseline); }
TEST(SoftwareFmaTest, TheInstructionComputesTheSame) {
  ExpectExactFma<float>(ir::Isa::kAvx2);
  ExpectExactFma<double>(ir::Isa::kAvx2);
}

TEST(JitTest, NoPageIsWritableAndExecutable) {
  llvm::LLVMContext context;
  llvm::Module module("pages", context);
  BuildFma(module, llvm::Type::getFloatTy(context), 16, TargetOf(ir::Isa::kBaseline));
  absl::StatusOr<std::string> object = CompileModule(module, TargetOf(ir::Isa::kBaseline), CodegenLevel::kLess);
  ASSERT_TRUE(object.ok());
  absl::StatusOr<NativeCode> code = Link({*object}, {"run"});
  ASSERT_TRUE(code.ok()) << code.status();
  EXPECT_GT(code->bytes(), 0);
  const auto address = reinterpret_cast<uintptr_t>(code->Find("run"));
  std::ifstream maps("/proc/self/maps");
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    char flags[5] = {};
    ASSERT_EQ(sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, flags), 3);
    EXPECT_FALSE(flags[1] == 'w' && flags[2] == 'x') << line;
    if (begin <= address && address < end) {
      found = true;
      EXPECT_EQ(std::string(flags), "r-xp");
    }
  }
  EXPECT_TRUE(found);
}

TEST(JitTest, ACallOutOfTheModuleIsRefusedByName) {
  llvm::LLVMContext context;
  llvm::Module module("open", context);
  llvm::Type* type = llvm::Type::getFloatTy(context);
  llvm::Function* expf = llvm::Function::Create(llvm::FunctionType::get(type, {type}, false),
                                                llvm::Function::ExternalLinkage, "expf", module);
  llvm::Function* f = llvm::Function::Create(llvm::FunctionType::get(type, {type}, false),
                                             llvm::Function::ExternalLinkage, "run", module);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "", f));
  b.CreateRet(b.CreateCall(expf, {f->getArg(0)}));
  absl::StatusOr<std::string> object = CompileModule(module, TargetOf(ir::Isa::kBaseline), CodegenLevel::kLess);
  ASSERT_TRUE(object.ok());
  const absl::Status closed = CheckNoUndefinedSymbols(*object);
  EXPECT_FALSE(closed.ok());
  EXPECT_THAT(std::string(closed.message()), testing::HasSubstr("expf"));
  EXPECT_FALSE(Link({*object}, {"run"}).ok());  // nor does the linker look into the process
}

// AddressSanitizer does not see generated code unless the module is instrumented: without this test a sanitizer build
// would prove nothing about it.
TEST(JitTest, ASanitizerBuildFindsAnOverflowPlantedInGeneratedCode) {
#if defined(__SANITIZE_ADDRESS__)
  for (const unsigned lanes : {1u, 16u}) {
    llvm::LLVMContext context;
    llvm::Module module("canary", context);
    BuildFma(module, llvm::Type::getFloatTy(context), lanes, TargetOf(ir::Isa::kBaseline));
    absl::StatusOr<std::string> object = CompileModule(module, TargetOf(ir::Isa::kBaseline), CodegenLevel::kLess);
    ASSERT_TRUE(object.ok()) << object.status();
    absl::StatusOr<NativeCode> code = Link({*object}, {"run"});
    ASSERT_TRUE(code.ok()) << code.status();
    auto* run = reinterpret_cast<void (*)(const float*, const float*, const float*, float*)>(code->Find("run"));
    const std::vector<float> enough(lanes, 1.0f);
    std::vector<float> result(lanes);
    run(enough.data(), enough.data(), enough.data(), result.data());
    const auto short_result = std::make_unique<float[]>(lanes - 1);
    EXPECT_DEATH(run(enough.data(), enough.data(), enough.data(), short_result.get()), "heap-buffer-overflow");
  }
#else
  GTEST_SKIP() << "not a sanitizer build";
#endif
}

TEST(TargetTest, UnknownTargetsAreRefusedWithASentence) {
  EXPECT_TRUE(ParseTarget("host").ok());
  EXPECT_TRUE(ParseTarget("baseline").ok());
  EXPECT_THAT(std::string(ParseTarget("avx10").status().message()),
              testing::HasSubstr("expected host, avx512, avx2 or baseline"));
  EXPECT_GT(ParseTarget("host")->l1_bytes, 0);
}

}  // namespace
}  // namespace gradus::codegen
