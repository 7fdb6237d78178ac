#include "ir/strips.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "frontend/read_graph.h"
#include "ir/check.h"

namespace gradus::passes {
namespace {

// A scan over x : f32[4,R,128] with carry h of its slices, w : f32[128,128], wide : f32[128,4096], m : f32[R,R] and
// v : f32[128] around it.
class OneScan {
 public:
  OneScan(int64_t rows, const std::string& body) {
    const std::string text =
        absl::StrCat("graph g numerics 1 {\n  input x : f32[4,", rows, ",128]\n  input h0 : f32[", rows,
                     R"(,128]
  input w : f32[128,128]
  input wide : f32[128,4096]
  input m : f32[)",
                     rows, ",", rows, R"(]
  input v : f32[128]
  ys : f32[4,)",
                     rows, R"(,128], hT = scan a in x carry h = h0 capture w, wide, m, v {
)",
                     body, R"(
    next h = h1
    yield h1
  }
  output ys
})");
    auto graph = frontend::ReadGraph("g.gr", text);
    CHECK(graph.ok()) << graph.status();
    graph_ = *std::move(graph);
    for (const auto& s : graph_.body.statements) scan_ = s->op == ir::Op::kScan ? s.get() : scan_;
  }
  const ir::Statement& scan() const { return *scan_; }

 private:
  ir::Graph graph_;
  const ir::Statement* scan_ = nullptr;
};

bool RunsInStrips(int64_t rows, int64_t threads, const std::string& body) {
  ir::Target target;
  target.l2_bytes = 1 << 20;
  return ir::RunsInStrips(OneScan(rows, body).scan(), threads, target);
}

TEST(StripsTest, RowsThatNeedNoOtherRowsAreSharedOutOnce) {
  EXPECT_TRUE(RunsInStrips(96, 2, "h1 = tanh(h @ w + a + v)"));
  EXPECT_TRUE(RunsInStrips(96, 3, "h1 = exp(h - max(h, axis=[1])[:, none]) + a"));
  EXPECT_TRUE(RunsInStrips(96, 2, "h1 = concat([h[:, 64:128], a[:, 0:64]], axis=1) * f32(2)"));
  EXPECT_TRUE(RunsInStrips(128, 2, "h1 = h @ w + a")) << "as many columns as rows";
}

TEST(StripsTest, RowsThatNeedOthersAreNot) {
  EXPECT_FALSE(RunsInStrips(96, 2, "h1 = tanh(m @ h) + a"));
  EXPECT_FALSE(RunsInStrips(96, 2, "h1 = h - sum(h, axis=[0]) + a"));
  EXPECT_FALSE(RunsInStrips(96, 2, "h1 = flip(h, axis=[0]) + a"));
  EXPECT_FALSE(RunsInStrips(96, 2, "h1 = concat([h[48:96, :], a[0:48, :]], axis=0)"));
  EXPECT_FALSE(RunsInStrips(128, 2, "h1 = h.T + a"));
  EXPECT_FALSE(RunsInStrips(96, 2, "h1 = einsum(\"ab,bc->ac\", h, w, band=\"b<=a\") + a")) << "a row has a number";
  EXPECT_FALSE(RunsInStrips(128, 2, "h1 = h @ w + w + a")) << "w is needed whole and by rows";
}

TEST(StripsTest, NeitherAreUnevenNorThinOnesNorWeightsThatLeaveTheCache) {
  const std::string body = "h1 = tanh(h @ w) + a";
  EXPECT_FALSE(RunsInStrips(96, 1, body));
  EXPECT_FALSE(RunsInStrips(96, 7, body));
  EXPECT_TRUE(RunsInStrips(96, 12, body));
  EXPECT_FALSE(RunsInStrips(96, 24, body));
  EXPECT_FALSE(RunsInStrips(96, 2, "h1 = (h @ wide)[:, 0:128] + a"));
}

// One thread needs one slice of 1025 terms for as many outputs, half as many are worth two.
TEST(StripsTest, SumsKeepTheirOrder) {
  auto graph = frontend::ReadGraph("g.gr", R"(graph g numerics 1 {
  input h0 : f32[320,1025]
  input w : f32[1025,240]
  hT : f32[320,1025] = scan length 3 carry h = h0 capture w {
    z = h @ w
    next h = h + z[:, 0:1]
  }
  output hT
})");
  ASSERT_TRUE(graph.ok()) << graph.status();
  const ir::Statement& scan = *graph->body.statements.back();
  const std::unique_ptr<ir::Statement> strip = ir::StripOf(scan, 2);
  const ir::Statement& dot = *strip->region->statements.front();
  EXPECT_EQ(ir::ToString(dot.result()->type), "f32[160,240]");
  EXPECT_EQ(dot.Text("order"), "chain(1)");
}

}  // namespace
}  // namespace gradus::passes
