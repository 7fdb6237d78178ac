#include "passes/backprop.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/error.h"
#include "passes/differentiate.h"
#include "passes/gradient_paths.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

// Every gradient of a gradient multiplies the statements: what is above this was hardly meant.
constexpr size_t kMaxAddedStatements = 200'000;

Statement* FirstGrad(const ir::Graph& graph) {
  for (const auto& s : graph.body.statements) {
    if (s->op == Op::kGrad) return s.get();
  }
  return nullptr;
}

absl::Status Report(const std::vector<std::string>& obstacles) {
  if (obstacles.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(obstacles, "\n"));
}

// As GradientObstacles has it: `file:line:column: `.
std::string Place(const ir::Note& note) {
  if (note.line == 0) return "";
  return absl::StrCat(note.file, note.file.empty() ? "" : ":", note.line, ":", note.column, ": ");
}

// The name of a marker goes to the value in its place.
void PassName(const Value& marker, Value& value) {
  if (marker.name.empty() || value.definition->op == Op::kConstant) return;
  if (value.name.empty()) {
    value.name = marker.name;
    return;
  }
  value.definition->note.aliases.push_back(marker.name);
}

bool EraseMarkers(ir::Graph& graph) {
  ir::ValueMap replaced;
  for (const auto& s : graph.body.statements) {
    if (s->op != Op::kCustomVjp && s->op != Op::kStopGradient) continue;
    Value* value = s->operands[0];
    const auto found = replaced.find(value);
    if (found != replaced.end()) value = found->second;
    replaced[s->result()] = value;
    PassName(*s->result(), *value);
  }
  if (replaced.empty()) return false;
  ir::ReplaceUses(graph, replaced);
  return ir::EraseIf(graph.body,
                     [](const Statement& s) { return s.op == Op::kCustomVjp || s.op == Op::kStopGradient; });
}

}  // namespace

namespace {

// Fills every `grad`, with a record of each where `records` is given; whether there was any.
absl::StatusOr<bool> Fill(ir::Graph& graph, std::vector<FilledGradient>* records) {
  std::vector<std::string> obstacles;
  for (const auto& s : graph.body.statements) {
    if (s->op != Op::kGrad) continue;
    const std::vector<std::string> more = GradientObstacles(graph.body, *s);
    obstacles.insert(obstacles.end(), more.begin(), more.end());
  }
  RETURN_IF_ERROR(Report(obstacles));
  bool changed = false;
  const size_t before = graph.body.statements.size();
  while (Statement* grad = FirstGrad(graph)) {
    // Through the statements of an earlier gradient there may be less of a path than through the gradient itself.
    RETURN_IF_ERROR(Report(GradientObstacles(graph.body, *grad)));
    const std::string what = absl::StrCat(Place(grad->note), "error: the gradients up to that of ",
                                          grad->operands[0]->name, " add more than ", kMaxAddedStatements,
                                          " statements (gradient limit); each gradient of a gradient multiplies them");
    const size_t added = std::max(graph.body.statements.size(), before) - before;
    FilledGradient filled{grad->Int("number"), grad->operands[0], {}, grad->note, {}};
    filled.by.assign(grad->operands.begin() + 1, grad->operands.end());
    GradientRecord* record = records == nullptr ? nullptr : &filled.record;
    if (added > kMaxAddedStatements || !Differentiate(graph, *grad, kMaxAddedStatements - added, record).ok()) {
      return ir::ErrorStatus(absl::StatusCode::kResourceExhausted, ir::ErrorKind::kGradientLimit, what);
    }
    if (records != nullptr) records->push_back(std::move(filled));
    changed = true;
    if (FirstGrad(graph) != nullptr) ir::NameUnnamed(graph);  // a later gradient speaks of adjoints by name
  }
  return changed;
}

}  // namespace

absl::StatusOr<bool> Backprop(ir::Graph& graph) {
  ASSIGN_OR_RETURN(const bool changed, Fill(graph, nullptr));
  return EraseMarkers(graph) || changed;
}

absl::StatusOr<std::vector<FilledGradient>> FillAndRecord(ir::Graph& graph) {
  std::vector<FilledGradient> records;
  RETURN_IF_ERROR(Fill(graph, &records).status());
  ir::NameUnnamed(graph);
  return records;
}

}  // namespace gradus::passes
