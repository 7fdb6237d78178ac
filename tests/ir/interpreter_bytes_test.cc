#include <gtest/gtest.h>

#include "frontend/read_graph.h"
#include "ir/interpreter.h"
#include "tests/matchers.h"

namespace gradus::ir {
namespace {

using testing_support::IsOk;

int64_t Bytes(const std::string& text) {
  const absl::StatusOr<Graph> graph = frontend::ReadGraph("g.gr", text);
  EXPECT_THAT(graph, IsOk());
  return InterpreterBytes(*graph).value();
}

TEST(InterpreterBytesTest, ValuesCountFromTheirDefinitionToTheirLastReader) {
  // x is bound; a lives beside b, b beside c, c and its two copies at the end.
  EXPECT_EQ(Bytes("graph g numerics 1 {\n  input x : f32[100]\nsection forward\n  a : f32[100] = exp(x)\n"
                  "  b : f32[100] = exp(a)\n  c : f32 = sum(b, axis=[0])\n  output c\n}\n"),
            400 + 800);
}

TEST(InterpreterBytesTest, ResultsAreCopiedTwice) {
  EXPECT_EQ(Bytes("graph g numerics 1 {\n  input x : f32[100]\n  state s : f32[100] = zeros\nsection forward\n"
                  "  a : f32[100] = exp(x)\n  next s = a\n  output a\n}\n"),
            2 * 400 + 4 * 400);
}

TEST(InterpreterBytesTest, ARegionHoldsItsOwnValuesWhileItRuns) {
  EXPECT_EQ(Bytes("graph g numerics 1 frozen {\n  input x : f32[100]\nsection forward\n"
                  "  a : f32 = fused(x) { b = exp(x); c = sin(b); d = b + c; yield sum(d, axis=[0]) }\n"
                  "  output a\n}\n"),
            400 + 1200);
}

}  // namespace
}  // namespace gradus::ir
