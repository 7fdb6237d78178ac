// Loops and branches as native code: the bits of the interpreter on every target, with any number of threads, fused and
// unfused, and a plan that holds.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "frontend/read_graph.h"
#include "ir/check.h"
#include "ir/printer.h"
#include "passes/pipeline.h"
#include "passes/verify_plan.h"
#include "tests/codegen/native_run.h"
#include "tests/differential/native_difference.h"
#include "tests/differential/random_graph.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

ir::Graph Read(const std::string& body) {
  auto graph = frontend::ReadGraph("test.gr", absl::StrCat("graph test.step numerics 1 {\n", body, "\n}\n"));
  CHECK(graph.ok()) << graph.status();
  return *std::move(graph);
}

ir::NamedTensors Declared(const ir::Graph& graph) {
  const std::vector<ir::Tensor> values = RandomDeclarations(1, graph);
  ir::NamedTensors declared;
  size_t i = 0;
  for (const auto& s : graph.body.statements) {
    if (!ir::IsDeclaration(s->op)) continue;
    ir::Tensor value = values[i++];
    // Indices are in range.
    if (value.type().element == ir::DType::kI32) {
      for (int32_t& index : value.data<int32_t>()) index = static_cast<int32_t>(static_cast<uint32_t>(index) % 4);
    }
    declared.emplace(s->result()->name, std::move(value));
  }
  return declared;
}

void ExpectTheBitsOfTheInterpreter(const std::string& body) {
  ir::Graph graph = Read(body);
  const ir::NamedTensors declared = Declared(graph);
  passes::RunOptions options;
  options.check_changed = true;
  options.stop_after = "simplified";
  ASSERT_THAT(passes::RunPasses(passes::kStepPipeline, graph, options), IsOk());
  for (const ir::Target& target : TargetsOfThisMachine()) {
    for (const int64_t threads : {1, 2, 3, 7}) {
      for (const bool fuse : {true, false}) {
        const RunConfiguration configuration{target, threads, fuse};
        ASSERT_EQ(Difference(graph, declared, configuration), "") << ToString(configuration) << "\n"
                                                                  << ir::Print(graph);
      }
    }
  }
}

TEST(LoopTest, ACellWithAProductAndGates) {
  ExpectTheBitsOfTheInterpreter(R"(
  input x : f32[5,24,512]
  param w : f32[128,512] = zeros
  state h0 : f32[24,128] = zeros
  state c0 : f32[24,128] = zeros
  hs : f32[5,24,128], hT : f32[24,128], cT : f32[24,128] = scan a in x carry h = h0, c = c0 capture w {
    z = h @ w + a
    i = sigmoid(z[:, 0:128])
    f = sigmoid(z[:, 128:256])
    o = sigmoid(z[:, 256:384])
    c1 = f * c + i * tanh(z[:, 384:512])
    h1 = o * tanh(c1)
    next h = h1
    next c = c1
    yield h1
  }
  y : f32 = sum(hs, axis=[0, 1, 2])
  next h0 = hT
  next c0 = cT
  output hs, y)");
}

// 48 rows: strips on two threads and on three, barriers on seven.
TEST(LoopTest, StripsOfEveryKindOfStatement) {
  ExpectTheBitsOfTheInterpreter(R"(
  input x : f32[4,48,6,16]
  param w : f32[192,96] = zeros
  param w2 : f32[96,96] = zeros
  param b : f32[2,96] = zeros
  state h0 : f32[48,96] = zeros
  us : f32[4,48,100], hs : f32[4,48,96], ns : f32[4,48], hT : f32[48,96], kT : f32[48,96] = scan a in x reverse carry h = h0, k = h0 capture w, w2, b {
    q = reshape(h, [48, 6, 16])
    s = einsum("abc,adc->abd", q, a)
    p = exp(s - max(s, axis=[2])[:, :, none])
    o = einsum("abc,acd->abd", transpose(p, [0, 2, 1]), q)
    u = concat([reshape(o, [48, 96]), h], axis=1)
    v = u @ w + b[1:2, :]
    n = sum(v * v, axis=[1])
    next h = tanh(v / (n[:, none] + 1)) + k
    next k = einsum("ab,cb->ca", w2, h) * 0.5
    yield u[:, 46:146], h, n
  }
  next h0 = hT + kT
  output us, hs, ns, hT)");
}

TEST(LoopTest, SmallBodiesRunOnOneThread) {
  ExpectTheBitsOfTheInterpreter(R"(
  input x : f32[7,3]
  input b : f32[3]
  ys : f32[7,3], n : f32[3], m : f32[3] = scan a in x carry p = b, q = b {
    r = p * 0.5 + a
    next p = q
    next q = r
    yield r + q
  }
  output ys, n, m)");
}

TEST(LoopTest, ReverseStacksAtTheIndexAndCarriesBothWays) {
  ExpectTheBitsOfTheInterpreter(R"(
  input x : f32[6,90,100]
  input h0 : f32[90,100]
  ys : f32[6,90,100], hT : f32[90,100] = scan a in x reverse carry h = h0 {
    h1 = h * 0.5 + a
    next h = h1
    yield h1
  }
  zs : f32[6,90,100], gT : f32[90,100] = scan y, a in ys, x carry g = hT {
    next g = sin(g) + y
    yield g * a
  }
  output zs, gT, hT)");
}

