// Gradients of scans and branches, to the second order: against dual numbers and differences.
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "frontend/read_graph.h"
#include "ir/printer.h"
#include "tests/matchers.h"
#include "tests/ops/gradient_proof.h"

namespace gradus::testing_support {
namespace {

// A graph with random values for its declarations.
GradientCase CaseOf(const std::string& name, const std::string& text, uint64_t seed = 1) {
  auto graph = frontend::ReadGraph(name, text);
  if (!graph.ok()) ADD_FAILURE() << graph.status() << "\n" << text;
  GradientCase c{name, graph.ok() ? *std::move(graph) : ir::Graph(), {}, {}};
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> any(-0.9, 0.9);
  for (const auto& s : c.graph.body.statements) {
    if (!ir::IsDeclaration(s->op)) continue;
    const ir::Type& type = s->result()->type;
    if (ir::IsFloat(type.element)) {
      std::vector<double>& values = c.floats[s->result()->name];
      for (int64_t i = 0; i < type.elements().value(); ++i) values.push_back(any(random));
    } else {
      ir::Tensor tensor(type);
      for (bool& b : tensor.data<bool>()) b = random() % 2 == 0;
      c.others[s->result()->name] = std::move(tensor);
    }
  }
  return c;
}

void Prove(const std::string& name, const std::string& text, uint64_t seed = 1) {
  const GradientCase c = CaseOf(name, text, seed);
  EXPECT_THAT(ProveGradient(c), IsOk()) << name << "\n" << text;
}

TEST(LoopGradientTest, OfAnLstm) {
  for (const char* words : {"", "reverse ", "recompute "}) {
    const bool again = std::string(words) == "recompute ";
    Prove("lstm", absl::StrCat(R"(graph g numerics 1 {
  input xs : f64[5,2,12]
  input h0 : f64[2,3]
  input c0 : f64[2,3]
  param wh : f64[3,12] = zeros
  ys : f64[5,2,3], hT : f64[2,3], cT : f64[2,3] = scan a in xs )",
                               again ? "" : words, "carry h = h0, c = c0 capture wh ", again ? words : "", R"({
    z = a + h @ wh
    c1 = sigmoid(z[:, 3:6]) * c + sigmoid(z[:, 0:3]) * tanh(z[:, 6:9])
    h1 = sigmoid(z[:, 9:12]) * tanh(c1)
    next h = h1
    next c = c1
    yield h1
  }
  y : f64[2,3] = sum(ys, axis=0) * cT + hT
  output y
})"));
  }
}

TEST(LoopGradientTest, OfWhatAScanCanBe) {
  Prove("without a carry", R"(graph g numerics 1 {
  input xs : f64[4,3]
  param w  : f64[3,3] = zeros
  param b  : f64[3] = zeros
  y : f64[4,3] = scan x in xs capture w, b { yield tanh(x @ w + b) * b }
  output y
})");
  Prove("without a sequence", R"(graph g numerics 1 {
  input x : f64[3]
  input k : f64
  ys : f64[6,3], last : f64[3] = scan length 6 carry h = x capture k { next h = h + 0.1 * sin(k * h); yield h * h }
  y : f64[6,3] = ys * last
  output y
})");
  Prove("an unread result", R"(graph g numerics 1 {
  input xs : f64[4,3]
  input h0 : f64[3]
  ys : f64[4,3], y : f64[3] = scan x in xs carry h = h0 { h1 = tanh(h + x); next h = h1; yield h1 * 2 }
  output y
})");
  Prove("what comes in goes out", R"(graph g numerics 1 {
  input xs : f64[4,3]
  input h0 : f64[3]
  ys : f64[4,3], zs : f64[4,3], last : f64[3], kept : f64[3] = scan x in xs carry h = h0, k = h0 {
    next h = x
    next k = k
    yield x, h
  }
  y : f64[4,3] = ys * zs + last * kept
  output y
})");
  Prove("a carry that only others depend on", R"(graph g numerics 1 {
  input xs : f64[4,3]
  input h0 : f64[3]
  ys : f64[4,3], a : f64[3], b : f64[3] = scan x in xs carry h = h0, k = h0 capture h0 {
    next h = h * x
    next k = k + h * h0
    yield k
  }
  y : f64[4,3] = ys + b
  output y
})");
}

