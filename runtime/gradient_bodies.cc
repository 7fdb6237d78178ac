#include "runtime/gradient_bodies.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "ir/control.h"

namespace gradus::runtime {

using ir::Op;
using ir::Statement;
using ir::Value;
using passes::GradientRecord;
using passes::WrittenAdjoint;

int64_t SplitAdjointName(absl::string_view name, absl::string_view& of) {
  if (name.empty() || name[0] != 'd') return 0;
  const size_t dot = name.find('.');
  if (dot == absl::string_view::npos || dot + 1 == name.size()) return 0;
  of = name.substr(dot + 1);
  if (dot == 1) return 1;
  int64_t number = 0;
  return absl::SimpleAtoi(name.substr(1, dot - 1), &number) && number > 1 ? number : 0;
}

bool BroadcastsTo(const ir::Shape& from, const ir::Shape& to) {
  if (from.size() > to.size()) return false;
  for (size_t i = 0; i < from.size(); ++i) {
    const int64_t extent = from[from.size() - 1 - i];
    if (extent != 1 && extent != to[to.size() - 1 - i]) return false;
  }
  return true;
}

namespace {

bool IsPrimed(absl::string_view name) { return absl::StrContains(name, '\''); }

// The place of what computes a value in a region; -1: it is a parameter of it.
int PlaceIn(const ir::Region& region, const Value& value) {
  for (size_t i = 0; i < region.statements.size(); ++i) {
    if (region.statements[i].get() == value.definition) return static_cast<int>(i);
  }
  return -1;
}

GradientRecord ReadBody(const Statement& forward, const Statement& backward, int64_t number,
                        absl::flat_hash_set<const Value*>& ambiguous) {
  const ir::Region &body = *forward.region, &back = *backward.region;
  absl::flat_hash_map<std::string, const Value*> named;
  for (const auto& parameter : body.parameters) named.emplace(parameter->name, parameter.get());
  for (const auto& s : body.statements) {
    for (const auto& result : s->results) {
      if (!result->name.empty()) named.emplace(result->name, result.get());
    }
  }
  const auto adjoint_of = [&](const Value& value) -> const Value* {
    absl::string_view of;
    if (SplitAdjointName(value.name, of) != number) return nullptr;
    const auto found = named.find(std::string(of));
    if (found == named.end() || !ir::IsFloat(found->second->type.element) || !ir::IsFloat(value.type.element) ||
        !BroadcastsTo(value.type.shape, found->second->type.shape))
      return nullptr;
    return found->second;
  };
  GradientRecord record;
  for (const auto& s : back.statements) {
    for (const auto& result : s->results) {
      const Value* value = adjoint_of(*result);
      if (value == nullptr) continue;
      const auto from = named.find(s->note.of);
      const bool own = from != named.end() && from->second == value;
      if (from != named.end() && !own && PlaceIn(body, *value) >= PlaceIn(body, *from->second)) continue;
      record.adjoints.emplace(value, WrittenAdjoint{result.get(), 0});
      // The adjoint of what is yielded comes in, and is written of the value itself.
      const bool yielded = absl::c_linear_search(body.yields, value);
      if (IsPrimed(value->name) || (own && !yielded && s->op != Op::kBroadcast)) ambiguous.insert(value);
    }
  }
  if (forward.op == Op::kScan) {
    const ir::ScanView scan(forward), reverse(backward);
    for (size_t i = 0; i < reverse.carries; ++i) {
      const Value* value = adjoint_of(*back.parameters[reverse.sequences + i]);
      if (value == nullptr || value->definition != nullptr) continue;
      const auto parameter = static_cast<size_t>(value->index);
      if (parameter >= scan.sequences && parameter < scan.sequences + scan.carries)
        record.adjoints[value] = {back.yields[reverse.stacked + i], 0};
    }
  }
  record.bodies = ReadBodies(body, back, number, ambiguous);
  return record;
}

}  // namespace

std::vector<GradientRecord::Body> ReadBodies(const ir::Region& forward, const ir::Region& backward, int64_t number,
                                             absl::flat_hash_set<const Value*>& ambiguous) {
  std::vector<GradientRecord::Body> bodies;
  for (const auto& back : backward.statements) {
    if ((back->op != Op::kScan && back->op != Op::kBranch) || back->note.of.empty()) continue;
    absl::string_view of;
    if (std::none_of(back->results.begin(), back->results.end(),
                     [&](const auto& result) { return SplitAdjointName(result->name, of) == number; }))
      continue;
    for (const auto& s : forward.statements) {
      if (s.get() == back.get()) break;
      if (s->op != back->op || std::none_of(s->results.begin(), s->results.end(),
                                            [&](const auto& result) { return result->name == back->note.of; }))
        continue;
      bodies.push_back({s.get(), back.get(), ReadBody(*s, *back, number, ambiguous)});
      break;
    }
  }
  return bodies;
}

}  // namespace gradus::runtime
