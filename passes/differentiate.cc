#include "passes/differentiate.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/error.h"
#include "ir/expr.h"
#include "passes/gradient_paths.h"
#include "passes/gradient_rules.h"

namespace gradus::passes {
namespace {

using ir::Expr;
using ir::Op;
using ir::Statement;
using ir::Value;

struct Contribution {
  Expr value;
  ir::Note note;
};

// A value of the forward part while its adjoint is collected.
struct Adjoint {
  std::vector<Contribution> contributions;
  Expr total;          // once all contributions are in
  std::string name;    // of the adjoint; empty for that of an unnamed value
  bool taken = false;  // whether a statement has that name already
};

class Differentiator {
 public:
  Differentiator(ir::Graph& graph, Statement& grad, GradientRecord* record)
      : graph_(graph),
        grad_(grad),
        record_(record),
        paths_(FindGradientPaths(graph.body, grad)),
        uses_(graph),
        names_(graph.body),
        builder_(fresh_) {
    const int64_t number = grad.Int("number");
    prefix_ = number == 1 ? "d" : absl::StrCat("d", number);
    builder_.SetSection(grad.section);
    ReserveNames();
  }

  absl::Status Run(size_t limit) {
    const Value* scalar = grad_.operands[0];
    builder_.SetNote(NoteOf(*scalar));
    Finish(scalar, Expr::Literal(builder_, scalar->type.element, 1));
    std::vector<Statement*> before;
    for (const auto& statement : graph_.body.statements) {
      if (statement.get() == &grad_) break;
      before.push_back(statement.get());
    }
    for (auto it = before.rbegin(); it != before.rend(); ++it) {
      Statement& s = **it;
      if (s.operands.empty() || s.results.size() != 1 || !paths_.active.contains(s.result()) || Nests(s.result())) {
        continue;
      }
      builder_.SetNote(NoteOf(*s.result()));
      DifferentiateRoot(s);
      if (fresh_.statements.size() > limit) {
        return ir::ErrorStatus(absl::StatusCode::kResourceExhausted, ir::ErrorKind::kGradientLimit, "more than ", limit,
                               " statements");
      }
    }
    Splice(Results());
    EraseUnused();
    NameFresh();
    return absl::OkStatus();
  }

 private:
  ir::Note NoteOf(const Value& value) const {
    ir::Note note = value.definition->note;
    note.of = value.name;
    note.aliases.clear();
    return note;
  }

  // An unnamed value of one use belongs to the statement that it prints in.
  bool Nests(const Value* value) const {
    return value->definition != nullptr && !value->definition->operands.empty() && value->name.empty() &&
           uses_.of(value).size() == 1 && value != grad_.operands[0];
  }

  // The edges into named operands, which wait until the whole statement has been walked.
  struct Edge {
    const Statement* statement;
    int operand;
    Expr g;
  };

  void DifferentiateRoot(const Statement& root) {
    std::vector<Edge> edges;
    Walk(root, edges);
    std::stable_partition(edges.begin(), edges.end(), [](const Edge& edge) {
      const Statement* definition = edge.statement->operands[edge.operand]->definition;
      return definition != nullptr && definition->op == Op::kParam;
    });
    for (const Edge& edge : edges) Flow(*edge.statement, edge.operand, edge.g);
  }

  void Walk(const Statement& s, std::vector<Edge>& edges) {
    const Expr g = IncomingGradient(s);
    for (size_t i = 0; i < s.operands.size(); ++i) {
      const int operand = static_cast<int>(i);
      if (!paths_.Flows(s, operand)) continue;
      if (Nests(s.operands[i])) {
        Flow(s, operand, g);
        Walk(*s.operands[i]->definition, edges);
      } else {
        edges.push_back({&s, operand, g});
      }
    }
  }

  // The adjoint of the result, in its whole shape where the rule asks for that.
  Expr IncomingGradient(const Statement& s) {
    Adjoint& adjoint = adjoints_[s.result()];
    const Expr g = adjoint.total;
    if (g.IsZero() || ir::IsElementwise(s.op)) return g;
    const ir::Shape& shape = s.result()->type.shape;
    const bool is_custom = s.op == Op::kCustomVjp;
    const bool is_product = s.op == Op::kDot || s.op == Op::kConvolution || s.op == Op::kConvolutionWeights;
    if (!is_product && !is_custom && g.shape().empty()) return g;
    if (is_custom && (g.IsLiteral(1) || g.IsLiteral(-1))) return g;
    if (g.IsLiteral() && shape.empty()) return g;
    adjoint.total = Full(g, shape);
    TakeName(adjoint.total, adjoint);
    return adjoint.total;
  }

