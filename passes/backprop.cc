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

// A `grad` and the region that it stands in.
struct PlacedGrad {
  ir::Region* region = nullptr;
  Statement* grad = nullptr;
};

// In text order, those in the body of a loop before what comes after the loop.
void CollectGrads(ir::Region& region, std::vector<PlacedGrad>& grads) {
  for (const auto& s : region.statements) {
    if (s->op == Op::kGrad) grads.push_back({&region, s.get()});
    if (s->region != nullptr) CollectGrads(*s->region, grads);
  }
}

PlacedGrad FirstGrad(ir::Graph& graph) {
  std::vector<PlacedGrad> grads;
  CollectGrads(graph.body, grads);
  return grads.empty() ? PlacedGrad() : grads.front();
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

bool EraseMarkers(ir::Region& region, ir::ValueMap& replaced) {
  bool changed = false;
  for (const auto& s : region.statements) {
    for (Value*& operand : s->operands) {
      if (const auto found = replaced.find(operand); found != replaced.end()) operand = found->second;
    }
    if (s->op != Op::kCustomVjp && s->op != Op::kStopGradient) {
      if (s->region != nullptr) changed |= EraseMarkers(*s->region, replaced);
      continue;
    }
    Value* value = s->operands[0];
    replaced[s->result()] = value;
    // A parameter, which has the name of what it stands for, keeps it.
    if (value->definition != nullptr) PassName(*s->result(), *value);
    changed = true;
  }
  for (Value*& yield : region.yields) {
    if (const auto found = replaced.find(yield); found != replaced.end()) yield = found->second;
  }
  ir::EraseIf(region, [](const Statement& s) { return s.op == Op::kCustomVjp || s.op == Op::kStopGradient; });
  return changed;
}

bool EraseMarkers(ir::Graph& graph) {
  ir::ValueMap replaced;
  const bool changed = EraseMarkers(graph.body, replaced);
  for (ir::Output& output : graph.outputs) {
    if (const auto found = replaced.find(output.value); found != replaced.end()) output.value = found->second;
  }
  return changed;
}

}  // namespace

namespace {

// Fills every `grad`, with a record of each where `records` is given; whether there was any.
absl::StatusOr<bool> Fill(ir::Graph& graph, std::vector<FilledGradient>* records) {
  std::vector<std::string> obstacles;
  std::vector<PlacedGrad> grads;
  CollectGrads(graph.body, grads);
  for (const PlacedGrad& placed : grads) {
    const std::vector<std::string> more = GradientObstacles(*placed.region, *placed.grad);
    obstacles.insert(obstacles.end(), more.begin(), more.end());
  }
  RETURN_IF_ERROR(Report(obstacles));
  bool changed = false;
  const size_t before = graph.body.statements.size();
  for (PlacedGrad placed = FirstGrad(graph); placed.grad != nullptr; placed = FirstGrad(graph)) {
    Statement* grad = placed.grad;
    const bool in_body = placed.region == &graph.body;
    // Through the statements of an earlier gradient there may be less of a path than through the gradient itself.
    RETURN_IF_ERROR(Report(GradientObstacles(*placed.region, *grad)));
    const std::string what = absl::StrCat(Place(grad->note), "error: the gradients up to that of ",
                                          grad->operands[0]->name, " add more than ", kMaxAddedStatements,
                                          " statements (gradient limit); each gradient of a gradient multiplies them");
    const size_t added = std::max(graph.body.statements.size(), before) - before;
    FilledGradient filled{grad->Int("number"), grad->operands[0], {}, grad->note, {}};
    filled.by.assign(grad->operands.begin() + 1, grad->operands.end());
    GradientRecord* record = records == nullptr || !in_body ? nullptr : &filled.record;
    const size_t limit = kMaxAddedStatements - std::min(added, kMaxAddedStatements);
    const bool done =
        added <= kMaxAddedStatements &&
        (in_body ? Differentiate(graph, *grad, limit, record) : Differentiate(*placed.region, *grad, limit)).ok();
    if (!done) return ir::ErrorStatus(absl::StatusCode::kResourceExhausted, ir::ErrorKind::kGradientLimit, what);
    if (record != nullptr) records->push_back(std::move(filled));
    changed = true;
    if (FirstGrad(graph).grad != nullptr) ir::NameUnnamed(graph);  // a later gradient speaks of adjoints by name
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
