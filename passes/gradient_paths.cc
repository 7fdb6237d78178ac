#include "passes/gradient_paths.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "ir/error.h"
#include "passes/gradient_rules.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

bool Carries(const Statement& s, int operand) {
  if (s.op == Op::kGrad) return true;
  return CarriesGradient(s, operand);
}

absl::Span<const std::unique_ptr<Statement>> Before(const ir::Region& body, const Statement& grad) {
  const auto end = std::find_if(body.statements.begin(), body.statements.end(),
                                [&](const std::unique_ptr<Statement>& s) { return s.get() == &grad; });
  return absl::MakeConstSpan(body.statements).first(static_cast<size_t>(end - body.statements.begin()));
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
  if (s.op == Op::kFused) return absl::StrCat("a fused region", where, " has none");
  if (!s.results.empty() && !ir::IsFloat(s.result()->type.element)) {
    return absl::StrCat(ir::Info(s.op).mnemonic, where, " gives ", ir::ToString(s.result()->type));
  }
  return absl::StrCat("the derivative of ", ir::Info(s.op).mnemonic, where, " is 0 wherever it exists");
}

// The statements that cut every path from `start` to `scalar`, in text order.
std::vector<const Statement*> Cuts(absl::Span<const std::unique_ptr<Statement>> statements, const Value* start,
                                   const Value* scalar) {
  absl::flat_hash_set<const Value*> carried = {start}, reaches = {scalar};
  for (auto it = statements.rbegin(); it != statements.rend(); ++it) {
    const bool reached = std::any_of((*it)->results.begin(), (*it)->results.end(),
                                     [&](const auto& result) { return reaches.contains(result.get()); });
    if (reached) reaches.insert((*it)->operands.begin(), (*it)->operands.end());
  }
  std::vector<const Statement*> cuts;
  for (const auto& s : statements) {
    bool through = false, cut = false;
    for (size_t i = 0; i < s->operands.size(); ++i) {
      if (!carried.contains(s->operands[i])) continue;
      (Carries(*s, static_cast<int>(i)) ? through : cut) = true;
    }
    for (const auto& result : s->results) {
      if (!reaches.contains(result.get())) continue;
      if (through) {
        carried.insert(result.get());
      } else if (cut) {
        cuts.push_back(s.get());
      }
    }
  }
  return cuts;
}

}  // namespace

bool GradientPaths::Flows(const Statement& s, int operand) const {
  return active.contains(s.operands[operand]) && Carries(s, operand);
}

GradientPaths FindGradientPaths(const ir::Region& body, const Statement& grad) {
  const auto statements = Before(body, grad);
  absl::flat_hash_set<const Value*> dependent(grad.operands.begin() + 1, grad.operands.end());
  for (const auto& s : statements) {
    for (size_t i = 0; i < s->operands.size(); ++i) {
      if (!dependent.contains(s->operands[i]) || !Carries(*s, static_cast<int>(i))) continue;
      for (const auto& result : s->results) dependent.insert(result.get());
      break;
    }
  }
  GradientPaths paths;
  if (!dependent.contains(grad.operands[0])) return paths;
  paths.active.insert(grad.operands[0]);
  for (auto it = statements.rbegin(); it != statements.rend(); ++it) {
    const Statement& s = **it;
    const bool on_path = std::any_of(s.results.begin(), s.results.end(),
                                     [&](const auto& result) { return paths.active.contains(result.get()); });
    if (!on_path) continue;
    for (size_t i = 0; i < s.operands.size(); ++i) {
      if (!dependent.contains(s.operands[i]) || !Carries(s, static_cast<int>(i))) continue;
      paths.active.insert(s.operands[i]);
      ++paths.pending[s.operands[i]];
    }
  }
  return paths;
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
    const auto cuts = Cuts(Before(body, grad), &value, &scalar);
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