  // What one use contributes to the adjoint of its operand.
  void Flow(const Statement& s, int operand, Expr g) {
    const Value* value = s.operands[operand];
    Expr contribution;
    if (g.IsZero()) {
      contribution = g;
    } else if (s.op == Op::kCustomVjp) {
      contribution = CustomGradient(s, operand, g);
    } else if (s.op == Op::kMul && s.operands[0] == s.operands[1]) {
      // y = x * x.   dL/dx = 2 * g * x, in one piece instead of two equal ones
      if (operand == 0) contribution = Expr(2.0) * g * Expr::Of(builder_, s.operands[0]);
    } else {
      contribution = Gradient(s, operand, g);
    }
    if (ir::IsElementwise(s.op)) contribution = Unbroadcast(contribution, s.result()->type.shape, value->type.shape);
    if (record_ != nullptr) record_->parts.push_back({&s, operand, Written(contribution), false});
    Adjoint& adjoint = adjoints_[value];
    if (!contribution.IsZero()) adjoint.contributions.push_back({contribution, builder_.note()});
    int& pending = paths_.pending[value];
    CHECK(pending > 0) << "an adjoint arrived twice";
    if (--pending == 0) Finish(value, Sum(value));
  }

  // The sum stands where its last contribution does; contributions of other statements are named before it.
  Expr Sum(const Value* value) {
    std::vector<Contribution>& contributions = adjoints_[value].contributions;
    if (contributions.empty()) return Expr();
    Expr sum;
    for (Contribution& c : contributions) {
      Value* named = c.note.SamePosition(builder_.note()) ? nullptr : Nameless(c.value);
      if (named != nullptr) named->name = Unique(adjoints_[value].name);
      const Value* nameless = Nameless(c.value);
      const bool negated = !sum.IsZero() && nameless != nullptr && nameless->definition->op == Op::kNeg;
      sum = negated ? sum - Expr::Of(builder_, nameless->definition->operands[0]) : sum + c.value;
    }
    contributions.clear();
    return sum;
  }

  void Finish(const Value* value, Expr total) {
    Adjoint& adjoint = adjoints_[value];
    // A result has its whole shape; a literal gets it last, so that what else it flows into stays a literal.
    const bool is_result = std::find(grad_.operands.begin() + 1, grad_.operands.end(), value) != grad_.operands.end();
    if (!total.IsZero() && !total.IsLiteral()) {
      if (is_result) total = Full(total, value->type.shape);
      const bool is_forward = !IsFresh(total.value());
      if (is_result ? Nameless(total) == nullptr : is_forward && ReadsParameter(*value)) total = Copy(total);
    }
    adjoint.total = total;
    TakeName(total, adjoint);
    if (record_ != nullptr) record_->adjoints[value] = Written(total);
  }

  static WrittenAdjoint Written(const Expr& expr) {
    if (expr.IsZero()) return {};
    return expr.IsLiteral() ? WrittenAdjoint{nullptr, expr.number()} : WrittenAdjoint{expr.value(), 0};
  }

  // A line of its own for an adjoint that is a value already: `d.b2 = d.z3`. Simplification joins the two.
  static Expr Copy(const Expr& value) {
    return Expr::Apply(Op::kBroadcast, {value}, {ir::Shape(value.shape().begin(), value.shape().end())});
  }

  // Whether a named value is computed from parameters in the statement that prints it: its adjoint is then the error
  // term of a layer, which the reader looks for.
  bool ReadsParameter(const Value& value) const {
    if (value.name.empty() || value.definition == nullptr) return false;
    std::vector<const Statement*> statements = {value.definition};
    while (!statements.empty()) {
      const Statement& s = *statements.back();
      statements.pop_back();
      for (const Value* operand : s.operands) {
        if (operand->definition != nullptr && operand->definition->op == Op::kParam) return true;
        if (Nests(operand)) statements.push_back(operand->definition);
      }
    }
    return false;
  }

  void TakeName(const Expr& expr, Adjoint& adjoint) {
    Value* value = Nameless(expr);
    if (value == nullptr || adjoint.name.empty()) return;
    value->name = adjoint.taken ? Unique(adjoint.name) : adjoint.name;
    adjoint.taken = true;
  }

