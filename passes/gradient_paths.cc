#include "passes/gradient_paths.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "ir/control.h"
#include "ir/error.h"
#include "passes/gradient_rules.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

bool HasPaths(const Statement& s) { return s.op == Op::kScan || s.op == Op::kBranch; }

bool Carries(const Statement& s, int operand) {
  if (s.op == Op::kGrad) return true;
  return CarriesGradient(s, operand);
}

using ValueSet = absl::flat_hash_set<const Value*>;

std::vector<bool> MarkOperands(const Statement& s, const ValueSet& values) {
  std::vector<bool> marks;
  for (const Value* operand : s.operands) marks.push_back(values.contains(operand));
  return marks;
}

std::vector<bool> MarkResults(const Statement& s, const ValueSet& values) {
  std::vector<bool> marks;
  for (const auto& result : s.results) marks.push_back(values.contains(result.get()));
  return marks;
}

// Adds to `dependent` what depends on it through values that carry a gradient.
void Spread(StatementSpan statements, ValueSet& dependent);

// The parameter and the yield of carry number i of a scan.
struct Carry {
  const Value* parameter;
  const Value* next;
};
std::vector<Carry> CarriesOf(const Statement& s) {
  std::vector<Carry> carries;
  if (s.op != Op::kScan) return carries;
  const ir::ScanView scan(s);
  for (size_t i = 0; i < scan.carries; ++i) {
    carries.push_back({s.region->parameters[scan.sequences + i].get(), s.region->yields[scan.stacked + i]});
  }
  return carries;
}

// What depends on the marked operands inside of a scan or a branch.
ValueSet SpreadInside(const Statement& s, const std::vector<bool>& operands) {
  ValueSet inside;
  for (size_t i = 0; i < s.operands.size(); ++i) {
    const Value* parameter = ir::ParameterOf(s, i);
    if (operands[i] && parameter != nullptr && ir::IsFloat(parameter->type.element)) inside.insert(parameter);
  }
  for (bool more = true; more;) {
    Spread(s.region->statements, inside);
    more = false;
    for (const Carry& carry : CarriesOf(s)) {
      more |= inside.contains(carry.next) && inside.insert(carry.parameter).second;
    }
  }
  return inside;
}

// Which results depend on the values in the set.
std::vector<bool> ResultsReached(const Statement& s, const ValueSet& dependent) {
  std::vector<bool> reached(s.results.size(), false);
  const std::vector<bool> operands = MarkOperands(s, dependent);
  if (std::none_of(operands.begin(), operands.end(), [](bool mark) { return mark; })) return reached;
  if (HasPaths(s)) {
    const ValueSet inside = SpreadInside(s, operands);
    for (size_t i = 0; i < reached.size(); ++i) reached[i] = inside.contains(s.region->yields[i]);
    return reached;
  }
  for (size_t i = 0; i < s.operands.size(); ++i) {
    if (operands[i] && Carries(s, static_cast<int>(i))) return std::vector<bool>(s.results.size(), true);
  }
  return reached;
}

void Spread(StatementSpan statements, ValueSet& dependent) {
  for (const auto& s : statements) {
    const std::vector<bool> reached = ResultsReached(*s, dependent);
    for (size_t i = 0; i < reached.size(); ++i) {
      if (reached[i]) dependent.insert(s->results[i].get());
    }
  }
}

std::string Position(const ir::Note& note) {
  if (note.line == 0) return "";
  return absl::StrCat(note.file, note.file.empty() ? "" : ":", note.line, ":", note.column);
}

std::string InParentheses(const std::string& position) {
  return position.empty() ? "" : absl::StrCat(" (", position, ")");
}

std::string NameOf(const Value& value) { return value.name.empty() ? "an unnamed value" : value.name; }

