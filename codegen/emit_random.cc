#include "codegen/emit_random.h"

#include "absl/strings/str_cat.h"
#include "codegen/algebra.h"
#include "codegen/control.h"
#include "codegen/elementwise.h"
#include "codegen/target_machine.h"
#include "ir/philox.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {
namespace {

using llvm::Value;
using Word = ir::I<Native<64>>;

// T gradus.random.T.LANES(key, step, element): one function a module, since ten rounds over lanes of 64 bits are a lot
// of code; the rounds are a loop.
llvm::Function* RandomRoutine(llvm::Module& module, const ir::Target& target, ir::DType type, int lanes) {
  const std::string name = absl::StrCat("gradus.random.", std::string(ir::Name(type)), ".", lanes);
  if (llvm::Function* f = module.getFunction(name)) return f;
  Builder b(module.getContext());
  llvm::Type* word = RegisterType(b, ir::DType::kI64, lanes);
  llvm::Function* f =
      llvm::Function::Create(llvm::FunctionType::get(RegisterType(b, type, lanes), {word, word, word}, false),
                             llvm::Function::InternalLinkage, name, module);
  SetTargetAttributes(target, *f);
  b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "entry", f));
  const EmitScope scope(b, target, lanes);
  const Word low = int64_t{0xffffffff};
  const Word key = Word::Of(f->getArg(0)), step = Word::Of(f->getArg(1)), element = Word::Of(f->getArg(2));
  const bool is_short = type == ir::DType::kI32;
  const Word counter = ShiftRightLogical(element, is_short ? 2 : 1);
  const auto raw = [](auto... words) { return Carried{words.raw...}; };
  const Carried initial = raw(counter & low, ShiftRightLogical(counter, 32), step & low, ShiftRightLogical(step, 32),
                              key & low, ShiftRightLogical(key, 32));
  const Carried last =
      EmitForCarrying(b, b.getInt64(0), b.getInt64(ir::kPhiloxRounds), 1, initial, [&](Value*, const Carried& c) {
        // Masked again, so that the multiplications are seen to be of 32 bits.
        const auto c4 =
            ir::PhiloxRound<Native<64>>({Word::Of(c[0]) & low, Word::Of(c[1]), Word::Of(c[2]) & low, Word::Of(c[3])},
                                        Word::Of(c[4]), Word::Of(c[5]));
        const auto k = ir::NextPhiloxKey(Word::Of(c[4]), Word::Of(c[5]));
        return raw(c4[0], c4[1], c4[2], c4[3], k[0], k[1]);
      });
  const auto words = [&](int i) { return Word::Of(last[static_cast<size_t>(i)]); };
  const auto odd = (element & Word(1)) == Word(1);
  if (is_short) {
    const auto upper = (element & Word(2)) == Word(2);
    const Word chosen = Select(upper, Select(odd, words(3), words(2)), Select(odd, words(1), words(0)));
    b.CreateRet(b.CreateTrunc(chosen.raw, f->getReturnType()));
  } else {
    b.CreateRet(Select(odd, words(2) | (words(3) << 32), words(0) | (words(1) << 32)).raw);
  }
  return f;
}

}  // namespace

Value* EmitRandomBits(llvm::IRBuilder<>& builder, const ir::Target& target, ir::DType type, uint64_t key, Value* seed,
                      Value* step, Value* element, int lanes) {
  const EmitScope scope(builder, target, lanes);
  const Word generator = ir::RandomKey(Word::Of(seed), Word(static_cast<int64_t>(key)));
  llvm::Function* routine = RandomRoutine(*builder.GetInsertBlock()->getModule(), target, type, lanes);
  return builder.CreateCall(routine, {generator.raw, step, element});
}

}  // namespace gradus::codegen
