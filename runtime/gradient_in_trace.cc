// Claims about loops and branches, step by step.
#include <algorithm>
#include <utility>

#include "ir/control.h"
#include "runtime/gradient_claims.h"

namespace gradus::runtime {
namespace {

using ir::Statement;
using ir::Value;
using passes::GradientRecord;
using passes::WrittenAdjoint;

class Translation {
 public:
  Translation(const WrittenGradient& gradient, GradientClaims& traced) : gradient_(gradient), traced_(traced) {}

  // `holder` has the forward body; null: it is the program.
  void Record(const GradientRecord& record, const Statement* holder, const TracedStep& forward,
              const TracedStep& backward) {
    for (const auto& [value, adjoint] : record.adjoints) {
      const Value* of = At(forward, value);
      WrittenAdjoint written = adjoint;
      if (of == nullptr || !Write(forward, backward, written)) continue;
      traced_.adjoints.emplace(of, written);
      if (gradient_.ambiguous.contains(value)) traced_.ambiguous.insert(of);
    }
    for (const GradientRecord::Part& part : record.parts) Part(part, holder, forward, backward);
    for (const GradientRecord::Body& body : record.bodies) {
      const auto here = forward.loops.find(body.forward);
      const auto there = backward.loops.find(body.backward);
      if (here == forward.loops.end() || there == backward.loops.end()) continue;
      const auto &steps = here->second->steps, &reverse = there->second->steps;
      for (size_t i = 0; i < std::min(steps.size(), reverse.size()); ++i)
        Record(body.record, body.forward, steps[i], reverse[i]);
    }
  }

  static const Value* At(const TracedStep& step, const Value* value) {
    const auto found = step.values.find(value);
    return found == step.values.end() ? nullptr : found->second;
  }

 private:
  static bool Write(const TracedStep& forward, const TracedStep& backward, WrittenAdjoint& adjoint) {
    if (adjoint.value == nullptr) return true;
    const Value* there = At(backward, adjoint.value);
    adjoint.value = there != nullptr ? there : At(forward, adjoint.value);
    return adjoint.value != nullptr;
  }

  void Part(const GradientRecord::Part& part, const Statement* holder, const TracedStep& forward,
            const TracedStep& backward) {
    WrittenAdjoint contribution = part.contribution;
    const bool gone = !Write(forward, backward, contribution) || part.gone;
    if (gone) contribution = {};
    if (part.user == nullptr) {
      const ir::Region& region = *holder->region;
      const size_t yield = part.operand >= 0 ? static_cast<size_t>(part.operand)
                                             : region.yields.size() - ir::ScanView(*holder).carries +
                                                   static_cast<size_t>(-1 - part.operand);
      const Statement* out = forward.yields[yield];
      return Add(At(forward, region.yields[yield]), out, {out}, contribution, gone);
    }
    const Value* value = At(forward, part.user->operands[static_cast<size_t>(part.operand)]);
    if (value == nullptr) return;
    if (const auto loop = forward.loops.find(part.user); loop != forward.loops.end()) {
      absl::flat_hash_set<const Statement*> through = {loop->second->last};
      for (size_t i = 0; i < part.user->operands.size(); ++i) {
        if (part.user->operands[i] != part.user->operands[static_cast<size_t>(part.operand)]) continue;
        through.insert(loop->second->entries[i].begin(), loop->second->entries[i].end());
      }
      return Add(value, loop->second->last, std::move(through), contribution, gone);
    }
    const Value* result = At(forward, part.user->result());
    if (result != nullptr) Add(value, result->definition, {result->definition}, contribution, gone);
  }

  void Add(const Value* value, const Statement* user, absl::flat_hash_set<const Statement*> through,
           const WrittenAdjoint& contribution, bool gone) {
    auto& parts = traced_.parts[value];
    auto at = std::find_if(parts.begin(), parts.end(), [&](const auto& p) { return p.user == user; });
    if (at == parts.end()) at = parts.insert(parts.end(), {user, std::move(through), {}, false});
    at->contributions.push_back(contribution);
    at->gone = at->gone || gone;
  }

  const WrittenGradient& gradient_;
  GradientClaims& traced_;
};

}  // namespace

GradientClaims InTrace(const WrittenGradient& gradient, const Trace& trace) {
  GradientClaims traced;
  traced.note = gradient.note;
  traced.printed = gradient.printed;
  for (const Value* scalar : gradient.scalars) traced.scalars.push_back(Translation::At(trace.top, scalar));
  for (const Value* by : gradient.by) traced.by.push_back(Translation::At(trace.top, by));
  for (WrittenAdjoint result : gradient.gradients) {
    if (result.value != nullptr) result.value = Translation::At(trace.top, result.value);
    traced.gradients.push_back(result);
  }
  Translation(gradient, traced).Record(gradient.record, nullptr, trace.top, trace.top);
  return traced;
}

}  // namespace gradus::runtime
