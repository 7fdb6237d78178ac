#include "runtime/gradient_claims.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/error.h"
#include "passes/backprop.h"

namespace gradus::runtime {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;
using passes::WrittenAdjoint;

GradientClaims FromRecord(passes::FilledGradient filled) {
  GradientClaims claims;
  claims.number = filled.number;
  claims.scalars = {filled.scalar};
  claims.note = std::move(filled.note);
  claims.by = std::move(filled.by);
  for (const Value* result : filled.record.results) claims.gradients.push_back({result, 0});
  claims.adjoints = std::move(filled.record.adjoints);
  for (const passes::GradientRecord::Part& part : filled.record.parts) {
    auto& parts = claims.parts[part.user->operands[part.operand]];
    auto at = std::find_if(parts.begin(), parts.end(), [&](const auto& p) { return p.user == part.user; });
    if (at == parts.end()) at = parts.insert(parts.end(), {part.user, {}, false});
    at->contributions.push_back(part.contribution);
    at->gone = at->gone || part.gone;
  }
  return claims;
}

// The number of the gradient that `d.h` or `d2.h` belongs to, and `h`; 0: it is none.
int64_t SplitAdjointName(absl::string_view name, absl::string_view& of) {
  if (name.empty() || name[0] != 'd') return 0;
  const size_t dot = name.find('.');
  if (dot == absl::string_view::npos || dot + 1 == name.size()) return 0;
  of = name.substr(dot + 1);
  if (dot == 1) return 1;
  int64_t number = 0;
  return absl::SimpleAtoi(name.substr(1, dot - 1), &number) && number > 1 ? number : 0;
}

// Whether `later` is computed from the value.
bool IsBefore(const GraphOrder& order, const Value* value, const Value* later) {
  const std::vector<const Statement*> before = order.Before({&later, 1});
  return std::find(before.begin(), before.end(), value->definition) != before.end();
}

bool BroadcastsTo(const ir::Shape& from, const ir::Shape& to) {
  if (from.size() > to.size()) return false;
  for (size_t i = 0; i < from.size(); ++i) {
    const int64_t extent = from[from.size() - 1 - i];
    if (extent != 1 && extent != to[to.size() - 1 - i]) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<std::vector<GradientClaims>> DifferentiateAndRecord(ir::Graph& graph) {
  ASSIGN_OR_RETURN(std::vector<passes::FilledGradient> filled, passes::FillAndRecord(graph));
  std::vector<GradientClaims> all;
  for (passes::FilledGradient& one : filled) all.push_back(FromRecord(std::move(one)));
  return all;
}

absl::StatusOr<std::vector<GradientClaims>> ReadClaims(const ir::Graph& graph, const GraphOrder& order) {
  absl::flat_hash_map<std::string, const Value*> named;
  for (const auto& s : graph.body.statements) {
    for (const auto& result : s->results) {
      if (!result->name.empty()) named.emplace(result->name, result.get());
      if (s->results.size() > 1) continue;
      for (const std::string& alias : s->note.aliases) named.emplace(alias, result.get());
    }
  }
  std::vector<GradientClaims> all;
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
        // An adjoint comes from a statement after its value. What a rule computes on the way is called likewise, after
        // the statement itself.
        const auto from = named.find(s->note.of);
        const bool own = from != named.end() && from->second == value;
        if (from != named.end() && !own && !IsBefore(order, value, from->second)) continue;
        const auto at = std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.number == number; });
        GradientClaims& claims = at != all.end() ? *at : all.emplace_back();
        claims.number = number;
        claims.printed = true;
        // A later, primed version has the whole shape.
        claims.adjoints.emplace(value, WrittenAdjoint{result.get(), 0});
        if (absl::StrContains(of, '\'') || (own && s->op != Op::kBroadcast)) claims.ambiguous.insert(value);
      }
    }
  }
  if (all.empty())
    return ir::ErrorStatus(ir::ErrorKind::kNothingToProve, graph.name,
                           " has no gradient: neither a `grad` statement nor an adjoint such as d.w");
  for (GradientClaims& claims : all) {
    for (const Statement* s : order.statements()) {
      for (const auto& result : s->results) {
        const auto found = claims.adjoints.find(result.get());
        if (found == claims.adjoints.end() || (s->op != Op::kParam && s->op != Op::kInput)) continue;
        claims.by.push_back(result.get());
        claims.gradients.push_back(found->second);
      }
    }
    // A scalar that everything with an adjoint leads to, the nearest first.
    for (const Statement* s : order.statements()) {
      if (s->results.size() != 1 || s->result()->name.empty() || ir::IsDeclaration(s->op)) continue;
      const Value* scalar = s->result();
      if (scalar->type.rank() != 0 || !ir::IsFloat(scalar->type.element)) continue;
      const std::vector<const Statement*> before = order.Before({&scalar, 1});
      const absl::flat_hash_set<const Statement*> leads(before.begin(), before.end());
      const bool all_lead = std::all_of(claims.adjoints.begin(), claims.adjoints.end(),
                                        [&](const auto& entry) { return leads.contains(entry.first->definition); });
      const bool is_adjoint = std::any_of(claims.adjoints.begin(), claims.adjoints.end(),
                                          [&](const auto& entry) { return entry.second.value == scalar; });
      if (all_lead && !is_adjoint) claims.scalars.push_back(scalar);
    }
    if (claims.scalars.empty())
      return ir::ErrorStatus(ir::ErrorKind::kNothingToProve, graph.name,
                             ": no scalar depends on everything that gradient ", claims.number, " is by");
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
