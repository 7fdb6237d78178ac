#include "runtime/shuffle.h"

#include <numeric>
#include <utility>

#include "ir/philox.h"
#include "ir/scalar.h"

namespace gradus::runtime {
namespace {

using Word = ir::I<ir::Scalar<int64_t>>;
constexpr int64_t kShuffleKey = 0x73687566666c6531;  // "shuffle1": no statement's key is drawn with it by design

// A number below `bound`, from 64 random bits (Lemire 2019, without the rejection: the bias is below bound / 2^64).
int64_t Below(int64_t bound, const std::array<Word, 4>& words) {
  const uint64_t bits = static_cast<uint64_t>(words[0].raw) | static_cast<uint64_t>(words[1].raw) << 32;
  return static_cast<int64_t>(static_cast<unsigned __int128>(bits) * static_cast<uint64_t>(bound) >> 64);
}

}  // namespace

void ShuffleOrder(absl::Span<int64_t> order, int64_t seed, int64_t epoch) {
  std::iota(order.begin(), order.end(), 0);
  const Word key = ir::RandomKey(Word(seed), Word(kShuffleKey));
  for (int64_t i = static_cast<int64_t>(order.size()) - 1; i > 0; --i) {
    std::swap(order[i], order[Below(i + 1, ir::Philox(key, Word(epoch), Word(i)))]);
  }
}

std::vector<int64_t> ShuffledOrder(int64_t count, int64_t seed, int64_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  ShuffleOrder(absl::MakeSpan(order), seed, epoch);
  return order;
}

}  // namespace gradus::runtime
