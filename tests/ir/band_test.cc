#include "ir/band.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ir/builder.h"
#include "ir/contraction.h"
#include "ir/order.h"
#include "ir/printer.h"
#include "tests/apply.h"

namespace gradus::ir {
namespace {

TEST(BandTest, TextIsReadBack) {
  for (const char* text : {"k<=q", "k<=q+3", "k<=q-3", "q<=k", "q-3<=k<=q", "q<=k<=q+9", "q-2<=k<=q-1"}) {
    const auto band = ParseBand(text, "qd,kd->qk");
    ASSERT_TRUE(band.ok()) << band.status();
    EXPECT_EQ(ToString(*band), text);
  }
}

TEST(BandTest, WhatAPersonWritesHasOneSpelling) {
  const auto written = [](const char* text) {
    const auto band = ParseWrittenBand(text, "qd,kd->qk");
    return band.ok() ? ToString(*band) : std::string(band.status().message());
  };
  EXPECT_EQ(written("k <= q + 3"), "k<=q+3");
  EXPECT_EQ(written("q >= k"), "k<=q");
  EXPECT_EQ(written("k>=q-3"), "q<=k+3");
  EXPECT_EQ(written("k-1<=q+0"), "k<=q+1");
  EXPECT_EQ(written("q+2>=k>=q-3"), "q-3<=k<=q+2");
  EXPECT_EQ(written("q<=k+1<=q+2"), "q-1<=k<=q+1");
}

TEST(BandTest, AGraphHasNoOtherSpelling) {
  EXPECT_EQ(ParseBand("q>=k", "qd,kd->qk").status().message(),
            "the band \"q>=k\" of einsum \"qd,kd->qk\" is written \"k<=q\" in a graph [einsum-band]");
  EXPECT_FALSE(ParseBand("k<=q+0", "qd,kd->qk").ok());
  EXPECT_FALSE(ParseBand("k <= q", "qd,kd->qk").ok());
}

TEST(BandTest, NonsenseIsRefused) {
  for (const char* text : {"", "k", "k<=", "k<q", "k<=q<=d", "k<=3", "k<=q+", "k<=q+1000000000", "k<=q+x",
                           "k<=q=", "q<=k>=q", "K<=q", "d<=q<=k"}) {
    EXPECT_FALSE(ParseWrittenBand(text, "qd,kd->qk").ok()) << text;
  }
  EXPECT_FALSE(ParseBand("k<=z", "qd,kd->qk").ok());
  EXPECT_FALSE(ParseBand("k<=k", "qd,kd->qk").ok());
  EXPECT_FALSE(ParseBand("q<=k<=q-1", "qd,kd->qk").ok());
}

TEST(BandTest, PairsAreCounted) {
  for (int64_t inner : {1, 3, 7}) {
    for (int64_t outer : {1, 4, 6}) {
      for (int64_t lower : {-kNoBound, int64_t{-9}, int64_t{-2}, int64_t{0}, int64_t{2}}) {
        for (int64_t upper : {int64_t{-8}, int64_t{-1}, int64_t{0}, int64_t{3}, int64_t{8}, kNoBound}) {
          if (lower > upper) continue;
          int64_t expected = 0;
          for (int64_t i = 0; i < inner; ++i) {
            for (int64_t o = 0; o < outer; ++o) expected += lower <= i - o && i - o <= upper ? 1 : 0;
          }
          EXPECT_EQ(PairsOf({.lower = lower, .upper = upper}, inner, outer), expected)
              << inner << " " << outer << " " << lower << " " << upper;
        }
      }
    }
  }
  EXPECT_EQ(PairsOf({.lower = -kNoBound, .upper = 0}, int64_t{1} << 36, 1), 1);
}

class BandedDot : public testing::Test {
 protected:
  Value* Dot(const std::string& spec, const std::string& band, Shape a, Shape b, const std::string& order = "") {
    graph_ = Graph();
    Builder builder(graph_);
    Value* x = builder.Declare(Op::kInput, "x", {DType::kF32, std::move(a)});
    Value* y = builder.Declare(Op::kInput, "y", {DType::kF32, std::move(b)});
    const auto dot = builder.Add(Op::kDot, {x, y}, {spec, order, band});
    status_ = dot.status();
    return dot.ok() ? *dot : nullptr;
  }
  std::vector<float> Run(const Value* dot, const std::vector<float>& a, const std::vector<float>& b) {
    const Statement& s = *dot->definition;
    const auto y = testing_support::Apply(Op::kDot,
                                          {Tensor::Of<float>(s.operands[0]->type.shape, absl::MakeConstSpan(a)),
                                           Tensor::Of<float>(s.operands[1]->type.shape, absl::MakeConstSpan(b))},
                                          s.attributes);
    CHECK(y.ok()) << y.status();
    const auto span = y->data<float>();
    return {span.begin(), span.end()};
  }