TEST(LoopGradientTest, OfLoopsInLoopsAndBranches) {
  Prove("nested", R"(graph g numerics 1 {
  input xs : f64[3,4]
  input h0 : f64[2]
  param w  : f64[2,2] = zeros
  ys : f64[3,2], last : f64[2] = scan row in xs carry h = h0 capture w {
    zs, inner = scan x in row carry g = h capture w, h {
      g1 = tanh(g @ w + x * h)
      next g = g1
      yield g1 * x
    }
    next h = inner + sum(zs, axis=0)
    yield inner * h
  }
  y : f64[3,2] = ys * last
  output y
})");
  Prove("chunks", R"(graph g numerics 1 {
  input xs : f64[2,3,4]
  input h0 : f64[4]
  param w  : f64[4,4] = zeros
  ys : f64[2,3,4], last : f64[4] = scan chunk in xs carry h = h0 capture w recompute {
    zs, inner = scan x in chunk carry g = h capture w { g1 = tanh(g @ w + x); next g = g1; yield g1 }
    next h = inner
    yield zs
  }
  y : f64[2,3,4] = ys * last
  output y
})");
  for (uint64_t seed = 0; seed < 4; ++seed) {
    Prove("branch", R"(graph g numerics 1 {
  input p : bool
  input x : f64[3]
  param w : f64[3,3] = zeros
  a : f64[3], b : f64[3] = branch(p, x, w) { t = tanh(x @ w); yield t * x, t }
  y : f64[3] = a * x + b
  output y
})",
          seed);
    Prove("branch in a scan", R"(graph g numerics 1 {
  input ps : bool[4]
  input xs : f64[4,3]
  param w : f64[3,3] = zeros
  input h0 : f64[3]
  y : f64[3] = scan p, x in ps, xs carry h = h0 capture w {
    d = branch(p, x, h, w) { yield tanh(h @ w + x) }
    next h = h * 0.5 + d
  }
  output y
})",
          seed);
  }
}

// A body of random statements on values [2,3].
std::string RandomBody(std::mt19937_64& random) {
  std::vector<std::string> values = {"x", "h", "c"};
  const auto any = [&] { return values[random() % values.size()]; };
  std::string body;
  const int count = 3 + static_cast<int>(random() % 6);
  for (int i = 0; i < count; ++i) {
    const std::string a = any(), b = any();
    const std::string name = absl::StrCat("v", i);
    std::string line;
    switch (random() % 12) {
      case 0:
        line = absl::StrCat("tanh(", a, ")");
        break;
      case 1:
        line = absl::StrCat(a, " * ", b);
        break;
      case 2:
        line = absl::StrCat(a, " + 0.5 * ", b);
        break;
      case 3:
        line = absl::StrCat(a, " @ w");
        break;
      case 4:
        line = absl::StrCat(a, " @ w.T + bias");
        break;
      case 5:
        line = absl::StrCat(a, " * z");
        break;
      case 6:
        line = absl::StrCat("sum(", a, ", axis=1)[:, none] * ", b);
        break;
      case 7:
        line = absl::StrCat("sigmoid(", a, " - ", b, ")");
        break;
      case 8:
        line = absl::StrCat("where(m, ", a, ", ", b, ")");
        break;
      case 9:
        line = absl::StrCat("exp(-", a, " * ", a, ") * bias");
        break;
      case 10:
        line = absl::StrCat("concat([", a, "[:, 1:3], ", b, "[:, 0:1]], axis=1)");
        break;
      default:
        line = absl::StrCat("sin(", a, ") * scale");
    }
    absl::StrAppend(&body, "    ", name, " = ", line, "\n");
    values.push_back(name);
  }
  absl::StrAppend(&body, "    next h = ", any(), "\n    next c = tanh(", any(), ")\n    yield ", any(), ", ", any(),
                  "\n");
  return body;
}

TEST(LoopGradientTest, OfRandomBodies) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    std::mt19937_64 random(seed);
    const std::string text =
        absl::StrCat(R"(graph g numerics 1 {
  input xs : f64[4,2,3]
  input zs : f64[4,3]
  input ms : bool[4,2,3]
  input h0 : f64[2,3]
  param w : f64[3,3] = zeros
  param bias : f64[3] = zeros
  param scale : f64 = zeros
  as : f64[4,2,3], bs : f64[4,2,3], hT : f64[2,3], cT : f64[2,3] = scan x, z, m in xs, zs, ms )",
                     random() % 2 ? "reverse " : "", "carry h = h0, c = h0 capture w, bias, scale ",
                     random() % 3 == 0 ? "recompute " : "", "{\n", RandomBody(random), R"(  }
  y : f64[4,2,3] = as * cT + bs + hT
  output y
})");
    Prove(absl::StrCat("body ", seed), text, seed);
  }
}

}  // namespace
}  // namespace gradus::testing_support
