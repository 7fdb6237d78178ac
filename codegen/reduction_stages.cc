#include "codegen/reduction_stages.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "ir/cost.h"

namespace gradus::codegen {
namespace {

using ir::Op;
using ir::Statement;
using Values = absl::flat_hash_set<const ir::Value*>;

int StageOf(const ir::Value* value, absl::flat_hash_map<const ir::Value*, int>& known) {
  if (IsLeaf(value)) return 0;
  const auto found = known.find(value);
  if (found != known.end()) return found->second;
  int stage = 0;
  for (const ir::Value* operand : value->definition->operands) stage = std::max(stage, StageOf(operand, known));
  const Op op = value->definition->op;
  if (ir::IsReduction(op) || op == Op::kArgMax || op == Op::kArgMin) ++stage;
  return known[value] = stage;
}

// Adds what a pass computes within the space for `value`.
void Collect(const RegionCode& code, uint64_t reduced_mask, const ir::Value* value, Values& computed) {
  if (IsLeaf(value) || (code.DependenceOf(value) & reduced_mask) == 0) return;
  if (!computed.insert(value).second) return;
  for (const ir::Value* operand : value->definition->operands) Collect(code, reduced_mask, operand, computed);
}

}  // namespace

std::vector<ReductionStage> FindStages(const RegionCode& code, uint64_t reduced_mask,
                                       std::vector<int>& reduced_yields) {
  std::vector<ReductionStage> stages;
  absl::flat_hash_map<const ir::Value*, int> known;
  const auto at = [&](const ir::Value* value) -> ReductionStage& {
    const size_t stage = static_cast<size_t>(StageOf(value, known));
    if (stage >= stages.size()) stages.resize(stage + 1);
    return stages[stage];
  };
  for (const Statement* s : code.form().reductions) {
    at(s->operands[0]).reductions.emplace_back(*s, code.kernel().target);
  }
  for (int y = 0; y < static_cast<int>(code.region().yields.size()); ++y) {
    const ir::Value* value = code.region().yields[y];
    if ((code.GroupsOfYield(y) & reduced_mask) == 0) {
      reduced_yields.push_back(y);
    } else {
      at(value).yields.push_back(y);
    }
  }
  return stages;
}

// Yields of the space never lie in place of an operand here (ir::MayLieInPlace), so that their memory is free until the
// pass that stores them.
std::vector<KeptValue> FindKept(const RegionCode& code, uint64_t reduced_mask,
                                const std::vector<ReductionStage>& stages) {
  std::vector<KeptValue> kept;
  std::vector<Values> computed(stages.size());  // by each pass
  std::vector<std::pair<int, int>> yields;      // with their stages
  for (size_t k = 0; k < stages.size(); ++k) {
    for (const Reduction& r : stages[k].reductions) {
      Collect(code, reduced_mask, r.statement().operands[0], computed[k]);
    }
    for (const int y : stages[k].yields) {
      const ir::Value* value = code.region().yields[y];
      Collect(code, reduced_mask, value, computed[k]);
      if (value->type.shape == code.form().space) yields.emplace_back(y, static_cast<int>(k));
    }
  }
  for (const auto& s : code.region().statements) {
    if (!ir::IsDear(s->op)) continue;
    const ir::Value* value = s->result();
    int first = -1;
    int last = -1;
    for (int k = 0; k < static_cast<int>(stages.size()); ++k) {
      if (!computed[k].contains(value)) continue;
      if (first < 0) first = k;
      last = k;
    }
    if (first == last) continue;
    for (auto& [yield, stage] : yields) {
      if (stage < last || code.region().yields[yield]->type.element != value->type.element) continue;
      kept.push_back({value, yield, first});
      stage = -1;  // taken
      break;
    }
  }
  return kept;
}

}  // namespace gradus::codegen