  // The adjoint of h is d.h, and nothing else is: not what contributes to the adjoint of h'2, nor what helps with it.
  void ReserveNames() {
    for (size_t i = 1; i < grad_.operands.size(); ++i) {
      std::string& name = adjoints_[grad_.operands[i]].name;
      if (name.empty()) name = grad_.results[i - 1]->name;
    }
    for (const auto& s : graph_.body.statements) {
      if (s.get() == &grad_) break;
      for (const auto& result : s->results) {
        if (result->name.empty() || !paths_.active.contains(result.get())) continue;
        std::string& name = adjoints_[result.get()].name;
        if (name.empty()) name = Unique(absl::StrCat(prefix_, ".", result->name));
      }
    }
  }

  // A primed name has one prime alone.
  std::string Unique(const std::string& name) {
    if (name.empty()) return name;
    return names_.Contains(name) ? names_.Unique(name.substr(0, name.find('\''))) : names_.Unique(name);
  }

  // The value, if it is a statement of this gradient that has no name yet.
  Value* Nameless(const Expr& expr) {
    if (expr.IsZero() || expr.IsLiteral()) return nullptr;
    Value* value = expr.value();
    return value->name.empty() && IsFresh(value) ? value : nullptr;
  }

  bool IsFresh(const Value* value) {
    for (; seen_ < fresh_.statements.size(); ++seen_) is_fresh_.insert(fresh_.statements[seen_].get());
    return value->definition != nullptr && is_fresh_.contains(value->definition);
  }

  // The body of a custom vjp in the place of the derived rule: its first parameter is g. It is copied once for all
  // operands.
  Expr CustomGradient(const Statement& s, int operand, Expr g) {
    auto [entry, first] = inlined_.try_emplace(&s);
    std::vector<Value*>& yields = entry->second;
    if (first) {
      ir::ValueMap map;
      for (size_t i = 1; i < s.operands.size(); ++i) map[s.region->parameters[i].get()] = s.operands[i];
      if (!g.IsLiteral()) map[s.region->parameters[0].get()] = g.value();
      for (const auto& statement : s.region->statements) {
        if (!g.IsLiteral() || !WithoutLiteral(*s.region, *statement, g, map)) CopyInto(*s.region, *statement, g, map);
      }
      for (Value* yield : s.region->yields) {
        yields.push_back(InRegion(*s.region, yield, g, map));
        if (IsFresh(yields.back())) yields.back()->name.clear();  // it takes the name of the adjoint
      }
    }
    size_t index = 0;  // yields are for the floating-point arguments
    for (int i = 1; i < operand; ++i) index += ir::IsFloat(s.operands[i]->type.element) ? 1 : 0;
    return Expr::Of(builder_, yields[index]);
  }

  // What `value` of the region is here. What only the literal g goes into is made when it is asked for.
  Value* InRegion(const ir::Region& region, const Value* value, const Expr& g, ir::ValueMap& map) {
    if (const auto found = map.find(value); found != map.end()) return found->second;
    if (value->definition != nullptr) {
      CopyInto(region, *value->definition, g, map);
    } else {
      CHECK(value == region.parameters[0].get()) << "a region reads what it does not know";
      map[value] = Full(g, value->type.shape).value();
    }
    return map.at(value);
  }

  void CopyInto(const ir::Region& region, const Statement& statement, const Expr& g, ir::ValueMap& map) {
    for (const Value* read : statement.operands) InRegion(region, read, g, map);
    std::unique_ptr<Statement> copy = ir::CloneStatement(statement, map);
    for (const auto& result : copy->results) result->name = Unique(result->name);
    copy->section = builder_.section();
    copy->note = builder_.note();
    builder_.Append(std::move(copy));
  }

  // Where g is 1 or -1 everywhere, its moved copies wait and products with it are the other factor.
  bool WithoutLiteral(const ir::Region& region, const Statement& statement, const Expr& g, ir::ValueMap& map) {
    const auto waits = [&](const Value* value) {
      return map.find(value) == map.end() && (value->definition != nullptr || value == region.parameters[0].get());
    };
    if (statement.op == Op::kReshape || statement.op == Op::kBroadcast) return waits(statement.operands[0]);
    if (statement.op != Op::kMul) return false;
    for (int i = 0; i < 2; ++i) {
      const Value* factor = statement.operands[1 - i];
      if (!waits(statement.operands[i]) || waits(factor) || factor->type != statement.result()->type) continue;
      map[statement.result()] = (Expr::Of(builder_, InRegion(region, factor, g, map)) * g).value();
      return true;
    }
    return false;
  }