  Graph graph_;
  absl::Status status_;
};

std::vector<float> Counted(size_t n) {
  std::vector<float> numbers;
  for (size_t i = 0; i < n; ++i) numbers.push_back(std::sin(static_cast<float>(i) * 1.7f + 0.3f));
  return numbers;
}

TEST_F(BandedDot, WhatTheBandLeavesOutIsNotThere) {
  constexpr int kT = 6, kD = 3;
  std::vector<float> p = Counted(kT * kT), v = Counted(kT * kD);
  // What lies outside of the band may be anything, and the first v may be: no row reads v[5] but the last.
  for (int q = 0; q < kT; ++q) {
    for (int k = q + 1; k < kT; ++k) p[q * kT + k] = std::numeric_limits<float>::quiet_NaN();
  }
  v[5 * kD] = std::numeric_limits<float>::infinity();
  std::vector<float> expected(kT * kD, 0.0f);
  for (int q = 0; q < kT; ++q) {
    for (int k = 0; k <= q; ++k) {
      for (int d = 0; d < kD; ++d) {
        expected[q * kD + d] = std::fma(p[q * kT + k], v[k * kD + d], expected[q * kD + d]);
      }
    }
  }
  EXPECT_EQ(Run(Dot("ab,bc->ac", "b<=a", {kT, kT}, {kT, kD}), p, v), expected);
}

TEST_F(BandedDot, ASumWithFewerTermsIsNotASumWithZeros) {
  // fma(0, 1, -0) is +0, so a sum that ends in -0 would differ; a chain begins at +0, and that an absent term leaves.
  const float denormal = std::numeric_limits<float>::denorm_min();
  const auto sums = Run(Dot("ab,bc->ac", "b<=a", {2, 2}, {2, 1}), {-denormal, 7, 1, 1}, {0.5f, 3});
  EXPECT_EQ(sums, (std::vector<float>{-0.0f, 3.5f}));
  EXPECT_TRUE(std::signbit(sums[0]));
}

TEST_F(BandedDot, ElementsWithoutATermAreZero) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(Run(Dot("ab,cb->ac", "c<=a-1", {3, 1}, {3, 1}), {nan, 2, 3}, {5, 7, nan}),
            (std::vector<float>{0, 0, 0, 10, 0, 0, 15, 21, 0}));
  EXPECT_EQ(Run(Dot("a,b->ab", "a-1<=b<=a", {3}, {3}), {2, 3, 5}, {1, 10, 100}),
            (std::vector<float>{2, 0, 0, 3, 30, 0, 0, 50, 500}));
}

TEST_F(BandedDot, TheAxesOfABandMayBeOfAnyKind) {
  // Each spec has the letters a (4), b (3) and c (5) somewhere; against the sum over every index.
  struct Case {
    const char *spec, *band;
    Shape a, b;
  };
  const Case cases[] = {{"abc,ac->ab", "b<=a", {4, 3, 5}, {4, 5}},     {"abc,ac->ab", "c<=a", {4, 3, 5}, {4, 5}},
                        {"abc,abc->", "c<=b", {4, 3, 5}, {4, 3, 5}},   {"abc,c->ab", "b<=a+1", {4, 3, 5}, {5}},
                        {"abc,c->ba", "b-1<=c<=b", {4, 3, 5}, {5}},    {"ac,bc->ba", "c<=b", {4, 5}, {3, 5}},
                        {"abc,abc->abc", "c<=b", {4, 3, 5}, {4, 3, 5}}};
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.spec) + " " + c.band);
    const Value* dot = Dot(c.spec, c.band, c.a, c.b);
    ASSERT_NE(dot, nullptr) << status_;
    const auto size = [](const Shape& shape) { return static_cast<size_t>(ElementCount(shape).value()); };
    const std::vector<float> a = Counted(size(c.a)), b = Counted(size(c.b));
    std::vector<float> expected(size(dot->type.shape), 0.0f);
    const Contraction axes = AxesOf(*dot->definition);
    const Shape strides_a = RowMajorStrides(c.a), strides_b = RowMajorStrides(c.b),
                strides_c = RowMajorStrides(dot->type.shape);
    const auto band = ParseBand(c.band, c.spec);
    for (int64_t flat = 0; flat < 4 * 3 * 5; ++flat) {
      const int64_t index[] = {flat / 15, flat / 5 % 3, flat % 5};  // of a, b and c
      const int64_t difference = index[band->inner - 'a'] - index[band->outer - 'a'];
      if (difference < band->lower || difference > band->upper) continue;
      int64_t at_a = 0, at_b = 0, at_c = 0;
      for (const ContractionAxis& axis : axes.axes) {
        const int64_t i = index[axis.letter - 'a'];
        if (axis.in_a >= 0) at_a += i * strides_a[axis.in_a];
        if (axis.in_b >= 0) at_b += i * strides_b[axis.in_b];
        if (axis.in_result >= 0) at_c += i * strides_c[axis.in_result];
      }
      expected[at_c] = std::fma(a[at_a], b[at_b], expected[at_c]);
    }
    EXPECT_EQ(Run(dot, a, b), expected);
  }
}

