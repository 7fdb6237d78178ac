#include "runtime/arena.h"

#include <gtest/gtest.h>

#include "runtime/machine.h"
#include "tests/matchers.h"

namespace gradus::runtime {
namespace {

using testing_support::FailsWith;
using testing_support::IsOk;

TEST(ArenaTest, ItsPagesAreZeroAndResident) {
  const int64_t bytes = 32 << 20;
  const auto arena = Arena::Allocate(bytes, "the arena");
  ASSERT_THAT(arena, IsOk());
  EXPECT_EQ(arena->bytes(), bytes);
  EXPECT_GE(PeakResidentBytes(), bytes);
  EXPECT_EQ(arena->data()[0], std::byte{0});
  EXPECT_EQ(arena->data()[bytes - 1], std::byte{0});
}

TEST(ArenaTest, WhatDoesNotFitIsRefusedBeforeAPageIsTouched) {
  EXPECT_THAT(Arena::Allocate(int64_t{1} << 45, "the arena of mlp"),
              FailsWith("the arena of mlp needs 35.2 TB (35184372088832 bytes), more than the "));
}

TEST(ArenaTest, NothingNeedsNoPages) {
  const auto arena = Arena::Allocate(0, "the arena");
  ASSERT_THAT(arena, IsOk());
  EXPECT_EQ(arena->data(), nullptr);
}

}  // namespace
}  // namespace gradus::runtime
