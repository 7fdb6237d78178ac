// The order in which an epoch visits the examples.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace gradus::runtime {

// Fills `order` with a permutation of 0 … its size - 1: Fisher and Yates' (Knuth, TAOCP 2, 3.4.2 P), drawn by
// Philox4x32-10 keyed by the seed, with the epoch (from 1) as its step. A pure function of its arguments.
void ShuffleOrder(absl::Span<int64_t> order, int64_t seed, int64_t epoch);
std::vector<int64_t> ShuffledOrder(int64_t count, int64_t seed, int64_t epoch);

}  // namespace gradus::runtime
