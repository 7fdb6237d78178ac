#include "codegen/emit_random.h"

#include "codegen/algebra.h"
#include "codegen/elementwise.h"
#include "ir/philox.h"

namespace gradus::codegen {

llvm::Value* EmitRandomBits(llvm::IRBuilder<>& builder, const ir::Target& target, ir::DType type, uint64_t key,
                            llvm::Value* seed, llvm::Value* step, llvm::Value* element, int lanes) {
  const EmitScope scope(builder, target, lanes);
  using Word = ir::I<Native<64>>;
  const Word generator = ir::RandomKey(Word::Of(seed), Word(static_cast<int64_t>(key)));
  const Word e = Word::Of(element);
  const bool is_short = type == ir::DType::kI32;
  const auto words = ir::Philox(generator, Word::Of(step), ShiftRightLogical(e, is_short ? 2 : 1));
  const auto odd = (e & Word(1)) == Word(1);
  if (!is_short) return Select(odd, words[2] | (words[3] << 32), words[0] | (words[1] << 32)).raw;
  const auto upper = (e & Word(2)) == Word(2);
  const Word word = Select(upper, Select(odd, words[3], words[2]), Select(odd, words[1], words[0]));
  return builder.CreateTrunc(word.raw, RegisterType(builder, type, lanes));
}

}  // namespace gradus::codegen
