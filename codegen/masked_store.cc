#include "codegen/masked_store.h"

#include <bit>
#include <numeric>
#include <vector>

#include "llvm/IR/Constants.h"
#include "llvm/IR/DerivedTypes.h"

namespace gradus::codegen {
namespace {

constexpr int kMaxPieces = 3;

// How many lanes are stored, where they are known to be the first ones; else -1.
int KnownPrefix(const llvm::Value* mask, unsigned lanes) {
  const auto* constant = llvm::dyn_cast<llvm::Constant>(mask);
  if (constant == nullptr) return -1;
  int prefix = 0;
  bool ended = false;
  for (unsigned i = 0; i < lanes; ++i) {
    const auto* lane = llvm::dyn_cast_or_null<llvm::ConstantInt>(constant->getAggregateElement(i));
    if (lane == nullptr || (ended && lane->isOne())) return -1;
    if (lane->isOne()) ++prefix;
    ended = lane->isZero();
  }
  return prefix;
}

}  // namespace

void EmitMaskedStore(llvm::IRBuilder<>& builder, llvm::Value* value, llvm::Value* pointer, llvm::Align align,
                     llvm::Value* mask) {
  const auto* vector = llvm::cast<llvm::FixedVectorType>(value->getType());
  const int prefix = KnownPrefix(mask, vector->getNumElements());
  if (prefix < 0 || std::popcount(static_cast<unsigned>(prefix)) > kMaxPieces) {
    builder.CreateMaskedStore(value, pointer, align, mask);
    return;
  }
  for (int from = 0; from < prefix;) {
    const int lanes = static_cast<int>(std::bit_floor(static_cast<unsigned>(prefix - from)));
    std::vector<int> picked(static_cast<size_t>(lanes));
    std::iota(picked.begin(), picked.end(), from);
    llvm::Value* piece = lanes == 1 ? builder.CreateExtractElement(value, static_cast<uint64_t>(from))
                                    : builder.CreateShuffleVector(value, picked);
    builder.CreateAlignedStore(piece, builder.CreateConstGEP1_64(vector->getElementType(), pointer, from), align);
    from += lanes;
  }
}

}  // namespace gradus::codegen