TEST(LoopTest, ACarryThatIsReadElsewhereHasTwoPlaces) {
  ExpectTheBitsOfTheInterpreter(R"(
  input h0 : f32[96,96]
  param w : f32[96,96] = zeros
  hT : f32[96,96] = scan length 5 carry h = h0 capture w {
    next h = tanh(h @ w)
  }
  k : f32[96,96] = hT + h0
  output hT, k)");
}

TEST(LoopTest, NothingIsCarriedAndOneIterationIsEnough) {
  ExpectTheBitsOfTheInterpreter(R"(
  input x : f32[3,100,100]
  input z : f32[1,100,100]
  ys : f32[3,100,100] = scan a in x { yield exp(a) * 0.5 }
  zs : f32[1,100,100], zT : f32[100,100] = scan a in z carry h = reshape(x[0:1, :, :], [100, 100]) {
    h1 = h + a
    next h = h1
    yield a * h1
  }
  output ys, zs, zT)");
}

TEST(LoopTest, ALoopInALoop) {
  ExpectTheBitsOfTheInterpreter(R"(
  input x : f32[3,4,90,100]
  input h0 : f32[90,100]
  ys : f32[3,4,90,100], hT : f32[90,100] = scan a in x carry h = h0 {
    zs : f32[4,90,100], g : f32[90,100] = scan b in a carry k = h capture h {
      k1 = k * 0.25 + b
      next k = k1 + h
      yield k1
    }
    next h = g
    yield zs
  }
  output ys, hT)");
}

TEST(LoopTest, EveryKindOfKernelInABody) {
  ExpectTheBitsOfTheInterpreter(R"(
  input x : f32[4,128,80]
  input ids : i32[4,128]
  param table : f32[4,80] = zeros
  param s0 : f32[4,80] = zeros
  state n : i64 = 0
  seeds : i64[4] = iota([4], axis=0, type=i64)
  ps : f32[4,128,80], sums : f32[4,80], sT : f32[4,80] = scan a, id, k in x, ids, seeds carry s = s0 capture table, n {
    e = gather(table, id, axis=0)
    z = a + e
    t = exp(z - max(z, axis=[1])[:, none])
    p = t / sum(t, axis=[1])[:, none]
    bits = random_bits(k, n, [128, 80], key=0x00000000000000ab, type=i32)
    dropped = where(bits > 0, p, f32(0))
    next s = s + scatter_add(dropped, id, extent=4, axis=0)
    yield p, sum(z, axis=[0])
  }
  output ps, sums, sT)");
}

TEST(LoopTest, AWhileKeepsTheCarriesThatItEndsWith) {
  for (const char* limit : {"0", "3", "4"}) {
    ExpectTheBitsOfTheInterpreter(absl::StrCat(R"(
  input x : f32[100,100]
  input n : i64
  nT : i64, xT : f32[100,100] = while carry k = n * 0, y = x until k >= )",
                                               limit, R"( {
    next k = k + 1
    next y = sin(y) + y
  }
  mT : i64, zT : f32[100,100] = while carry k = n * 0, y = x until m > )",
                                               limit, R"( {
    m = k + 1
    z = y @ y
    next k = m
    next y = z * 0.01
  }
  aT : i64, bT : f32 = while carry k = n * 0, b = f32(1.5) until k >= )",
                                               limit, R"( {
    next k = k + 1
    next b = b * 1.25
  }
  output nT, xT, mT, zT, aT, bT)"));
  }
}

TEST(LoopTest, ABranchIsTakenOrLeavesZeros) {
  ExpectTheBitsOfTheInterpreter(R"(
  input x : f32[100,100]
  p : bool = sum(x, axis=[0, 1]) > 0
  q : bool = not p
  a : f32[100,100], b : f32[100] = branch(p, x) {
    s = sum(exp(x), axis=[1])
    yield x / s[:, none], s
  }
  c : f32[100,100], d : f32[100] = branch(q, x) {
    s = sum(exp(x), axis=[1])
    yield x * s[:, none], s
  }
  output a, b, c, d)");
}

TEST(LoopTest, RandomGraphsWithLoops) {
  const std::vector<ir::Target> targets = TargetsOfThisMachine();
  const int64_t threads[] = {1, 2, 3, 7};
  const char* more = std::getenv("GRADUS_CODEGEN_COUNT");
  const uint64_t count = more != nullptr ? std::strtoull(more, nullptr, 10) : 24;
  for (uint64_t seed = 0; seed < count; ++seed) {
    ir::Graph graph = RandomGraph(seed, {.statements = 6, .max_elements = seed % 2 == 0 ? 6000 : 40000, .loops = 3});
    const std::vector<ir::Tensor> values = RandomDeclarations(seed, graph);
    ir::NamedTensors declared;
    size_t i = 0;
    for (const auto& s : graph.body.statements) {
      if (ir::IsDeclaration(s->op)) declared.emplace(s->result()->name, values[i++]);
    }
    passes::RunOptions options;
    options.stop_after = "simplified";
    ASSERT_THAT(passes::RunPasses(passes::kStepPipeline, graph, options), IsOk()) << ir::Print(graph);
    const RunConfiguration configuration{targets[seed % targets.size()], threads[seed / 3 % 4], seed % 5 != 4};
    ASSERT_EQ(Difference(graph, declared, configuration), "")
        << "seed " << seed << " " << ToString(configuration) << "\n"
        << ir::Print(graph);
  }
}

}  // namespace
}  // namespace gradus::testing_support
