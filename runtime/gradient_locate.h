// Where a gradient goes wrong: the statements whose derivative does not hold, given the adjoint that comes in.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ir/graph.h"
#include "runtime/gradient_claims.h"
#include "runtime/gradient_equation.h"

namespace gradus::runtime {

// A statement whose derivative is wrong.
struct WrongDerivative {
  std::string name;                  // of its value
  ir::Note place;                    // of it
  std::string rule;                  // of a custom_vjp: the function and where its vjp begins
  std::string by;                    // the value that it reads
  std::string adjoint;               // the value that holds the wrong derivative, where it has a name
  ir::Ints element;                  // of `by`
  double analytic = 0, numeric = 0;  // of the loss by that element, through this statement alone
  std::string what;                  // `its sign is wrong`, or empty
};

// The derivatives of `scalar` that the claims have wrong, at most 20, in the order of the statements. Every value with
// an adjoint is compared alone: what each statement that reads it contributes (of a printed gradient: what the terms of
// its sum do), given the adjoints of what that statement computes. So of a wrong adjoint the cause is found, and none
// of its consequences. A kink is as good as right, unless `kinks` are asked for too: beside one a claim may be anything
// between two slopes, and what is wrong can hide there.
absl::StatusOr<std::vector<WrongDerivative>> FindWrongDerivatives(const GradientClaims& claims, const ir::Value* scalar,
                                                                  const GraphOrder& order, const GradientJudge& judge,
                                                                  std::mt19937_64& random, bool kinks = false);

// The index of element number `flat` of a shape.
ir::Ints IndexOf(int64_t flat, const ir::Shape& shape);

}  // namespace gradus::runtime
