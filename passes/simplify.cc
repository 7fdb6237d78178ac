#include "passes/simplify.h"

#include <algorithm>
#include <utility>

#include "ir/check.h"
#include "passes/bodies.h"
#include "passes/dce.h"
#include "passes/fold.h"
#include "passes/loops.h"
#include "passes/simplify_rules.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

bool IsScalarLiteral(const Value* value) { return As(value, Op::kConstant) != nullptr && value->type.rank() == 0; }

// One walk over the body, in text order.
class Round {
 public:
  explicit Round(ir::Graph& graph) : graph_(graph), uses_(graph), builder_(graph) {
    for (const ir::Output& output : graph.outputs) outputs_.push_back(output.value);
    for (const auto& s : graph.body.statements) gradients_remain_ |= s->op == Op::kGrad;
  }

  bool Run() {
    std::vector<std::unique_ptr<Statement>> statements = std::exchange(graph_.body.statements, {});
    for (auto& s : statements) {
      for (Value*& operand : s->operands) {
        if (const auto found = replaced_.find(operand); found != replaced_.end()) operand = found->second;
      }
      Value* replacement = Rewrite(*s);
      if (replacement == nullptr) {
        graph_.body.statements.push_back(std::move(s));
        continue;
      }
      CHECK(replacement->type == s->result()->type) << ir::Info(s->op).mnemonic << " became " << replacement->type;
      replaced_.emplace(s->result(), replacement);
      gone_.push_back(std::move(s));
    }
    for (ir::Output& output : graph_.outputs) {
      if (const auto found = replaced_.find(output.value); found != replaced_.end()) output.value = found->second;
    }
    return !replaced_.empty();
  }

 private:
  Value* Rewrite(Statement& s) {
    if (s.results.size() != 1 || s.region != nullptr) {
      // A custom rule has done its work when no gradient is left to take.
      return s.op == Op::kCustomVjp && !gradients_remain_ ? TakeName(s, s.operands[0]) : nullptr;
    }
    if (ir::Info(s.op).family == ir::OpFamily::kSpecial || s.op == Op::kConstant) return nullptr;
    ir::Note note = s.note;
    note.aliases.clear();
    builder_.SetNote(std::move(note));
    builder_.SetSection(s.section);
    Rewriter rewriter{builder_, uses_, gradients_remain_};
    const size_t before = graph_.body.statements.size();
    for (auto* rule :
         {FoldScalar, SimplifyElementwise, SimplifyProduct, SinkBroadcasts, SimplifyMovement, SimplifyReduction}) {
      Value* value = rule(rewriter, s);
      if (value == nullptr) {
        CHECK(graph_.body.statements.size() == before) << "a rule that does not apply made statements";
        continue;
      }
      // A scalar literal has no name, and an output needs one.
      const bool literal = IsScalarLiteral(value);
      if (literal && std::find(outputs_.begin(), outputs_.end(), s.result()) != outputs_.end()) {
        graph_.body.statements.resize(before);
        return nullptr;
      }
      return literal ? value : TakeName(s, value);
    }
    return nullptr;
  }

  static Value* TakeName(Statement& s, Value* value) {
    ir::Note& note = value->definition->note;
    if (!s.result()->name.empty()) {
      if (value->name.empty()) {
        value->name = s.result()->name;
      } else {
        note.aliases.push_back(s.result()->name);
      }
    }
    note.aliases.insert(note.aliases.end(), s.note.aliases.begin(), s.note.aliases.end());
    return value;
  }

  ir::Graph& graph_;
  ir::Uses uses_;
  ir::Builder builder_;
  ir::ValueMap replaced_;
  std::vector<const Value*> outputs_;
  std::vector<std::unique_ptr<Statement>> gone_;  // until the end of the round: the map's keys point there
  bool gradients_remain_ = false;
};

}  // namespace

absl::StatusOr<bool> Simplify(ir::Graph& graph) {
  const bool loops = SimplifyLoops(graph);
  ASSIGN_OR_RETURN(bool changed, InBodies(graph, [](ir::Graph& body, Statement&) { return Simplify(body); }));
  changed |= loops;
  // Every round shrinks or straightens a chain; long programs settle after three or four.
  for (int round = 0; round < 32; ++round) {
    if (!Round(graph).Run()) break;
    RemoveUnnamedDeadCode(graph);
    SimplifyLoops(graph);  // an operand may have become a literal
    changed = true;
  }
  return changed;
}

}  // namespace gradus::passes
