// Random loops and branches: bodies of random statements on slices, carries and captures.
#pragma once

#include <vector>

#include "tests/differential/random_statement.h"

namespace gradus::testing_support {

// Appends a scan, a while that ends or a branch on values of `outside`, with loops in its body down to `depth`.
// Its results, unnamed.
std::vector<ir::Value*> AppendRandomLoop(Random& random, const RandomGraphOptions& options, RandomStatements& outside,
                                         ir::Builder& builder, int depth);

}  // namespace gradus::testing_support
