// `gradus check --grad` on random graphs: a right gradient is never called wrong, before and after it is printed; what
// is edited wrongly there is found, and a wrong result never without the statement that makes it so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "ir/builder.h"
#include "ir/interpreter.h"
#include "ir/printer.h"
#include "passes/backprop.h"
#include "runtime/gradient_check.h"
#include "tests/differential/random_graph.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

using ir::Op;
using runtime::GradientCheck;
using runtime::GradientVerdict;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}
// GRADUS_COUNT graphs, 300 if it is not set, from GRADUS_SEED on (0).
uint64_t First() { return FromEnvironment("GRADUS_SEED", 0); }
uint64_t End() { return First() + FromEnvironment("GRADUS_COUNT", 300); }

absl::optional<ir::Graph> WithGradient(uint64_t seed) {
  ir::Graph graph = RandomGraph(seed, {.statements = 16, .gradient = true, .float_only = true});
  for (const auto& s : graph.body.statements) {
    if (s->op == Op::kGrad) return graph;
  }
  return absl::nullopt;
}

ir::NamedTensors Smooth(uint64_t seed, const ir::Graph& graph) {
  std::mt19937_64 engine(seed);
  ir::NamedTensors declared;
  for (const auto& s : graph.body.statements) {
    if (!ir::IsDeclaration(s->op)) continue;
    ir::Tensor tensor(s->result()->type);
    for (double& x : tensor.data<double>()) x = static_cast<double>(engine() >> 11) * 0x1p-52 - 0.5;
    declared.emplace(s->result()->name, std::move(tensor));
  }
  return declared;
}

bool AnyWrong(const std::vector<GradientCheck>& checks) {
  for (const GradientCheck& check : checks) {
    for (const auto& parameter : check.parameters) {
      if (parameter.verdict == GradientVerdict::kWrong) return true;
    }
  }
  return false;
}

size_t Named(const std::vector<GradientCheck>& checks) {
  size_t count = 0;
  for (const GradientCheck& check : checks) count += check.wrong.size();
  return count;
}

std::string Describe(const std::vector<GradientCheck>& checks) {
  std::string text;
  for (const GradientCheck& check : checks) {
    for (const auto& p : check.parameters) {
      absl::StrAppend(&text, check.of, " by ", p.name, ": ", p.along.analytic, " ", p.along.numeric, " ",
                      p.along.difference, " error ", p.error, " verdict ", static_cast<int>(p.verdict), "\n");
    }
    for (const auto& one : check.wrong) {
      absl::StrAppend(&text, "wrong: ", one.name, " by ", one.by, ", ", one.adjoint, ": ", one.analytic, " ",
                      one.numeric, "\n");
    }
  }
  return text;
}

TEST(RandomGradientCheckTest, ARightGradientIsNeverCalledWrong) {
  int checked = 0;
  for (uint64_t seed = First(); seed < End(); ++seed) {
    absl::optional<ir::Graph> graph = WithGradient(seed);
    if (!graph) continue;
    const ir::NamedTensors declared = Smooth(seed, *graph);
    const auto direct = runtime::CheckGradients(graph->Clone(), declared, {});
    ASSERT_THAT(direct, IsOk()) << ir::Print(*graph);
    ASSERT_FALSE(AnyWrong(*direct) || Named(*direct) > 0) << seed << "\n" << ir::Print(*graph) << Describe(*direct);
    ++checked;
    const bool markers = std::any_of(graph->body.statements.begin(), graph->body.statements.end(), [](const auto& s) {
      return s->op == Op::kStopGradient || s->op == Op::kCustomVjp;
    });
    if (markers) continue;  // a printed step has lost them
    ASSERT_THAT(passes::Backprop(*graph), IsOk());
    ir::NameUnnamed(*graph);
    const auto printed = runtime::CheckGradients(graph->Clone(), declared, {});
    ASSERT_THAT(printed, IsOk()) << ir::Print(*graph);
    ASSERT_FALSE(AnyWrong(*printed) || Named(*printed) > 0) << seed << "\n" << ir::Print(*graph) << Describe(*printed);
  }
  EXPECT_GT(checked, 10);
}

