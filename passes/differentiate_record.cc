// What a check of a gradient has to know of the body of a scan or a branch.
#include "passes/differentiator.h"

namespace gradus::passes {

using ir::Statement;
using ir::Value;

void Differentiator::BodyPairs::Add(const ir::Region& copy, const ir::Region& original) {
  for (size_t i = 0; i < copy.parameters.size(); ++i) values[copy.parameters[i].get()] = original.parameters[i].get();
  for (size_t i = 0; i < copy.statements.size(); ++i) {
    const Statement &from = *copy.statements[i], &to = *original.statements[i];
    statements[&from] = &to;
    for (size_t j = 0; j < from.results.size(); ++j) values[from.results[j].get()] = to.results[j].get();
    if (from.region != nullptr) Add(*from.region, *to.region);
  }
}

const Value* Differentiator::BodyPairs::Of(const Value* value) const {
  const auto found = values.find(value);
  return found == values.end() ? value : found->second;
}

const Statement* Differentiator::BodyPairs::Of(const Statement* statement) const {
  const auto found = statements.find(statement);
  return found == statements.end() ? statement : found->second;
}

namespace {

// Speaks of the values that are copied instead of their copies, in bodies below too.
template <typename Pairs>
void Translate(const Pairs& pairs, GradientRecord& record) {
  absl::flat_hash_map<const Value*, WrittenAdjoint> adjoints;
  for (const auto& [value, adjoint] : record.adjoints)
    adjoints[pairs.Of(value)] = {pairs.Of(adjoint.value), adjoint.number};
  record.adjoints = std::move(adjoints);
  for (GradientRecord::Part& part : record.parts) {
    part.user = pairs.Of(part.user);
    part.contribution.value = pairs.Of(part.contribution.value);
  }
  for (GradientRecord::Body& body : record.bodies) {
    body.forward = pairs.Of(body.forward);
    Translate(pairs, body.record);
  }
}

}  // namespace

// Called when it is known what stays of the gradient of the body, and before more is added to that.
void Differentiator::RecordBody(GradientRecord record, const Statement& forward, const BodyPairs& pairs,
                                const Statement& backward, const LoopGradient& loop) {
  if (task_.record == nullptr) return;
  // What the forward body computes is there whether or not the copy of it stays.
  absl::flat_hash_set<const Value*> fresh;
  for (const auto* parameters : {&loop.sequences, &loop.carries, &loop.captures}) {
    for (const auto& parameter : *parameters) fresh.insert(parameter.get());
  }
  absl::flat_hash_set<const Statement*> statements;
  for (const auto& s : backward.region->statements) {
    statements.insert(s.get());
    for (const auto& result : s->results) fresh.insert(result.get());
  }
  absl::flat_hash_set<const Value*> known;
  for (const auto& parameter : forward.region->parameters) known.insert(parameter.get());
  for (const auto& s : forward.region->statements) {
    for (const auto& result : s->results) known.insert(result.get());
  }
  const auto gone = [&](const WrittenAdjoint& w) {
    return w.value != nullptr && !fresh.contains(w.value) && !known.contains(pairs.Of(w.value));
  };
  absl::erase_if(record.adjoints, [&](const auto& entry) { return gone(entry.second); });
  for (GradientRecord::Part& part : record.parts) {
    if (!gone(part.contribution)) continue;
    part.contribution = {};
    part.gone = true;
  }
  std::erase_if(record.bodies, [&](const auto& body) { return !statements.contains(body.backward); });
  Translate(pairs, record);
  task_.record->bodies.push_back({&forward, &backward, std::move(record)});
}

}  // namespace gradus::passes
