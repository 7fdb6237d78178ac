// What holds for every case of a reference file.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/library/reference.h"
#include "tests/matchers.h"
#include "tests/ops/gradient_proof.h"

namespace gradus::testing_support {

// Value and gradient of every case are those of the file.
inline void ExpectAsPyTorch(const std::string& file) {
  for (const ReferenceCase& c : ReadCases(file)) {
    SCOPED_TRACE(c.name + ": " + c.text);
    const auto values = RunCase(c);
    EXPECT_THAT(values, IsOk());
    if (!values.ok()) continue;
    EXPECT_EQ(Difference(c.value, values->at("y")), "") << "value";
    for (const ReferenceInput& input : c.inputs) {
      if (!input.differentiable) continue;
      EXPECT_EQ(Difference(input.gradient, values->at(GradientName(input))), "") << "gradient by " << input.name;
    }
  }
}

// The parameters of a rule are called as what they stand for.
inline void NameParameters(ir::Region& region) {
  for (const auto& statement : region.statements) {
    if (statement->op != ir::Op::kCustomVjp) continue;
    for (size_t i = 1; i < statement->operands.size(); ++i) {
      statement->region->parameters[i]->name = statement->operands[i]->name;
    }
    NameParameters(*statement->region);
  }
}

// First and second order against duals and differences, at points of the shapes of `declared` away from kinks; or, with
// `at_given`, at the point itself, kinks and all: against duals, or against differences where a rule makes smooth what
// the text that duals follow puts together from pieces.
inline absl::Status Prove(const std::string& name, ir::Graph graph, const ir::NamedTensors& declared,
                          bool at_given = false) {
  GradientCase proof{name, std::move(graph), {}, {}};
  for (const auto& statement : proof.graph.body.statements) {
    if (!ir::IsDeclaration(statement->op) || statement->op == ir::Op::kNext) continue;
    ir::Value& value = *statement->result();
    const ir::Tensor& given = declared.at(value.name);
    value.name = absl::StrCat("given.", value.name);  // the proof has names of its own
    if (value.type.element != ir::DType::kF64) {
      proof.others.emplace(value.name, given);
      continue;
    }
    std::vector<double>& point = proof.floats[value.name];
    const auto numbers = given.data<double>();
    if (at_given) {
      point.assign(numbers.begin(), numbers.end());
      continue;
    }
    // No two are equal, none is near a kink at a whole number or at ±½, and probabilities stay probabilities.
    double least = 0, most = 0;
    for (const double number : numbers) {
      least = std::min(least, number);
      most = std::max(most, number);
    }
    for (int64_t i = 0; i < given.size(); ++i) {
      const double spread = 0.13 + 0.71 * ((i * 37 + 11 + 29 * proof.floats.size()) % 97) / 97.0;
      point.push_back(least >= 0 && most <= 1 ? 0.1 + 0.8 * spread
                      : least >= 0            ? 2 * spread + 0.3
                      : least > -1            ? spread - 0.5
                                              : 4 * spread - 2.03);
    }
  }
  NameParameters(proof.graph.body);
  const auto& statements = proof.graph.body.statements;
  const bool rule = std::any_of(statements.begin(), statements.end(),
                                [](const auto& statement) { return statement->op == ir::Op::kCustomVjp; });
  const absl::Status by_duals = ProveGradient(proof, {.differences = !at_given, .together = true});
  if (by_duals.ok() || !at_given || !rule) return by_duals;
  return ProveGradient(proof, {.duals = false, .together = true});
}

inline void ExpectProven(const std::string& file) {
  for (const ReferenceCase& c : ReadCases(file)) {
    SCOPED_TRACE(c.name + ": " + c.text);
    ir::NamedTensors declared;
    absl::StatusOr<ir::Graph> graph = ValueGraph(c, &declared);
    ASSERT_THAT(graph, IsOk());
    EXPECT_THAT(Prove(c.name, *std::move(graph), declared), IsOk());
  }
}

}  // namespace gradus::testing_support
