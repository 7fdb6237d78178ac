#include "passes/differentiate.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/error.h"
#include "passes/differentiator.h"
#include "passes/gradient_rules.h"

namespace gradus::passes {

using ir::Expr;
using ir::Op;
using ir::Statement;
using ir::Value;

namespace {

bool IsRegion(const Statement& s) { return s.op == Op::kScan || s.op == Op::kBranch; }

// A line of its own for an adjoint that is a value already: `d.b2 = d.z3`. Simplification joins the two.
Expr Copy(const Expr& value) {
  return Expr::Apply(Op::kBroadcast, {value}, {ir::Shape(value.shape().begin(), value.shape().end())});
}

}  // namespace

WrittenAdjoint Written(const Expr& expr) {
  if (expr.IsZero()) return {};
  return expr.IsLiteral() ? WrittenAdjoint{nullptr, expr.number()} : WrittenAdjoint{expr.value(), 0};
}

Differentiator::Differentiator(Task task, ir::Region& fresh)
    : task_(std::move(task)),
      forward_(task_.forward),
      paths_(task_.paths),
      names_(task_.names),
      fresh_(fresh),
      builder_(fresh) {
  builder_.SetSection(task_.section);
}

void Differentiator::Seed(const Value* root, Expr g) {
  if (root->definition != nullptr) builder_.SetNote(NoteOf(*root));
  adjoints_[root].contributions.push_back({g, builder_.note()});
  if (std::find(seeded_.begin(), seeded_.end(), root) == seeded_.end()) seeded_.push_back(root);
}

absl::Status Differentiator::Run() {
  ReserveNames();
  for (const Value* root : seeded_) {
    if (paths_.pending[root] > 0) continue;
    if (root->definition != nullptr) builder_.SetNote(NoteOf(*root));
    Finish(root, Sum(root));
  }
  std::vector<Statement*> before;
  for (const auto& statement : forward_.statements) {
    if (statement.get() == task_.end) break;
    before.push_back(statement.get());
  }
  for (auto it = before.rbegin(); it != before.rend(); ++it) {
    Statement& s = **it;
    if (s.operands.empty()) continue;
    if (IsRegion(s)) {
      if (paths_.through.contains(&s)) DifferentiateRegion(s);
      continue;
    }
    if (s.results.size() != 1 || !paths_.active.contains(s.result()) || Nests(s.result())) continue;
    builder_.SetNote(NoteOf(*s.result()));
    DifferentiateRoot(s);
    if (fresh_.statements.size() > task_.limit) {
      return ir::ErrorStatus(absl::StatusCode::kResourceExhausted, ir::ErrorKind::kGradientLimit, "more than ",
                             task_.limit, " statements");
    }
  }
  return absl::OkStatus();
}

ir::Note Differentiator::NoteOf(const Value& value) const {
  ir::Note note = value.definition->note;
  note.of = value.name;
  note.aliases.clear();
  return note;
}

// An unnamed value of one use belongs to the statement that it prints in.
bool Differentiator::Nests(const Value* value) const {
  if (value->definition == nullptr || value->definition->operands.empty() || !value->name.empty()) return false;
  const auto uses = task_.uses.of(value);
  if (uses.size() != 1 || uses[0].user == nullptr || IsRegion(*uses[0].user)) return false;
  return std::find(seeded_.begin(), seeded_.end(), value) == seeded_.end();
}

void Differentiator::DifferentiateRoot(const Statement& root) {
  std::vector<Edge> edges;
  Walk(root, edges);
  std::stable_partition(edges.begin(), edges.end(), [](const Edge& edge) {
    const Statement* definition = edge.statement->operands[edge.operand]->definition;
    return definition != nullptr && definition->op == Op::kParam;
  });
  for (const Edge& edge : edges) Flow(*edge.statement, edge.operand, edge.g);
}

void Differentiator::Walk(const Statement& s, std::vector<Edge>& edges) {
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
Expr Differentiator::IncomingGradient(const Statement& s) {
  const Expr g = adjoints_[s.result()].total;
  if (g.IsZero() || ir::IsElementwise(s.op)) return g;
  const bool is_custom = s.op == Op::kCustomVjp;
  const bool is_product = s.op == Op::kDot || s.op == Op::kConvolution || s.op == Op::kConvolutionWeights;
  if (!is_product && !is_custom && g.shape().empty()) return g;
  if (is_custom && (g.IsLiteral(1) || g.IsLiteral(-1))) return g;
  if (g.IsLiteral() && s.result()->type.shape.empty()) return g;
  return FullAdjoint(s.result());
}

Expr Differentiator::FullAdjoint(const Value* value) {
  Adjoint& adjoint = adjoints_[value];
  adjoint.total = Full(adjoint.total, value->type.shape);
  TakeName(adjoint.total, adjoint);
  return adjoint.total;
}

// What one use contributes to the adjoint of its operand.
void Differentiator::Flow(const Statement& s, int operand, Expr g) {
  const Value* value = s.operands[operand];
  Expr contribution;
  bool waits = false;
  if (g.IsZero()) {
    contribution = g;
  } else if (s.op == Op::kDot && waits_.contains(value) && !waits_.contains(s.operands[1 - operand])) {
    waits = true;
    waiting_.push_back({&s, operand, Full(g, s.result()->type.shape)});
  } else if (s.op == Op::kCustomVjp) {
    contribution = CustomGradient(s, operand, g);
  } else if (s.op == Op::kMul && s.operands[0] == s.operands[1]) {
    // y = x * x.   dL/dx = 2 * g * x, in one piece instead of two equal ones
    if (operand == 0) contribution = Expr(2.0) * g * Expr::Of(builder_, s.operands[0]);
  } else {
    contribution = Gradient(s, operand, g);
  }
  if (ir::IsElementwise(s.op)) contribution = Unbroadcast(contribution, s.result()->type.shape, value->type.shape);
  Contribute(s, operand, contribution, waits);
}

void Differentiator::Contribute(const Statement& s, int operand, Expr contribution, bool waits) {
  const Value* value = s.operands[operand];
  if (task_.record != nullptr) task_.record->parts.push_back({&s, operand, Written(contribution), waits});
  Adjoint& adjoint = adjoints_[value];
  if (!contribution.IsZero()) adjoint.contributions.push_back({contribution, builder_.note()});
  int& pending = paths_.pending[value];
  CHECK(pending > 0) << "an adjoint arrived twice";
  if (--pending == 0) Finish(value, Sum(value));
}

// The sum stands where its last contribution does; contributions of other statements are named before it.
Expr Differentiator::Sum(const Value* value) {
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

bool Differentiator::IsTarget(const Value* value) const {
  return std::find(task_.targets.begin(), task_.targets.end(), value) != task_.targets.end();
}

void Differentiator::Finish(const Value* value, Expr total) {
  Adjoint& adjoint = adjoints_[value];
  // A result has its whole shape; a literal gets it last, so that what else it flows into stays a literal.
  const bool is_result = IsTarget(value);
  if (!total.IsZero() && !total.IsLiteral()) {
    if (is_result) total = Full(total, value->type.shape);
    const bool is_forward = !IsFresh(total.value());
    const bool in_graph = task_.end != nullptr;  // what a region gives back may be any value
    if (is_result && in_graph ? Nameless(total) == nullptr : is_forward && ReadsParameter(*value)) total = Copy(total);
  }
  adjoint.total = total;
  adjoint.finished = true;
  TakeName(total, adjoint);
  if (task_.record != nullptr) task_.record->adjoints[value] = Written(total);
}

// Whether a named value is computed from parameters in the statement that prints it: its adjoint is then the error
// term of a layer, which the reader looks for.
bool Differentiator::ReadsParameter(const Value& value) const {
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

void Differentiator::TakeName(const Expr& expr, Adjoint& adjoint) {
  Value* value = Nameless(expr);
  if (value == nullptr || adjoint.name.empty()) return;
  value->name = adjoint.taken ? Unique(adjoint.name) : adjoint.name;
  adjoint.taken = true;
}

// The adjoint of h is d.h, and nothing else is: not what contributes to the adjoint of h'2, nor what helps with it.
void Differentiator::ReserveNames() {
  for (const auto& s : forward_.statements) {
    if (s.get() == task_.end) break;
    for (const auto& result : s->results) {
      if (result->name.empty() || !ir::IsFloat(result->type.element)) continue;
      if (!paths_.active.contains(result.get())) {
        // It has no adjoint, and so nothing else may be called like it.
        if (const std::string none = absl::StrCat(task_.prefix, ".", result->name); !names_.Contains(none))
          names_.Unique(none);
        continue;
      }
      std::string& name = adjoints_[result.get()].name;
      if (name.empty()) name = Unique(absl::StrCat(task_.prefix, ".", result->name));
    }
  }
}

// A primed name has one prime alone.
std::string Differentiator::Unique(const std::string& name) {
  if (name.empty()) return name;
  return names_.Contains(name) ? names_.Unique(name.substr(0, name.find('\''))) : names_.Unique(name);
}

// The value, if it is a statement of this gradient that has no name yet.
Value* Differentiator::Nameless(const Expr& expr) {
  if (expr.IsZero() || expr.IsLiteral()) return nullptr;
  Value* value = expr.value();
  return value->name.empty() && IsFresh(value) ? value : nullptr;
}

bool Differentiator::IsFresh(const Value* value) {
  for (; seen_ < fresh_.statements.size(); ++seen_) is_fresh_.insert(fresh_.statements[seen_].get());
  return value->definition != nullptr && is_fresh_.contains(value->definition);
}

namespace {

// One `grad` of the body of a graph or of a region.
class GradFiller {
 public:
  // `graph`, where the region is its body: it has outputs.
  GradFiller(ir::Region& region, ir::Graph* graph, Statement& grad, GradientRecord* record)
      : region_(region), graph_(graph), grad_(grad), record_(record), names_(region) {
    const int64_t number = grad.Int("number");
    prefix_ = number == 1 ? "d" : absl::StrCat("d", number);
  }

  absl::Status Run(size_t limit) {
    const Value* scalar = grad_.operands[0];
    Differentiator differentiator(
        {region_, &grad_, graph_ != nullptr ? ir::Uses(*graph_) : ir::Uses(region_), FindGradientPaths(region_, grad_),
         std::vector<const Value*>(grad_.operands.begin() + 1, grad_.operands.end()), names_, prefix_, grad_.section,
         limit, record_},
        fresh_);
    for (size_t i = 1; i < grad_.operands.size(); ++i) {
      differentiator.Name(grad_.operands[i], grad_.results[i - 1]->name);
    }
    differentiator.Seed(scalar, Expr::Literal(differentiator.builder(), scalar->type.element, 1));
    RETURN_IF_ERROR(differentiator.Run());
    Splice(Results(differentiator));
    EraseUnused();
    NameFresh(differentiator);
    return absl::OkStatus();
  }

 private:
  std::string Unique(const std::string& name) {
    return names_.Contains(name) ? names_.Unique(name.substr(0, name.find('\''))) : names_.Unique(name);
  }

  // The value of each result of the grad, of its exact type.
  ir::ValueMap Results(Differentiator& differentiator) {
    ir::Builder& builder = differentiator.builder();
    builder.SetNote(grad_.note);
    ir::ValueMap results;
    absl::flat_hash_map<const Value*, Value*> by_operand;
    for (size_t i = 0; i < grad_.results.size(); ++i) {
      const Value* operand = grad_.operands[i + 1];
      Value* result = grad_.results[i].get();
      Value*& value = by_operand[operand];
      if (value == nullptr) {
        Expr total = differentiator.AdjointOf(operand);
        if (total.IsZero()) total = Expr::Literal(builder, result->type.element, 0);
        const bool scalar = total.IsLiteral() && result->type.rank() == 0;
        total = scalar ? Expr::Apply(Op::kBroadcast, {total}, {ir::Shape()}) : Full(total, result->type.shape);
        value = total.value();
      }
      if (!value->name.empty() && value->name != result->name) value = Copy(Expr::Of(builder, value)).value();
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
    if (graph_ != nullptr) {
      ir::ReplaceUses(*graph_, results);
    } else {
      for (const auto& [from, to] : results) ir::ReplaceUses(region_, from, to);
    }
    auto& statements = region_.statements;
    const auto at = std::find_if(statements.begin(), statements.end(),
                                 [&](const std::unique_ptr<Statement>& s) { return s.get() == &grad_; });
    const auto next = statements.erase(at);
    statements.insert(next, std::make_move_iterator(fresh_.statements.begin()),
                      std::make_move_iterator(fresh_.statements.end()));
    fresh_.statements.clear();
  }

  // Unnamed values that nothing reads: what only the grad read, and operands that a rule did not need.
  void EraseUnused() {
    absl::flat_hash_map<const Value*, int> count;
    if (graph_ != nullptr) {
      for (const ir::Output& output : graph_->outputs) ++count[output.value];
    }
    for (const Value* yield : region_.yields) ++count[yield];
    auto& statements = region_.statements;
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
    for (const auto& s : region_.statements) {
      for (const auto& result : s->results) values.insert(result.get());
    }
    const auto gone = [&](const WrittenAdjoint& w) { return w.value != nullptr && !values.contains(w.value); };
    absl::erase_if(record_->adjoints, [&](const auto& entry) { return gone(entry.second); });
    absl::flat_hash_set<const Statement*> statements;
    for (const auto& s : region_.statements) statements.insert(s.get());
    std::erase_if(record_->bodies, [&](const auto& body) { return !statements.contains(body.backward); });
    for (GradientRecord::Part& part : record_->parts) {
      if (!gone(part.contribution)) continue;
      part.contribution = {};
      part.gone = true;
    }
  }

  // What does not print nested gets the name of the adjoint that it helps to compute, as far as it is known here.
  void NameFresh(Differentiator& differentiator) {
    const ir::Uses uses = graph_ != nullptr ? ir::Uses(*graph_) : ir::Uses(region_);
    for (const auto& s : region_.statements) {
      if (s->results.size() != 1 || !s->result()->name.empty() || !differentiator.IsFresh(s->result())) continue;
      if (s->op == Op::kConstant && s->result()->type.rank() == 0) continue;
      if (s->note.of.empty() || ir::MayNest(*s->result(), uses.of(s->result()), ir::Note())) continue;
      s->result()->name = Unique(absl::StrCat(prefix_, ".", s->note.of));
    }
  }

  ir::Region& region_;
  ir::Graph* graph_;
  Statement& grad_;  // gone after Splice
  GradientRecord* record_;
  ir::NameTable names_;
  std::string prefix_;
  ir::Region fresh_;
};

}  // namespace

absl::Status Differentiate(ir::Graph& graph, Statement& grad, size_t limit, GradientRecord* record) {
  return GradFiller(graph.body, &graph, grad, record).Run(limit);
}

absl::Status Differentiate(ir::Region& region, Statement& grad, size_t limit) {
  return GradFiller(region, nullptr, grad, nullptr).Run(limit);
}

}  // namespace gradus::passes
