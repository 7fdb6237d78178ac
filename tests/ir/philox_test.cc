#include "ir/philox.h"

#include <gtest/gtest.h>

#include "ir/scalar.h"

namespace gradus::ir {
namespace {

using Word = I<Scalar<int64_t>>;

// The known answers of Random123 1.14, kat_vectors, philox4x32 10.
TEST(PhiloxTest, WordsAreThoseOfRandom123) {
  const auto zeros = Philox(Word(0), Word(0), Word(0));
  const int64_t expected_zeros[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  const auto ones = Philox(Word(-1), Word(-1), Word(-1));
  const int64_t expected_ones[] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  const auto pi =
      Philox(Word(0x299f31d0a4093822), Word(0x0370734413198a2e), Word(static_cast<int64_t>(0x85a308d3243f6a88)));
  const int64_t expected_pi[] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(zeros[i].raw, expected_zeros[i]);
    EXPECT_EQ(ones[i].raw, expected_ones[i]);
    EXPECT_EQ(pi[i].raw, expected_pi[i]);
  }
}

TEST(PhiloxTest, SeedAndKeyAreNotInterchangeable) {
  EXPECT_NE(RandomKey(Word(1), Word(2)).raw, RandomKey(Word(2), Word(1)).raw);
  EXPECT_NE(RandomKey(Word(0), Word(0)).raw, 0);
}

}  // namespace
}  // namespace gradus::ir