// Why a statement that depends on the operand passes no gradient to it.
std::string WhyNot(const Statement& s) {
  const std::string where = InParentheses(Position(s.note));
  if (s.op == Op::kStopGradient) return absl::StrCat("stop_gradient", where, " ends it");
  if (s.op == Op::kCustomVjp) return absl::StrCat("the vjp", where, " gives it none");
  if (s.op == Op::kWhile) {
    return absl::StrCat(
        "while", where,
        " has no gradient, because it keeps nothing of its steps; a scan of a fixed number of steps has one");
  }
  if (s.op == Op::kScan || s.op == Op::kBranch) {
    return absl::StrCat("nothing in the ", s.op == Op::kScan ? "scan" : "cond", where, " passes one on");
  }
  if (s.op == Op::kFused) return absl::StrCat("a fused region", where, " has none");
  if (!s.results.empty() && !ir::IsFloat(s.result()->type.element)) {
    return absl::StrCat(ir::Info(s.op).mnemonic, where, " gives ", ir::ToString(s.result()->type));
  }
  return absl::StrCat("the derivative of ", ir::Info(s.op).mnemonic, where, " is 0 wherever it exists");
}

// The statements that cut every path from `start` to `scalar`, in text order.
std::vector<const Statement*> Cuts(StatementSpan statements, const Value* start, const Value* scalar) {
  absl::flat_hash_set<const Value*> carried = {start}, reaches = {scalar};
  for (auto it = statements.rbegin(); it != statements.rend(); ++it) {
    const bool reached = std::any_of((*it)->results.begin(), (*it)->results.end(),
                                     [&](const auto& result) { return reaches.contains(result.get()); });
    if (reached) reaches.insert((*it)->operands.begin(), (*it)->operands.end());
  }
  std::vector<const Statement*> cuts;
  for (const auto& s : statements) {
    const std::vector<bool> through = ResultsReached(*s, carried);
    const bool meets = std::any_of(s->operands.begin(), s->operands.end(),
                                   [&](const Value* operand) { return carried.contains(operand); });
    for (size_t i = 0; i < s->results.size(); ++i) {
      const Value* result = s->results[i].get();
      if (!reaches.contains(result)) continue;
      if (through[i]) {
        carried.insert(result);
      } else if (meets && (cuts.empty() || cuts.back() != s.get())) {
        cuts.push_back(s.get());
      }
    }
  }
  return cuts;
}

}  // namespace

StatementSpan StatementsBefore(const ir::Region& body, const Statement& end) {
  const auto at = std::find_if(body.statements.begin(), body.statements.end(),
                               [&](const std::unique_ptr<Statement>& s) { return s.get() == &end; });
  return absl::MakeConstSpan(body.statements).first(static_cast<size_t>(at - body.statements.begin()));
}

bool GradientPaths::Flows(const Statement& s, int operand) const {
  if (!active.contains(s.operands[operand])) return false;
  if (!HasPaths(s)) return Carries(s, operand);
  const auto found = through.find(&s);
  return found != through.end() && found->second[operand];
}

std::vector<bool> ActiveParameters(const Statement& s, const std::vector<bool>& operands,
                                   const std::vector<bool>& results) {
  const ValueSet dependent = SpreadInside(s, operands);
  std::vector<const Value*> sources, roots;
  for (const auto& parameter : s.region->parameters) {
    if (dependent.contains(parameter.get())) sources.push_back(parameter.get());
  }
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i]) roots.push_back(s.region->yields[i]);
  }
  GradientPaths paths;
  for (bool more = true; more;) {
    paths = FindGradientPaths(s.region->statements, sources, roots);
    more = false;
    for (const Carry& carry : CarriesOf(s)) {
      const bool root = std::find(roots.begin(), roots.end(), carry.next) != roots.end();
      if (root || !paths.active.contains(carry.parameter)) continue;
      roots.push_back(carry.next);
      more = true;
    }
  }
  std::vector<bool> active;
  for (const auto& parameter : s.region->parameters) active.push_back(paths.active.contains(parameter.get()));
  return active;
}

