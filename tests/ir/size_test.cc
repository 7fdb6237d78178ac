#include "ir/size.h"

#include <gtest/gtest.h>

#include <limits>

namespace gradus::ir {
namespace {

TEST(SizeTest, OverflowAbsorbsWhatItMeets) {
  const Size huge = std::numeric_limits<int64_t>::max();
  EXPECT_FALSE((huge + Size(1)).ok());
  EXPECT_FALSE((huge * Size(2) * Size(0)).ok());
  EXPECT_FALSE((Size(2) - Size(3)).ok());
  EXPECT_EQ((Size(3) * Size(4) + Size(5)).value(), 17);
  EXPECT_EQ(Size(65).RoundedUpTo(64).value(), 128);
}

}  // namespace
}  // namespace gradus::ir
