#include "frontend/locate.h"

#include <gtest/gtest.h>

#include "frontend/lower.h"
#include "passes/backprop.h"
#include "tests/matchers.h"

namespace gradus::frontend {
namespace {

using testing_support::IsOk;

TEST(LocateTest, WhatIsInTheWayOfAGradientIsShownInTheProgram) {
  const absl::StatusOr<Module> module = ParseProgram("cut.gr", R"(model m {
  input x : f32[4]
  param w : f32[4] = zeros
  k = floor(w * x)
  loss = sum(k)
  g = grad(loss, w)
  output g
}
)");
  ASSERT_THAT(module, IsOk());
  absl::StatusOr<ir::Graph> graph = Lower(*module, {}, Entry::kPredict);
  const absl::Status status = graph.ok() ? passes::Backprop(*graph).status() : graph.status();
  EXPECT_EQ(std::string(Locate(*module, status).message()),
            "cut.gr:6:7: error: no gradient of loss by w: the derivative of floor (4:7) is 0 wherever it exists "
            "[no-gradient-path]\n"
            "    6 |   g = grad(loss, w)\n"
            "      |       ^\n");
}

TEST(LocateTest, OtherMessagesStayAsTheyAre) {
  const absl::StatusOr<Module> module = ParseProgram("cut.gr", "model m { input x : f32[4]; output x }\n");
  ASSERT_THAT(module, IsOk());
  EXPECT_THAT(Locate(*module, absl::OkStatus()), IsOk());
  for (const char* text : {"the arena does not fit", "7:1: error: beyond the end", "other.gr:1:1: error: unknown file",
                           "1:1: error: a place\nand a line without one", "a:b: error: no numbers"}) {
    EXPECT_EQ(Locate(*module, absl::InvalidArgumentError(text)).message(), text);
  }
}

TEST(LocateTest, EveryLineOfTheMessageIsADiagnosticInTheOrderOfThePlaces) {
  const absl::StatusOr<Module> module = ParseProgram("cut.gr", "model m { input x : f32[4]; output x }\n");
  ASSERT_THAT(module, IsOk());
  const absl::Status status = absl::InvalidArgumentError("1:17: error: here\n1:1: error: and here");
  EXPECT_EQ(std::string(Locate(*module, status).message()),
            "cut.gr:1:1: error: and here\n"
            "    1 | model m { input x : f32[4]; output x }\n"
            "      | ^\n"
            "cut.gr:1:17: error: here\n"
            "    1 | model m { input x : f32[4]; output x }\n"
            "      |                 ^\n");
}

}  // namespace
}  // namespace gradus::frontend