GradientPaths FindGradientPaths(StatementSpan statements, absl::Span<const Value* const> sources,
                                absl::Span<const Value* const> roots) {
  GradientPaths paths;
  paths.dependent.insert(sources.begin(), sources.end());
  Spread(statements, paths.dependent);
  for (const Value* root : roots) {
    if (paths.dependent.contains(root)) paths.active.insert(root);
  }
  if (paths.active.empty()) return paths;
  for (auto it = statements.rbegin(); it != statements.rend(); ++it) {
    const Statement& s = **it;
    const std::vector<bool> results = MarkResults(s, paths.active);
    if (std::none_of(results.begin(), results.end(), [](bool mark) { return mark; })) continue;
    std::vector<bool> flows(s.operands.size(), false);
    if (HasPaths(s)) {
      const std::vector<bool> parameters = ActiveParameters(s, MarkOperands(s, paths.dependent), results);
      for (size_t i = 0; i < s.operands.size(); ++i) {
        const Value* parameter = ir::ParameterOf(s, i);
        flows[i] = parameter != nullptr && parameters[static_cast<size_t>(parameter->index)] &&
                   paths.dependent.contains(s.operands[i]);
      }
      paths.through[&s] = flows;
    } else {
      for (size_t i = 0; i < s.operands.size(); ++i) {
        flows[i] = paths.dependent.contains(s.operands[i]) && Carries(s, static_cast<int>(i));
      }
    }
    for (size_t i = 0; i < s.operands.size(); ++i) {
      if (!flows[i]) continue;
      paths.active.insert(s.operands[i]);
      ++paths.pending[s.operands[i]];
    }
  }
  return paths;
}

GradientPaths FindGradientPaths(const ir::Region& body, const Statement& grad) {
  const std::vector<const Value*> sources(grad.operands.begin() + 1, grad.operands.end());
  const Value* scalar = grad.operands[0];
  return FindGradientPaths(StatementsBefore(body, grad), sources, {scalar});
}

std::vector<std::string> GradientObstacles(const ir::Region& body, const Statement& grad) {
  const Value& scalar = *grad.operands[0];
  std::string at = Position(grad.note);
  if (!at.empty()) at += ": ";
  if (scalar.type.rank() != 0 || !ir::IsFloat(scalar.type.element)) {
    return {ir::WithKind(ir::ErrorKind::kGradOfNonScalar,
                         absl::StrCat(at, "error: a gradient is of a floating-point scalar, but ", NameOf(scalar),
                                      " is ", ir::ToString(scalar.type)))};
  }
  const GradientPaths paths = FindGradientPaths(body, grad);
  std::vector<std::string> obstacles;
  for (size_t i = 1; i < grad.operands.size(); ++i) {
    const Value& value = *grad.operands[i];
    if (paths.active.contains(&value)) continue;
    if (!ir::IsFloat(value.type.element)) {
      obstacles.push_back(ir::WithKind(
          ir::ErrorKind::kGradByInteger,
          absl::StrCat(at, "error: there is no gradient by ", NameOf(value), ", which is ", ir::ToString(value.type))));
      continue;
    }
    const auto cuts = Cuts(StatementsBefore(body, grad), &value, &scalar);
    if (cuts.empty()) {
      obstacles.push_back(ir::WithKind(ir::ErrorKind::kNoGradientPath,
                                       absl::StrCat(at, "error: no gradient of ", NameOf(scalar), " by ", NameOf(value),
                                                    ": ", NameOf(scalar), " does not depend on ", NameOf(value))));
      continue;
    }
    obstacles.push_back(ir::WithKind(
        ir::ErrorKind::kNoGradientPath,
        absl::StrCat(at, "error: no gradient of ", NameOf(scalar), " by ", NameOf(value), ": ",
                     absl::StrJoin(cuts, ", ",
                                   [](std::string* out, const Statement* s) { absl::StrAppend(out, WhyNot(*s)); }))));
  }
  return obstacles;
}

}  // namespace gradus::passes
