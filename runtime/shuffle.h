// The order in which an epoch visits the examples.
#pragma once

#include <cstdint>
#include <vector>

namespace gradus::runtime {

// A permutation of 0 … count - 1: Fisher and Yates' (Knuth, TAOCP 2, 3.4.2 P), drawn by Philox4x32-10 keyed by the
// seed, with the epoch (from 1) as its step. A pure function of its arguments.
std::vector<int64_t> ShuffledOrder(int64_t count, int64_t seed, int64_t epoch);

}  // namespace gradus::runtime
