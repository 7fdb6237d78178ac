// examples/pinn.gr: a network that learns a function from its differential equation alone.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/tools/command.h"

namespace gradus::tools {
namespace {

using PinnTest = CommandTest;

TEST_F(PinnTest, ItComesWithin5e4OfTheSolution) {
  const CommandResult result = Gradus("train " + Example("pinn.gr") + " --threads 1 --json");
  ASSERT_EQ(result.code, 0) << result.error;
  const auto report = nlohmann::json::parse(result.out);
  EXPECT_EQ(report["steps"], 4000);
  const auto& first = report["epochs"].front()["training"];
  const auto& last = report["epochs"].back()["training"];
  EXPECT_GT(first["off"].get<double>(), 0.1);
  EXPECT_LT(last["off"].get<double>(), 5e-4);
  EXPECT_LT(last["loss"].get<double>(), 5e-3);
}

}  // namespace
}  // namespace gradus::tools
