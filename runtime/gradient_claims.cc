#include "runtime/gradient_claims.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/error.h"
#include "passes/backprop.h"
#include "runtime/gradient_bodies.h"

namespace gradus::runtime {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;
using passes::WrittenAdjoint;

WrittenGradient FromRecord(passes::FilledGradient filled) {
  WrittenGradient gradient;
  gradient.number = filled.number;
  gradient.scalars = {filled.scalar};
  gradient.note = std::move(filled.note);
  gradient.by = std::move(filled.by);
  for (const Value* result : filled.record.results) gradient.gradients.push_back({result, 0});
  gradient.record = std::move(filled.record);
  return gradient;
}

// Whether `later` is computed from the value.
bool IsBefore(const GraphOrder& order, const Value* value, const Value* later) {
  const std::vector<const Statement*> before = order.Before({&later, 1});
  return std::find(before.begin(), before.end(), value->definition) != before.end();
}

}  // namespace

absl::StatusOr<std::vector<WrittenGradient>> DifferentiateAndRecord(ir::Graph& graph) {
  ASSIGN_OR_RETURN(std::vector<passes::FilledGradient> filled, passes::FillAndRecord(graph));
  std::vector<WrittenGradient> all;
  for (passes::FilledGradient& one : filled) all.push_back(FromRecord(std::move(one)));
  return all;
}

absl::StatusOr<std::vector<WrittenGradient>> ReadClaims(const ir::Graph& graph, const GraphOrder& order) {
  absl::flat_hash_map<std::string, const Value*> named;
  for (const auto& s : graph.body.statements) {
    for (const auto& result : s->results) {
      if (!result->name.empty()) named.emplace(result->name, result.get());
      if (s->results.size() > 1) continue;
      for (const std::string& alias : s->note.aliases) named.emplace(alias, result.get());
    }
  }
  std::vector<WrittenGradient> all;
  for (const Statement* s : order.statements()) {
    for (const auto& result : s->results) {
      std::vector<std::string> names = s->note.aliases;
      names.insert(names.begin(), result->name);
      for (const std::string& name : names) {
        absl::string_view of;
        const int64_t number = SplitAdjointName(name, of);
        const auto found = named.find(std::string(of));
        if (number == 0 || found == named.end()) continue;
        const Value* value = found->second;
        if (!ir::IsFloat(value->type.element) || !ir::IsFloat(result->type.element) ||
            !BroadcastsTo(result->type.shape, value->type.shape))
          continue;
        // Those of the results of a loop come from elsewhere.
        const auto from = named.find(s->note.of);
        if (s->region != nullptr && from != named.end() && from->second->definition == value->definition) continue;
        // An adjoint comes from a statement after its value. What a rule computes on the way is called likewise, after
        // the statement itself.
        const bool own = from != named.end() && from->second == value;
        if (from != named.end() && !own && !IsBefore(order, value, from->second)) continue;
        const auto at = std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.number == number; });
        WrittenGradient& gradient = at != all.end() ? *at : all.emplace_back();
        gradient.number = number;
        gradient.printed = true;
        // A later, primed version has the whole shape.
        gradient.record.adjoints.emplace(value, WrittenAdjoint{result.get(), 0});
        if (absl::StrContains(of, '\'') || (own && s->op != Op::kBroadcast)) gradient.ambiguous.insert(value);
      }
    }
  }
  if (all.empty())
    return ir::ErrorStatus(ir::ErrorKind::kNothingToProve, graph.name,
                           " has no gradient: neither a `grad` statement nor an adjoint such as d.w");
  for (WrittenGradient& gradient : all) {
    gradient.record.bodies = ReadBodies(graph.body, graph.body, gradient.number, gradient.ambiguous);
    for (const Statement* s : order.statements()) {
      for (const auto& result : s->results) {
        const auto found = gradient.record.adjoints.find(result.get());
        if (found == gradient.record.adjoints.end() || (s->op != Op::kParam && s->op != Op::kInput)) continue;
        gradient.by.push_back(result.get());
        gradient.gradients.push_back(found->second);
      }
    }
    // A scalar that everything with an adjoint leads to, the nearest first.
    for (const Statement* s : order.statements()) {
      if (s->results.size() != 1 || s->result()->name.empty() || ir::IsDeclaration(s->op)) continue;
      const Value* scalar = s->result();
      if (scalar->type.rank() != 0 || !ir::IsFloat(scalar->type.element)) continue;
      const std::vector<const Statement*> before = order.Before({&scalar, 1});
      const absl::flat_hash_set<const Statement*> leads(before.begin(), before.end());
      const bool all_lead = std::all_of(gradient.record.adjoints.begin(), gradient.record.adjoints.end(),
                                        [&](const auto& entry) { return leads.contains(entry.first->definition); });
      absl::string_view of;
      const bool helps = SplitAdjointName(scalar->name, of) == gradient.number;  // with an adjoint, or is one
      const bool is_adjoint = std::any_of(gradient.record.adjoints.begin(), gradient.record.adjoints.end(),
                                          [&](const auto& entry) { return entry.second.value == scalar; });
      if (all_lead && !is_adjoint && !helps) gradient.scalars.push_back(scalar);
    }
    if (gradient.scalars.empty())
      return ir::ErrorStatus(ir::ErrorKind::kNothingToProve, graph.name,
                             ": no scalar depends on everything that gradient ", gradient.number, " is by");
  }
  return all;
}

namespace {

// `parent` is what the sum around the value is of.
void AddTerms(const GradientClaims& claims, const Value* value, const Value* adjoint, const std::string& parent,
              double sign, std::vector<Term>& terms) {
  const Statement& s = *value->definition;
  const bool contribution = absl::StartsWith(value->name, absl::StrCat(adjoint->name, "'"));
  const bool part = value == adjoint || value->name.empty() || contribution;
  if (part && (s.op == Op::kAdd || s.op == Op::kSub) && s.operands[0]->definition != nullptr &&
      s.operands[1]->definition != nullptr) {
    AddTerms(claims, s.operands[0], adjoint, s.note.of, sign, terms);
    AddTerms(claims, s.operands[1], adjoint, s.note.of, s.op == Op::kAdd ? sign : -sign, terms);
    return;
  }
  Term term{{value, 0}, sign, {}};
  // The very adjoint of something else comes from that.
  for (const auto& [of, written] : claims.adjoints) {
    if (value != adjoint && written.value == value) term.of.push_back(of->name);
  }
  if (part || !term.of.empty()) {
    term.of.push_back(s.note.of);
  } else {
    term.of.push_back(parent);
  }
  terms.push_back(std::move(term));
}

}  // namespace

std::vector<Term> TermsOf(const GradientClaims& claims, const Value* adjoint) {
  std::vector<Term> terms;
  AddTerms(claims, adjoint, adjoint, adjoint->definition->note.of, 1, terms);
  return terms;
}

}  // namespace gradus::runtime
