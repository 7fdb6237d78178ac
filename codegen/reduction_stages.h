// In which passes over its reduced elements a region with reductions is computed, and what waits between them.
//
// A stage is one pass for every reduction whose operand needs only the results of earlier stages; it stores the yields
// of the space that are known by then.
#pragma once

#include <cstdint>
#include <vector>

#include "codegen/reduction.h"
#include "codegen/region_code.h"

namespace gradus::codegen {

struct ReductionStage {
  std::vector<Reduction> reductions;
  std::vector<int> yields;  // of the space, stored in this stage's pass
};

// The stages, in order; `reduced_yields` becomes the yields that are written once for each result. `reduced_mask` has a
// bit for each reduced group of axes.
std::vector<ReductionStage> FindStages(const RegionCode& code, uint64_t reduced_mask, std::vector<int>& reduced_yields);

// A dear value that several passes read, and a yield of its type that is not written before the last of them: the
// exponentials of a softmax wait where its results will lie.
struct KeptValue {
  const ir::Value* value;
  int yield;  // in whose place it waits
  int first;  // the stage that computes it
};
std::vector<KeptValue> FindKept(const RegionCode& code, uint64_t reduced_mask,
                                const std::vector<ReductionStage>& stages);

}  // namespace gradus::codegen
