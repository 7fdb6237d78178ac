#include "tests/differential/reduce.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "passes/dce.h"

namespace gradus::testing_support {
namespace {

using ir::Graph;
using ir::Op;
using ir::Statement;
using ir::Value;

FailingGraph Copy(const FailingGraph& failing) { return {failing.graph.Clone(), failing.declared}; }

// Every value has a name, so that the interpreter can tell it.
void NameEverything(Graph& graph) {
  ir::NameTable names(graph.body);
  for (const auto& s : graph.body.statements) {
    const bool literal = s->op == Op::kConstant && s->results[0]->type.rank() == 0;
    for (const auto& result : s->results) {
      if (result->name.empty() && !literal) result->name = names.Unique("t");
    }
  }
}

// What nothing reads goes, declarations included; false where the rest is no graph any more.
bool Clean(FailingGraph& failing) {
  if (!passes::EliminateDeadCode(failing.graph).ok()) return false;
  const ir::Uses uses(failing.graph);
  ir::EraseIf(failing.graph.body, [&](const Statement& s) {
    if (!ir::IsDeclaration(s.op) || !uses.of(s.result()).empty()) return false;
    failing.declared.erase(s.result()->name);
    return true;
  });
  ir::NameUnnamed(failing.graph);
  return ir::Verify(failing.graph).ok() && !(failing.graph.outputs.empty() && failing.graph.body.statements.empty());
}

class Reducer {
 public:
  Reducer(FailingGraph failing, const Fails& fails) : best_(std::move(failing)), fails_(fails) {}

  FailingGraph Run() {
    NameEverything(best_.graph);
    StopEarly();
    while (DropOutputs() || DropNexts() || CutStatements()) {
    }
    return std::move(best_);
  }

 private:
  bool Try(FailingGraph candidate) {
    if (!Clean(candidate) || !fails_(candidate.graph, candidate.declared)) return false;
    best_ = std::move(candidate);
    return true;
  }

  // The first value that fails as the only output.
  void StopEarly() {
    for (size_t i = 0; i < best_.graph.body.statements.size(); ++i) {
      const Statement& original = *best_.graph.body.statements[i];
      if (ir::IsDeclaration(original.op) || original.results.size() != 1 || original.result()->name.empty()) continue;
      FailingGraph candidate = Copy(best_);
      Value* value = candidate.graph.body.statements[i]->result();
      candidate.graph.outputs = {{value->name, value}};
      ir::EraseIf(candidate.graph.body, [](const Statement& s) { return s.op == Op::kNext; });
      if (Try(std::move(candidate))) return;
    }
  }

  bool DropOutputs() {
    for (size_t i = 0; i < best_.graph.outputs.size(); ++i) {
      FailingGraph candidate = Copy(best_);
      candidate.graph.outputs.erase(candidate.graph.outputs.begin() + static_cast<std::ptrdiff_t>(i));
      if (Try(std::move(candidate))) return true;
    }
    return false;
  }

  bool DropNexts() {
    for (size_t i = 0; i < best_.graph.body.statements.size(); ++i) {
      if (best_.graph.body.statements[i]->op != Op::kNext) continue;
      FailingGraph candidate = Copy(best_);
      auto& statements = candidate.graph.body.statements;
      statements.erase(statements.begin() + static_cast<std::ptrdiff_t>(i));
      if (Try(std::move(candidate))) return true;
    }
    return false;
  }

  // A statement whose value is given instead takes everything with it that only it reads.
  bool CutStatements() {
    ir::NamedArrays arrays;
    for (const auto& [name, tensor] : best_.declared) {
      arrays.emplace(name, ir::Array::From(tensor, ir::Arithmetic::kNative));
    }
    const absl::StatusOr<ir::StepArrays> step = ir::InterpretIn(ir::Arithmetic::kNative, best_.graph, arrays, true);
    if (!step.ok()) return false;
    for (size_t i = best_.graph.body.statements.size(); i-- > 0;) {
      const Statement& original = *best_.graph.body.statements[i];
      if (ir::IsDeclaration(original.op) || original.results.size() != 1 || original.result()->name.empty()) continue;
      const std::string name = original.result()->name;
      FailingGraph candidate = Copy(best_);
      auto& statements = candidate.graph.body.statements;
      Value* value = statements[i]->result();
      const bool is_output = std::any_of(candidate.graph.outputs.begin(), candidate.graph.outputs.end(),
                                         [&](const ir::Output& output) { return output.value == value; });
      if (is_output) continue;
      ir::Builder builder(candidate.graph);
      builder.InsertBefore(statements.front().get());
      Value* input = builder.Declare(Op::kInput, absl::StrCat("in", count_++), value->type);
      ir::ReplaceUses(candidate.graph, value, input);
      candidate.declared.emplace(input->name, step->values.at(name).ToTensor());
      if (Try(std::move(candidate))) return true;
    }
    return false;
  }

  FailingGraph best_;
  const Fails& fails_;
  int count_ = 0;
};

}  // namespace

FailingGraph Reduce(FailingGraph failing, const Fails& fails) { return Reducer(std::move(failing), fails).Run(); }

std::string Describe(const FailingGraph& failing) {
  std::string text = ir::Print(failing.graph);
  for (const auto& s : failing.graph.body.statements) {
    if (!ir::IsDeclaration(s->op)) continue;
    const auto found = failing.declared.find(s->result()->name);
    if (found == failing.declared.end() || found->second.size() > 200) continue;
    absl::StrAppend(&text, "  ", s->result()->name, " = ", ir::PrintLiteral(found->second), "\n");
  }
  return text;
}

}  // namespace gradus::testing_support
