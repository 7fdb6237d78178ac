#include "frontend/read_graph.h"

#include <gtest/gtest.h>

#include "ir/printer.h"

namespace gradus::frontend {
namespace {

std::string ReadAndPrint(const std::string& text) {
  absl::StatusOr<ir::Graph> graph = ReadGraph("g.gr", text);
  return graph.ok() ? ir::Print(*graph) : std::string(graph.status().message());
}

TEST(ReadGraphTest, APathThatCouldBeTakenForSomethingElseStandsInQuotes) {
  const std::string text = R"(graph g numerics 1 {
  input x : f32[4]
  a : f32[4] = x + 1  | of x "dir #1/my \"lib\" #2.gr":3:5 alias b  # a comment
  c : f32[4] = a * 2  | dir one/lib.gr:3:5                            # another
  d : f32[4] = c * 2  | "of c.gr":3:5
  output d
}
)";
  absl::StatusOr<ir::Graph> graph = ReadGraph("g.gr", text);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->Find("a")->definition->note.file, "dir #1/my \"lib\" #2.gr");
  EXPECT_EQ(graph->Find("a")->definition->note.aliases, std::vector<std::string>{"b"});
  EXPECT_EQ(graph->Find("c")->definition->note.file, "dir one/lib.gr");
  EXPECT_EQ(graph->Find("d")->definition->note.file, "of c.gr");
  EXPECT_EQ(ReadAndPrint(ir::Print(*graph)), ir::Print(*graph));
  EXPECT_NE(ir::Print(*graph).find(R"(| of x "dir #1/my \"lib\" #2.gr":3:5 alias b)"), std::string::npos);
}

TEST(ReadGraphTest, AGraphOfEveryFormPrintsAsItWasRead) {
  const std::string text =
      R"(graph mlp.step numerics 1 frozen target avx512 l1 49152 l2 1048576 threads 2 arena 4096 scratch 0 {
  dim B = 8, N = 4
  input x    : f32[8,4]
  input y    : i32[8]
  input z    : f32[2,8,4] = normal(std=1, key=0x00ff12ab34cd56ef)
  input p    : bool[8]
  input seed : i64
  input step : i64
  param w    : f32[4,3] = he_normal  | arena 0+48
  state m    : f32 = zeros
section forward
  c       : f32[2,2] = [[0.1, -2.5], [inf, nan]]
  n       : i32[3] = [1, -2, 3]                                         | 2:3
  a       : f32[8,3] = x @ w                                            | 9:17
  h       : f32[8,3] = maximum(-a * 2 + 0.1, 0)                         | 9:12 alias h2 h'2
  q       : f32[8,8] = x @ x.T
  q1      : f32[4,4] = x.T @ x
  q2      : f32[2,8,8] = z @ z.T
  q3      : f32[1,3] = x[::2, :][:, 0:1].T @ w
  t       : f32[4,8] = x.T
  t2      : f32[4,4] = transpose(t, [1, 0]).T @ transpose(t, [1, 0])
  t3      : f32[3,8] = einsum("ab,cb->ac", w.T, x, order="lanes16")
  e       : f32[8,4] = exp(x) ** 2 - (-2) ** x - -x ** 2
  s       : f32 = sum(h, axis=[0, 1]) + sum(sum(h, axis=1), axis=0)
  s2      : f32[8] = sum(x, axis=1, order="lanes16")
  k       : f32[1,8,1,4] = x[none, :, none, :]
  r       : f32[32] = reshape(x, [32])
  u       : f32[2,4] = x[2:8:4, :]
  am      : i32[8] = argmax(x, axis=1)
  b       : bool[8] = not p and am == y or not (am < 3) == p
  f       : f32[8] = f32(b) * (1 - f32(am)) / where(p, 1, f32(y))
  ff      : f32 = 0 + 1 * -f32(2)
  cc      : f32[16,4] = concat([x, flip(x, axis=[0, 1])], axis=0)
  pp      : f32[10,4] = pad(x, 0, low=[1, 0], high=[1, 0])
  g       : f32[8,4] = gather(x, y, axis=0)
  sc      : f32[8,4] = scatter_add(x, y, extent=8, axis=0)
  oh      : f32[8,10] = one_hot(y, 10, type=f32)
  io      : i32[8,4] = iota([8, 4], axis=1, type=i32)
  rb      : i32[8] = random_bits(seed, step, [8], key=0xf0ff12ab34cd56ef, type=i32)
  gx : f32[8,4], gw : f32[4,3] = grad(s, [x, w], number=2)              | 12:3
  v       : f32[8,4] = custom_vjp(x * 2, x, w, arguments=1) vjp(g) { u = g * x; yield u + u * 2 }  | 3:4
section update
  fu      : f32[8,3] = fused(h, w) { z = h * 2; yield maximum(z, 0) }     | 9:12 arena 64+96
  l : f32[8,3], l2 : f32[8] = fused(h) {
    z : f32 = 3
    zz = h * z                        | 4:5
    zy = sum(zz * 2, axis=1)          | of zz other file.gr:4:6 alias zq
    yield zz + 1, zy
  }  | of h 9:12 alias i j arena none 64+32
  barrier
  next m  = s * 0.5                                                     | of adam optim:18:13
  next w  = w - 0.1 * gw
section none
  tt      : bool[1] = true[none]
  zz      : f32[8] = f * -0.0 + 9.223372e+18
  last    : f32[8] = f * -0.25
  output s, total = last
}
)";
  const std::string once = ReadAndPrint(text);
  ASSERT_EQ(once.substr(0, 6), "graph ") << once;
  EXPECT_EQ(ReadAndPrint(once), once);
  // Columns apart, the text is what was read.
  auto squeeze = [](const std::string& s) {
    std::string out;
    for (char c : s) {
      if (c != ' ' || (!out.empty() && out.back() != ' ')) out.push_back(c);
    }
    return out;
  };
  EXPECT_EQ(squeeze(once), squeeze(text));
}

TEST(ReadGraphTest, TypesMayBeLeftOutAndNestedValuesGetTheOriginOfTheirRoot) {
  EXPECT_EQ(ReadAndPrint("graph g numerics 1 { dim N = 4\n input x : f32[N,3]; param w : f32[3,2] = zeros\n h = "
                         "maximum(x @ w, 0) * sum(x) | 3:4\n"
                         "output h }"),
            R"(graph g numerics 1 {
  dim N = 4
  input x : f32[4,3]
  param w : f32[3,2] = zeros
  h : f32[4,2] = maximum(x @ w, 0) * sum(x, axis=[0, 1])  | 3:4
  output h
}
)");
}

TEST(ReadGraphTest, OneMistakeIsReportedOnceAndTheOthersToo) {
  EXPECT_EQ(
      ReadAndPrint(
          "graph g numerics 1 {\n  input x : f32[8,4]\n  a = x + y\n  b = a * 2\n  c = tahn(x)\n  output b, c\n}"),
      R"(g.gr:3:11: error: `y` is not defined [undefined-value]
    3 |   a = x + y
      |           ^
g.gr:5:7: error: there is no operation `tahn` [unknown-operation]
    5 |   c = tahn(x)
      |       ^~~~
   help: did you mean `tanh`?
)");
}

}  // namespace
}  // namespace gradus::frontend
