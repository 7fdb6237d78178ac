// Kernels of every kind of region, through the passes that make them: the bits of the frozen graph.
#include "ir/region.h"

#include <gtest/gtest.h>

#include "frontend/read_graph.h"
#include "ir/printer.h"
#include "passes/pipeline.h"
#include "tests/codegen/native_run.h"
#include "tests/differential/random_graph.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

struct Case {
  const char* name;
  ir::RegionKind kind;  // of at least one region
  const char* body;
};

constexpr Case kCases[] = {
    {"Softmax", ir::RegionKind::kRow, R"(
  input x : f32[67,43]
  m = max(x, axis=[1])
  e = exp(x - m[:, none])
  z = sum(e, axis=[1])
  y = e * (1 / z)[:, none]
  output y)"},
    {"SoftmaxOfLongRows", ir::RegionKind::kRow, R"(
  input x : f32[11,2100]
  m = max(x, axis=[1])
  e = exp(x - m[:, none])
  z = sum(e, axis=[1])
  y = e * (1 / z)[:, none]
  output y)"},
    {"SoftmaxOfPairs", ir::RegionKind::kRow, R"(
  input x : f64[5,3,2]
  m = max(x, axis=[2])
  e = exp(x - m[:, :, none])
  z = sum(e, axis=[2])
  y = e / z[:, :, none]
  output y)"},
    {"LayerNorm", ir::RegionKind::kRow, R"(
  input x : f32[33,100]
  param g : f32[100] = zeros
  param b : f32[100] = zeros
  m = sum(x, axis=[1]) / 100
  c = x - m[:, none]
  v = sum(c * c, axis=[1]) / 100
  y = c * (1 / sqrt(v + 1e-05))[:, none] * g + b
  output y)"},
    {"CrossEntropy", ir::RegionKind::kRow, R"(
  input x : f32[50,10]
  input t : i32[50]
  m = max(x, axis=[1])
  c = x - m[:, none]
  l = c - log(sum(exp(c), axis=[1]))[:, none]
  o = one_hot(t, 10, type=f32)
  loss = -sum(l * o, axis=[1])
  hit = argmax(x, axis=1) == t
  d = exp(l) - o
  output loss, hit, d)"},
    {"ColumnStatistics", ir::RegionKind::kReduction, R"(
  input x : f32[700,37]
  m = sum(x, axis=[0]) / 700
  c = x - m
  v = sum(c * c, axis=[0])
  y = sqrt(v) + max(x, axis=[0])
  i = argmin(x, axis=0)
  output y, i)"},
    {"BiasGradientAndUpdate", ir::RegionKind::kReduction, R"(
  input g : f32[129,200]
  param b : f32[200] = zeros
  d = sum(g, axis=[0])
  n = b - 0.1 * d
  next b = n
  output d)"},
    {"MiddleAxes", ir::RegionKind::kReduction, R"(
  input x : f64[6,9,5,8]
  y = sum(x * x, axis=[1, 2]) + 1
  z = sum(abs(x), axis=[0, 3])
  output y, z)"},
    // The lanes past a short row hold 0 / 0.
    {"QuotientsOfShortRows", ir::RegionKind::kRow, R"(
  input x : f32[8,2]
  input y : f64[8,3]
  input z : f32[9,1,5]
  a = sum(x / x, axis=[1])
  b = sum(y / y, axis=[1]) + max(y // y, axis=[1])
  c = sum(z % z, axis=[2])
  output a, b, c)"},
    // Elements that are equal along the reduced axes are elements all the same.
    {"YieldConstantAlongTheReducedAxis", ir::RegionKind::kReduction, R"(
  a = rsqrt(iota([64, 2, 2], axis=2, type=f32))
  m = min(a, axis=[0])
  output a, m)"},
    {"YieldConstantAlongTheReducedRow", ir::RegionKind::kRow, R"(
  a = exp(iota([5, 40], axis=0, type=f64))
  m = sum(a, axis=[1])
  i = argmax(a, axis=1)
  output a, m, i)"},
    {"YieldOfWhatAReductionComesTo", ir::RegionKind::kRow, R"(
  input k : i32[1]
  a = gather(iota([1, 8, 3], axis=0, type=i32), k % 1, axis=0)
  m = min(a, axis=[0, 1, 2])
  d = a // m
  output m, d)"},
    {"BiasAndActivation", ir::RegionKind::kContraction, R"(
  input x : f32[65,33]
  param w : f32[33,50] = zeros
  param b : f32[50] = zeros
  a = x @ w
  h = maximum(a + b, 0)
  output h)"},
    {"MaskedGradientTransposed", ir::RegionKind::kContraction, R"(
  input d : f32[40,70]
  input h : f32[40,90]
  param w : f32[90,70] = zeros
  p = d @ w.T
  g = where(h > 0, p, 0)
  output g)"},
    {"UpdateInTheEpilogue", ir::RegionKind::kContraction, R"(
  input x : f32[70,60]
  input d : f32[70,45]
  input rate : f32
  param w : f32[60,45] = zeros
  g = x.T @ d
  n = w - rate * g
  next w = n)"},
    {"OneOutput", ir::RegionKind::kContraction, R"(
  input x : f64[700]
  input y : f64[700]
  input s : f64
  p = einsum("a,a->", x, y)
  q = tanh(p) + s
  output q)"},
    {"BatchedWithBias", ir::RegionKind::kContraction, R"(
  input q : f32[3,20,16]
  input k : f32[3,24,16]
  input m : f32[20,24]
  s = einsum("abc,adc->abd", q, k)
  t = s * 0.25 + m
  output t)"},
    {"TransposedAndStridedReads", ir::RegionKind::kLoop, R"(
  input x : f32[40,50]
  input y : f32[50,40]
  input z : f32[100,80]
  a = x.T + y
  b = x * z[0:80:2, 10:60]
  c = flip(y, axis=[1]) - y
  output a, b, c)"},
    {"GatheredRowsAndElements", ir::RegionKind::kLoop, R"(
  input i : i32[30]
  input j : i32[30]
  param table : f32[19,48] = zeros
  param scale : f32[8] = zeros
  e = gather(table, i % 19, axis=0)
  f = gather(scale, j % 8, axis=0)
  y = tanh(e) * f[:, none]
  output y)"},
    {"MixedTypes", ir::RegionKind::kLoop, R"(
  input x : f32[300]
  input n : u8[300]
  input k : i64[300]
  a = f64(x) * f64(k) + f64(n)
  b = i32(a) // i32(n)
  c = (x > 0) and (n < u8(100))
  d = where(c, u8(b), n)
  output a, b, c, d)"},
};

class RegionTest : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Kinds, RegionTest, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

bool HasRegionOf(ir::RegionKind kind, const ir::Graph& graph) {
  for (const auto& s : graph.body.statements) {
    if (s->op == ir::Op::kFused && ir::ClassifyRegion(*s->region)->kind == kind) return true;
  }
  return false;
}

TEST_P(RegionTest, ComputesTheBitsOfTheFrozenGraphOnEveryTarget) {
  const int64_t threads[] = {1, 2, 3, 7};
  size_t turn = 0;
  for (const ir::Target& target : TargetsOfThisMachine()) {
    for (const bool fuse : {true, false}) {
      auto graph = frontend::ReadGraph("test.gr", std::string("graph test numerics 1 {") + GetParam().body + "\n}\n");
      ASSERT_THAT(graph, IsOk());
      ir::NamedTensors declared;
      const std::vector<ir::Tensor> values = RandomDeclarations(turn, *graph);
      size_t i = 0;
      for (const auto& s : graph->body.statements) {
        if (ir::IsDeclaration(s->op)) declared.emplace(s->result()->name, values[i++]);
      }
      passes::RunOptions options;
      options.options.target = target;
      options.options.threads = threads[turn++ % 4];
      options.options.fuse = fuse;
      ir::Graph frozen;
      options.on_pass = [&](absl::string_view pass, const ir::Graph& g) {
        if (pass == "freeze") frozen = g.Clone();
      };
      ASSERT_THAT(passes::RunPasses(passes::kStepPipeline, *graph, options), IsOk());
      if (fuse) {
        EXPECT_TRUE(HasRegionOf(GetParam().kind, *graph)) << ir::Print(*graph);
      }
      EXPECT_EQ(DifferenceFromInterpreter(frozen, graph->Clone(), declared), "") << ir::Print(*graph);
    }
  }
}

}  // namespace
}  // namespace gradus::testing_support
