// The graphs on which every gradient rule is proven: elementwise operations from the table, structural ones by a
// covering list of their attributes.
#pragma once

#include <string>
#include <vector>

#include "ir/builder.h"
#include "tests/ops/gradient_proof.h"

namespace gradus::testing_support {

// Builds a case operand by operand.
class CaseMaker {
 public:
  CaseMaker(std::string name, ir::DType element, uint64_t seed = 1);

  ir::Builder& b() { return builder_; }
  ir::DType element() const { return element_; }
  // Declarations come before statements. With numbers, or with random ones in [-2, 2] that are at least 0.05 apart.
  ir::Value* Input(const std::string& name, ir::Shape shape, std::vector<double> numbers);
  ir::Value* Input(const std::string& name, ir::Shape shape);
  ir::Value* Indices(const std::string& name, ir::Shape shape, std::vector<int32_t> numbers);
  ir::Value* Emit(ir::Op op, std::vector<ir::Value*> operands, std::vector<ir::AttributeValue> attributes = {});
  ir::Value* Literal(double number);
  GradientCase Finish(ir::Value* y);

 private:
  GradientCase case_;
  ir::DType element_;
  ir::Builder builder_;
  uint64_t state_;
};

// Every row of UNARY, BINARY and TERNARY that has floats, where and convert; sampled from the domain of the row, with
// operands that are equal, broadcast, repeated and literal.
std::vector<GradientCase> ElementwiseCases(ir::DType element);
std::vector<GradientCase> StructuralCases(ir::DType element);
// Convolutions and windows with every pair of values of their attributes.
std::vector<GradientCase> ConvolutionCases(ir::DType element);

}  // namespace gradus::testing_support
