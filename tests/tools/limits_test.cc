// Programs that ask for more than there is get a sentence before they get anything else.
#include <gmock/gmock.h>

#include <string>

#include "tests/runtime/sample_files.h"
#include "tests/tools/command.h"

namespace gradus::tools {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class LimitsTest : public CommandTest {};

TEST_F(LimitsTest, NestedGradientsEndAtALimitOfStatements) {
  std::string program = "model m {\n  input x : float\n  y0 = x ** 20\n";
  for (int i = 1; i <= 19; ++i) absl::StrAppend(&program, "  y", i, " = grad(y", i - 1, ", x)\n");
  Write("m.gr", program + "  output y19\n}\n");
  const CommandResult result = Gradus("show m.gr --entry predict");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.error,
              StartsWith("m.gr:15:9: error: the gradients up to that of y11 add more than 200000 statements"));
  EXPECT_THAT(result.error, HasSubstr("(gradient limit)"));
}

TEST_F(LimitsTest, PredictionsThatDoNotFitTheMachineAreRefused) {
  Write("x.npy", runtime::NpyFile("|u1", "10000000,", std::string(10'000'000, '\1')));
  Write("m.gr",
        "model m {\n  dim B = 1\n  input x : u8[B]\n  param w : float = ones\n"
        "  y = float(x)[:, none] * w + float(arange(1000000))\n  loss = mean(y)\n  output y\n}\n"
        "train m { minimize loss; optimizer sgd(lr=1e-9); data x = \"x.npy\"; batch B; steps 1 }\n");
  const CommandResult result = Gradus("predict m.gr");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.error, HasSubstr("the predictions for all examples (y : f32[10000000,1000000]) need 40 TB "
                                      "(40000000000000 bytes), more than the "));
}

TEST_F(LimitsTest, WhatTheInterpreterWouldNeedIsCountedFirst) {
  Write("m.gr",
        "model m {\n  input x : float[4]\n  y = sum(exp(float(arange(200000))[:, none] * float(arange(1000000)))) + "
        "x\n  loss = sum(y)\n"
        "  param w : float = ones\n  z = loss * w\n  output y\n}\n"
        "train m { minimize z; optimizer sgd(lr=1e-9); data x = [1, 2, 3, 4]; steps 1 }\n");
  const CommandResult result = Gradus("train m.gr --interpret");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.error, HasSubstr("interpreting m.step needs "));
  EXPECT_THAT(result.error, HasSubstr(" TB ("));
}

}  // namespace
}  // namespace gradus::tools