  // The value of each result of the grad, of its exact type.
  ir::ValueMap Results() {
    builder_.SetNote(grad_.note);
    ir::ValueMap results;
    absl::flat_hash_map<const Value*, Value*> by_operand;
    for (size_t i = 0; i < grad_.results.size(); ++i) {
      const Value* operand = grad_.operands[i + 1];
      Value* result = grad_.results[i].get();
      Value*& value = by_operand[operand];
      if (value == nullptr) {
        Expr total = adjoints_[operand].total;
        if (total.IsZero()) total = Expr::Literal(builder_, result->type.element, 0);
        const bool scalar = total.IsLiteral() && result->type.rank() == 0;
        total = scalar ? Expr::Apply(Op::kBroadcast, {total}, {ir::Shape()}) : Full(total, result->type.shape);
        value = total.value();
      }
      if (!value->name.empty() && value->name != result->name) value = Copy(Expr::Of(builder_, value)).value();
      if (value->name.empty()) {
        value->name = result->name.empty() ? Unique(absl::StrCat(prefix_, ".", operand->name)) : result->name;
      }
      results[result] = value;
      if (record_ != nullptr) record_->results.push_back(value);
    }
    return results;
  }

  // The new statements in the place of the grad.
  void Splice(const ir::ValueMap& results) {
    ir::ReplaceUses(graph_, results);
    auto& statements = graph_.body.statements;
    const auto at = std::find_if(statements.begin(), statements.end(),
                                 [&](const std::unique_ptr<Statement>& s) { return s.get() == &grad_; });
    const auto next = statements.erase(at);
    statements.insert(next, std::make_move_iterator(fresh_.statements.begin()),
                      std::make_move_iterator(fresh_.statements.end()));
  }

  // Unnamed values that nothing reads: what only the grad read, and operands that a rule did not need.
  void EraseUnused() {
    absl::flat_hash_map<const Value*, int> count;
    for (const ir::Output& output : graph_.outputs) ++count[output.value];
    auto& statements = graph_.body.statements;
    for (const auto& s : statements) {
      for (const Value* operand : s->operands) ++count[operand];
    }
    std::vector<std::unique_ptr<Statement>> kept;
    for (auto it = statements.rbegin(); it != statements.rend(); ++it) {
      const Statement& s = **it;
      const bool unused = s.results.size() == 1 && s.result()->name.empty() && count[s.result()] == 0;
      if (!unused) {
        kept.push_back(std::move(*it));
        continue;
      }
      for (const Value* operand : s.operands) --count[operand];
    }
    std::reverse(kept.begin(), kept.end());
    statements = std::move(kept);
    if (record_ != nullptr) KeepRecorded();
  }

  // Drops from the record what is not there any more.
  void KeepRecorded() {
    absl::flat_hash_set<const Value*> values;
    for (const auto& s : graph_.body.statements) {
      for (const auto& result : s->results) values.insert(result.get());
    }
    const auto gone = [&](const WrittenAdjoint& w) { return w.value != nullptr && !values.contains(w.value); };
    absl::erase_if(record_->adjoints, [&](const auto& entry) { return gone(entry.second); });
    for (GradientRecord::Part& part : record_->parts) {
      if (!gone(part.contribution)) continue;
      part.contribution = {};
      part.gone = true;
    }
  }

  // What does not print nested gets the name of the adjoint that it helps to compute, as far as it is known here.
  void NameFresh() {
    const ir::Uses uses(graph_);
    for (const auto& s : graph_.body.statements) {
      if (!is_fresh_.contains(s.get()) || s->results.size() != 1 || !s->result()->name.empty()) continue;
      if (s->op == Op::kConstant && s->result()->type.rank() == 0) continue;
      if (s->note.of.empty() || ir::MayNest(*s->result(), uses.of(s->result()), ir::Note())) continue;
      s->result()->name = Unique(absl::StrCat(prefix_, ".", s->note.of));
    }
  }

  ir::Graph& graph_;
  Statement& grad_;  // gone after Splice
  GradientRecord* record_;
  GradientPaths paths_;
  ir::Uses uses_;
  ir::NameTable names_;
  std::string prefix_;
  ir::Region fresh_;
  ir::Builder builder_;
  absl::flat_hash_map<const Value*, Adjoint> adjoints_;
  absl::flat_hash_map<const Statement*, std::vector<Value*>> inlined_;
  absl::flat_hash_set<const Statement*> is_fresh_;
  size_t seen_ = 0;
};

}  // namespace

absl::Status Differentiate(ir::Graph& graph, Statement& grad, size_t limit, GradientRecord* record) {
  return Differentiator(graph, grad, record).Run(limit);
}

}  // namespace gradus::passes
