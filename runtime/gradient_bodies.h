// What the names in a printed graph say about the bodies of loops and branches.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "ir/graph.h"
#include "passes/differentiate.h"

namespace gradus::runtime {

// The number of the gradient that `d.h` or `d2.h` belongs to, and `h`; 0: it is none.
int64_t SplitAdjointName(absl::string_view name, absl::string_view& of);
bool BroadcastsTo(const ir::Shape& from, const ir::Shape& to);

// Of every scan and branch of `backward` that belongs to one of `forward`: `d.z` in the reverse scan is, step by step,
// the adjoint of `z` in the scan, and what the carry `d.h` becomes is that of the carry `h`. Values known by a name
// that may as well be that of something else are added to `ambiguous`.
std::vector<passes::GradientRecord::Body> ReadBodies(const ir::Region& forward, const ir::Region& backward,
                                                     int64_t number, absl::flat_hash_set<const ir::Value*>& ambiguous);

}  // namespace gradus::runtime
