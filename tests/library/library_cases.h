// What holds for every case of a reference file.
#pragma once

#include <gtest/gtest.h>

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

// First and second order against duals and differences, at points of the case's shapes away from kinks.
inline void ExpectProven(const std::string& file) {
  for (const ReferenceCase& c : ReadCases(file)) {
    SCOPED_TRACE(c.name + ": " + c.text);
    ir::NamedTensors declared;
    absl::StatusOr<ir::Graph> graph = ValueGraph(c, &declared);
    ASSERT_THAT(graph, IsOk());
    GradientCase proof{c.name, *std::move(graph), {}, {}};
    for (const auto& statement : proof.graph.body.statements) {
      if (!ir::IsDeclaration(statement->op) || statement->op == ir::Op::kNext) continue;
      ir::Value& value = *statement->result();
      const ir::Tensor& given = declared.at(value.name);
      value.name = absl::StrCat("given.", value.name);  // the proof has names of its own
      if (value.type.element != ir::DType::kF64) {
        proof.others.emplace(value.name, given);
        continue;
      }
      // No two are equal, none is near a kink at a whole number or at ±½, and probabilities stay probabilities.
      std::vector<double>& point = proof.floats[value.name];
      double least = 0, most = 0;
      for (int64_t i = 0; i < given.size(); ++i) {
        least = std::min(least, given.data<double>()[i]);
        most = std::max(most, given.data<double>()[i]);
      }
      for (int64_t i = 0; i < given.size(); ++i) {
        const double spread = 0.13 + 0.71 * ((i * 37 + 11 + 29 * proof.floats.size()) % 97) / 97.0;
        point.push_back(least >= 0 && most <= 1 ? 0.1 + 0.8 * spread
                        : least >= 0            ? spread + 0.3
                        : least > -1            ? spread - 0.5
                                                : 4 * spread - 2.03);
      }
    }
    EXPECT_THAT(ProveGradient(proof), IsOk());
  }
}

}  // namespace gradus::testing_support