TEST_F(BandedDot, ItsOrderIsOneChain) {
  Value* few = Dot("ab,bc->ac", "b<=a", {4, 5000}, {5000, 4});
  EXPECT_EQ(ToString(OrderOfContraction(*few->definition)), "chain(1)");
  EXPECT_EQ(Dot("ab,bc->ac", "b<=a", {4, 100}, {100, 4}, "lanes16"), nullptr);
  EXPECT_EQ(status_.message(), "a contraction with a band has the order `chain(1)`, not `lanes16` [order-attribute]");
  EXPECT_EQ(Dot("ab,bc->ac", "b<=a", {4, 100}, {100, 4}, "chain(2)"), nullptr);
  EXPECT_NE(Dot("ab,bc->ac", "b<=a", {4, 100}, {100, 4}, "chain(1)"), nullptr);
}

TEST_F(BandedDot, OnlyTermsThatExistAreWork) {
  EXPECT_EQ(MultiplyAdds(*Dot("ab,cb->ac", "c<=a", {64, 32}, {64, 32})->definition), Size(64 * 65 / 2 * 32));
  EXPECT_EQ(MultiplyAdds(*Dot("ab,cb->ac", "", {64, 32}, {64, 32})->definition), Size(64 * 64 * 32));
}

TEST_F(BandedDot, NeverPrintsAsTheSignOfAProduct) {
  Value* y = Dot("ab,bc->ac", "b<=a", {4, 4}, {4, 4});
  y->name = "y";
  graph_.name = "g";
  graph_.outputs.push_back({"y", y});
  EXPECT_NE(Print(graph_).find("y : f32[4,4] = einsum(\"ab,bc->ac\", x, y, band=\"b<=a\")"), std::string::npos)
      << Print(graph_);
}

}  // namespace
}  // namespace gradus::ir
