#include "ir/evaluate.h"
#include "ir/philox.h"

namespace gradus::ir {

absl::Status EvaluateRandomBits(const Evaluation& e) {
  using Word = I<Scalar<int64_t>>;
  const Word seed = e.operands[0]->data<int64_t>()[0];
  const Word step = e.operands[1]->data<int64_t>()[0];
  const Word key = RandomKey(seed, Word(static_cast<int64_t>(e.statement.Key("key"))));
  const int64_t count = e.result.size();
  if (e.result.element() == Element::kI32) {
    const auto result = e.result.data<int32_t>();
    for (int64_t i = 0; i < count; i += 4) {
      const auto words = Philox(key, step, Word(i / 4));
      for (int64_t j = i; j < std::min(count, i + 4); ++j) result[j] = static_cast<int32_t>(words[j - i].raw);
    }
  } else {
    const auto result = e.result.data<int64_t>();
    for (int64_t i = 0; i < count; i += 2) {
      const auto words = Philox(key, step, Word(i / 2));
      for (int64_t j = i; j < std::min(count, i + 2); ++j) {
        result[j] = (words[2 * (j - i)] | (words[2 * (j - i) + 1] << 32)).raw;
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace gradus::ir
