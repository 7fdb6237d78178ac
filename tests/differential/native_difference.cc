#include "tests/differential/native_difference.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "passes/pipeline.h"
#include "passes/verify_plan.h"
#include "tests/codegen/native_run.h"

namespace gradus::testing_support {
namespace {

// Outputs of the last step and states after it.
struct Outcome {
  ir::NamedTensors outputs, states;
};

absl::StatusOr<Outcome> InterpretSteps(const ir::Graph& graph, ir::NamedTensors declared, int64_t steps) {
  Outcome outcome;
  for (int64_t step = 0; step < steps; ++step) {
    // A run counts its steps from 1.
    if (graph.Find("step") != nullptr) declared.insert_or_assign("step", ir::Tensor::Scalar<int64_t>(step + 1));
    ASSIGN_OR_RETURN(ir::StepValues values, ir::Interpret(graph, declared));
    for (auto& [name, value] : values.next) declared[name] = std::move(value);
    outcome.outputs = std::move(values.outputs);
  }
  for (const auto& s : graph.body.statements) {
    if (s->op != ir::Op::kParam && s->op != ir::Op::kState) continue;
    outcome.states.emplace(s->result()->name, declared.at(s->result()->name));
  }
  return outcome;
}

std::string DifferentElements(const ir::Tensor& a, const ir::Tensor& b) {
  return ir::Dispatch(a.type().element, [&](auto tag) {
    using T = decltype(tag);
    std::string text;
    int shown = 0;
    for (int64_t i = 0; i < a.size() && shown < 4; ++i) {
      const T x = a.data<T>()[i], y = b.data<T>()[i];
      if (std::memcmp(&x, &y, sizeof(T)) == 0 || (x != x && y != y)) continue;
      ++shown;
      absl::StrAppend(&text, " [", i, "] is ", +y, ", not ", +x);
    }
    return text;
  });
}

// In the order of names, so that a report is the same from run to run.
std::string Compare(const std::string& who, const ir::NamedTensors& expected, const ir::NamedTensors& found) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : expected) names.push_back(name);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (!found.contains(name)) return absl::StrCat(who, ": ", name, " is missing");
    const ir::Tensor &a = expected.at(name), &b = found.at(name);
    if (!ir::SameBits(a, b)) {
      return absl::StrCat(who, ": ", name, " : ", ir::ToString(a.type()), DifferentElements(a, b));
    }
  }
  return "";
}

std::string Compare(const std::string& who, const Outcome& expected, const absl::StatusOr<Outcome>& found) {
  if (!found.ok()) return absl::StrCat(who, ": ", found.status().ToString());
  const std::string outputs = Compare(who, expected.outputs, found->outputs);
  return outputs.empty() ? Compare(who, expected.states, found->states) : outputs;
}

absl::StatusOr<Outcome> RunNative(ir::Graph planned, const ir::NamedTensors& declared, int64_t steps) {
  std::vector<std::string> states;
  for (const auto& s : planned.body.statements) {
    if (s->op == ir::Op::kParam || s->op == ir::Op::kState) states.push_back(s->result()->name);
  }
  std::vector<ir::Graph> entries;
  entries.push_back(std::move(planned));
  ASSIGN_OR_RETURN(NativeRun run, NativeRun::Create(std::move(entries)));
  run.SetStates(declared);
  Outcome outcome;
  ASSIGN_OR_RETURN(outcome.outputs, run.Run(0, declared, steps));
  for (const std::string& name : states) outcome.states.emplace(name, run.State(name));
  return outcome;
}

}  // namespace

std::string ToString(const RunConfiguration& c) {
  return absl::StrCat(ir::Name(c.target.isa), ", ", c.threads, " threads, ", c.fuse ? "fused" : "unfused");
}

std::string Difference(const ir::Graph& frozen, const ir::NamedTensors& declared, const RunConfiguration& c) {
  const absl::StatusOr<Outcome> expected = InterpretSteps(frozen, declared, c.steps);
  if (!expected.ok()) return absl::StrCat("the interpreter: ", expected.status().ToString());
  constexpr passes::Pass kFusing[] = {{"fuse", passes::Fuse}};
  constexpr passes::Pass kPlanning[] = {{"schedule", passes::Schedule}, {"plan", passes::PlanMemory}};
  passes::RunOptions options;
  options.options.target = c.target;
  options.options.threads = c.threads;
  options.options.fuse = c.fuse;
  ir::Graph graph = frozen.Clone();
  if (const auto passed = passes::RunPasses(kFusing, graph, options); !passed.ok()) return passed.status().ToString();
  std::string difference = Compare("fused, interpreted", *expected, InterpretSteps(graph, declared, c.steps));
  if (!difference.empty()) return difference;
  if (const auto passed = passes::RunPasses(kPlanning, graph, options); !passed.ok()) return passed.status().ToString();
  if (const absl::Status plan = passes::VerifyPlan(graph); !plan.ok()) return plan.ToString();
  difference = Compare("planned, interpreted", *expected, InterpretSteps(graph, declared, c.steps));
  if (!difference.empty()) return difference;
  if (c.spoil != nullptr) c.spoil(graph);
  return Compare("native", *expected, RunNative(std::move(graph), declared, c.steps));
}

}  // namespace gradus::testing_support