TEST(RandomGradientCheckTest, AWrongResultIsNeverWithoutTheStatementThatMakesItSo) {
  int edited = 0, wrong = 0, exact = 0;
  for (uint64_t seed = First(); seed < End(); ++seed) {
    absl::optional<ir::Graph> graph = WithGradient(seed);
    if (!graph) continue;
    const ir::NamedTensors declared = Smooth(seed, *graph);
    ASSERT_THAT(passes::Backprop(*graph), IsOk());
    ir::NameUnnamed(*graph);
    std::vector<ir::Statement*> candidates;
    for (const auto& s : graph->body.statements) {
      const bool backward = !s->note.of.empty() && s->results.size() == 1;
      if (backward && (s->op == Op::kAdd || s->op == Op::kSub || s->op == Op::kMul || s->op == Op::kDiv))
        candidates.push_back(s.get());
    }
    if (candidates.empty()) continue;
    ir::Statement& s = *candidates[seed % candidates.size()];
    const std::string of = s.note.of;
    s.op = s.op == Op::kAdd ? Op::kSub : s.op == Op::kSub ? Op::kAdd : s.op == Op::kMul ? Op::kDiv : Op::kMul;
    ++edited;
    const auto checks = runtime::CheckGradients(graph->Clone(), declared, {});
    ASSERT_THAT(checks, IsOk()) << ir::Print(*graph);
    if (!AnyWrong(*checks)) continue;
    ++wrong;
    // By name, or as what is no number and so cannot be compared.
    const bool named =
        Named(*checks) > 0 || std::any_of(checks->begin(), checks->end(),
                                          [](const GradientCheck& check) { return check.not_finite.has_value(); });
    ASSERT_TRUE(named) << seed << "\n" << ir::Print(*graph) << Describe(*checks);
    for (const GradientCheck& check : *checks) {
      exact += std::any_of(check.wrong.begin(), check.wrong.end(), [&](const auto& one) { return one.name == of; });
    }
  }
  std::cout << edited << " edited, " << wrong << " wrong, " << exact << " of them at the very statement\n";
  EXPECT_GT(wrong, 5);
  EXPECT_GT(exact, wrong / 2);
}

// Every type and special values: ties, zeros, infinities. Nothing is called wrong but what is.
TEST(RandomGradientCheckTest, NorOnGraphsOfAllTypesAtSpecialPoints) {
  int checked = 0;
  for (uint64_t seed = First(); seed < End(); ++seed) {
    const ir::Graph graph = RandomGraph(seed, {.statements = 16, .gradient = true});
    const std::vector<ir::Tensor> values = RandomDeclarations(seed, graph);
    ir::NamedTensors declared;
    size_t next = 0;
    bool has_gradient = false;
    for (const auto& s : graph.body.statements) {
      if (ir::IsDeclaration(s->op)) declared.emplace(s->result()->name, values[next++]);
      has_gradient |= s->op == Op::kGrad;
    }
    if (!has_gradient) continue;
    const auto checks = runtime::CheckGradients(graph.Clone(), declared, {});
    if (!checks.ok()) continue;  // an index out of range
    ASSERT_FALSE(AnyWrong(*checks) || Named(*checks) > 0) << seed << "\n" << ir::Print(graph) << Describe(*checks);
    ++checked;
  }
  EXPECT_GT(checked, 10);
}

TEST(RandomGradientCheckTest, WhatWouldNotFitIsRefusedWithItsSize) {
  absl::optional<ir::Graph> graph = WithGradient(3);
  ASSERT_TRUE(graph.has_value());
  const ir::NamedTensors declared = Smooth(3, *graph);
  runtime::GradientCheckOptions options;
  options.memory_limit = 1000;
  EXPECT_THAT(runtime::CheckGradients(graph->Clone(), declared, options).status().message(),
              testing::HasSubstr("every value in f64, which takes "));
}

}  // namespace
}  // namespace gradus::testing_support
