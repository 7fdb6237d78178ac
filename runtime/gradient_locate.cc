#include "runtime/gradient_locate.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ir/check.h"

namespace gradus::runtime {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;
using passes::WrittenAdjoint;

constexpr size_t kMostWrong = 20;

// How a wrong contribution relates to the right one, where that is simple.
std::string Describe(double ratio) {
  if (std::abs(ratio) < 1e-6) return "it is missing";
  if (std::abs(ratio + 1) < 1e-6) return "its sign is wrong";
  for (const double factor : {2.0, 3.0, 4.0, 0.5, 0.25, -2.0, -0.5}) {
    if (std::abs(ratio - factor) < 1e-6) return absl::StrCat("it is ", factor, " times what it must be");
  }
  return absl::StrFormat("it is %.4g times what it must be", ratio);
}

class Finder {
 public:
  Finder(const Value* scalar, const GraphOrder& order, const GradientJudge& judge, std::mt19937_64& random, bool kinks)
      : scalar_(scalar),
        order_(order),
        judge_(judge),
        random_(random),
        kinks_(kinks),
        before_scalar_(order.Before({&scalar, 1})),
        leads_(before_scalar_.begin(), before_scalar_.end()) {}

  absl::StatusOr<std::vector<WrongDerivative>> Run(const GradientClaims& written) {
    std::vector<std::pair<int, WrongDerivative>> wrong;
    GradientClaims settled;
    if (!written.ambiguous.empty()) {
      settled = written;
      RETURN_IF_ERROR(Settle(settled));
    }
    const GradientClaims& claims = written.ambiguous.empty() ? written : settled;
    for (const Statement* s : before_scalar_) {
      for (const auto& result : s->results) {
        const auto found = claims.adjoints.find(result.get());
        if (found == claims.adjoints.end() || result.get() == scalar_) continue;
        if (claims.printed) {
          RETURN_IF_ERROR(JudgePrinted(claims, result.get(), found->second, wrong));
        } else {
          RETURN_IF_ERROR(JudgeParts(claims, result.get(), found->second, wrong));
        }
        if (wrong.size() >= kMostWrong) break;
      }
    }
    std::stable_sort(wrong.begin(), wrong.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<WrongDerivative> sorted;
    for (auto& [place, one] : wrong) sorted.push_back(std::move(one));
    return sorted;
  }

 private:
  WrittenAdjoint AdjointOf(const GradientClaims& claims, const Value* value) const {
    if (value == scalar_) return {nullptr, 1};
    return claims.adjoints.at(value);
  }

  // The equation of what `users` contribute to the adjoint of `from`: through them, and on through what has no adjoint,
  // to what has one. Without an end nothing flows there; without users they are all.
  GradientEquation Through(const GradientClaims& claims, const Value* from,
                           absl::flat_hash_set<const Statement*> users) const {
    GradientEquation equation;
    equation.reach.from = from;
    std::set<int> readers;
    const auto see = [&](const Value* value) {
      for (const Statement* s : order_.users(value)) {
        if (value != from || users.empty() || users.contains(s)) readers.insert(order_.place(s));
      }
    };
    for (see(from); !readers.empty();) {
      const Statement* s = order_.statements()[static_cast<size_t>(*readers.begin())];
      readers.erase(readers.begin());
      if (!leads_.contains(s) || s->op == Op::kStopGradient) continue;
      const Value* result = s->result();
      const bool end = result == scalar_ || claims.adjoints.contains(result);
      equation.reach.statements.push_back(s);
      if (!end) {
        if (ir::IsFloat(result->type.element)) see(result);
        continue;
      }
      equation.reach.ends.push_back(result);
      equation.incoming.push_back(AdjointOf(claims, result));
    }
    equation.reach.entries = std::move(users);
    return equation;
  }

  // The same for a custom vjp: through the statements that compute its value from that argument, the others standing
  // still.
  GradientEquation ThroughBody(const GradientClaims& claims, const Value* from, const Statement& custom) const {
    GradientEquation equation;
    equation.reach.from = from;
    absl::flat_hash_set<const Value*> held(custom.operands.begin() + 1,
                                           custom.operands.begin() + 1 + custom.Int("arguments"));
    absl::flat_hash_set<const Value*> reached = {from};
    for (const Statement* s : order_.Before({&custom.operands[0], 1})) {
      if (s->results.size() != 1 || s->op == Op::kStopGradient || held.contains(s->result())) continue;
      if (std::none_of(s->operands.begin(), s->operands.end(), [&](const Value* v) { return reached.contains(v); }))
        continue;
      reached.insert(s->result());
      equation.reach.statements.push_back(s);
    }
    equation.reach.statements.push_back(&custom);
    equation.reach.ends = {custom.result()};
    equation.incoming = {AdjointOf(claims, custom.result())};
    return equation;
  }

  // Drops from printed claims those by an ambiguous name that do not hold: they are something else.
  absl::Status Settle(GradientClaims& claims) {
    for (auto it = before_scalar_.rbegin(); it != before_scalar_.rend(); ++it) {
      const Value* value = (*it)->results.empty() ? nullptr : (*it)->result();
      if (!claims.ambiguous.contains(value)) continue;
      GradientEquation equation = Through(claims, value, {});
      equation.claims = {{claims.adjoints.at(value), 1}};
      ASSIGN_OR_RETURN(const Judgement judgement, judge_.Judge(equation, judge_.Direction(value, random_), false));
      const bool holds =
          judgement.verdict == GradientVerdict::kRight || judgement.verdict == GradientVerdict::kRounding;
      if (!holds || equation.reach.ends.empty()) claims.adjoints.erase(value);
    }
    return absl::OkStatus();
  }

  bool Tells(const Judgement& judgement) const {
    return judgement.verdict == GradientVerdict::kWrong || (kinks_ && judgement.verdict == GradientVerdict::kKink);
  }

  using Found = std::vector<std::pair<int, WrongDerivative>>;

  // What an argument of a custom vjp is a copy of: the function itself reads that. Null: it is none.
  static const Value* CopiedArgument(const Value* value) {
    const Statement* copy = value->definition;
    if (copy == nullptr || copy->op != Op::kReshape || copy->operands[0]->type != value->type) return nullptr;
    return copy->operands[0];
  }
  static bool IsCopyOfAnother(const Value* value, const Statement& custom) {
    const Value* copied = CopiedArgument(value);
    return copied != nullptr &&
           std::find(custom.operands.begin() + 1, custom.operands.end(), copied) != custom.operands.end();
  }

  absl::Status JudgeParts(const GradientClaims& claims, const Value* value, const WrittenAdjoint& adjoint,
                          Found& wrong) {
    const auto found = claims.parts.find(value);
    if (found == claims.parts.end()) return absl::OkStatus();
    GradientEquation sum;
    sum.reach.from = value;
    sum.claims = {{adjoint, 1}};
    bool any = false, complete = true;
    for (const GradientClaims::Part& part : found->second) {
      for (const WrittenAdjoint& contribution : part.contributions) sum.claims.push_back({contribution, -1});
      complete = complete && !part.gone;
      if (claims.trusted.contains(part.user)) continue;
      const bool known = part.user->result() == scalar_ || claims.adjoints.contains(part.user->result());
      if (part.gone || (part.user->op == Op::kCustomVjp && !known)) continue;
      const Value* copied = CopiedArgument(value);
      GradientEquation equation = part.user->op == Op::kCustomVjp
                                      ? ThroughBody(claims, copied != nullptr ? copied : value, *part.user)
                                      : Through(claims, value, part.through);
      for (const WrittenAdjoint& contribution : part.contributions) equation.claims.push_back({contribution, 1});
      if (part.user->op == Op::kCustomVjp) {
        // An argument that is given twice is two operands, the second a copy that the function itself does not read.
        if (IsCopyOfAnother(value, *part.user)) continue;
        for (const Value* copy : part.user->operands) {
          if (copy->definition == nullptr || !IsCopyOfAnother(copy, *part.user) ||
              copy->definition->operands[0] != value)
            continue;
          const auto of_copy = claims.parts.find(copy);
          if (of_copy == claims.parts.end()) continue;
          for (const auto& other : of_copy->second) {
            for (const WrittenAdjoint& contribution : other.contributions) equation.claims.push_back({contribution, 1});
          }
        }
      }
      const size_t before = found_;
      RETURN_IF_ERROR(JudgeOne(equation, part.user, adjoint, wrong));
      any = any || found_ > before;
    }
    // The adjoint is the sum of its parts.
    return any || !complete ? absl::OkStatus() : JudgeOne(sum, found->second.back().user, adjoint, wrong);
  }

  absl::Status JudgePrinted(const GradientClaims& claims, const Value* value, const WrittenAdjoint& adjoint,
                            Found& wrong) {
    GradientEquation whole = Through(claims, value, {});
    whole.claims = {{adjoint, 1}};
    ASSIGN_OR_RETURN(const Judgement judgement, judge_.Judge(whole, judge_.Direction(value, random_), false));
    if (!Tells(judgement)) return absl::OkStatus();
    const size_t before = found_;
    for (Share& share : Shares(claims, value, adjoint)) {
      GradientEquation equation = Through(claims, value, share.users);
      for (const Term& term : share.terms) equation.claims.push_back({term.value, term.sign});
      const WrittenAdjoint written = share.terms.size() == 1 ? share.terms[0].value : adjoint;
      RETURN_IF_ERROR(JudgeOne(equation, share.statement, written, wrong));
    }
    // The terms are right, or cannot be told apart.
    if (found_ == before) {
      const auto& reached = whole.reach.statements;
      return Report(whole, reached.empty() ? value->definition : reached.front(), adjoint, wrong);
    }
    return absl::OkStatus();
  }

  // Of a printed adjoint: some of the statements that read its value, and the terms that come from them.
  struct Share {
    absl::flat_hash_set<const Statement*> users;
    std::vector<Term> terms;
    const Statement* statement = nullptr;  // by which to call it
    std::vector<const Statement*> prints;  // in order: through which the users reach what has an adjoint
  };
  std::vector<Share> Shares(const GradientClaims& claims, const Value* value, const WrittenAdjoint& adjoint) const {
    std::vector<Share> shares;
    for (const Statement* user : order_.users(value)) {
      const GradientEquation through = Through(claims, value, {user});
      if (through.reach.ends.empty()) continue;
      Share share;
      share.users = {user};
      share.statement = order_.Root(user);
      for (const Statement* s : through.reach.statements) share.prints.push_back(order_.Root(s));
      shares.push_back(std::move(share));
    }
    for (const Term& term : TermsOf(claims, adjoint.value)) {
      const auto of = [&](const Statement* s) { return order_.IsCalled(s, term.of); };
      // All shares that can have this term become one.
      Share* first = nullptr;
      for (Share& share : shares) {
        const auto found = std::find_if(share.prints.begin(), share.prints.end(), of);
        if (found == share.prints.end()) continue;
        if (first == nullptr) {
          first = &share;
          first->terms.push_back(term);
          first->statement = *found;
          continue;
        }
        first->users.insert(share.users.begin(), share.users.end());
        first->terms.insert(first->terms.end(), share.terms.begin(), share.terms.end());
        first->prints.insert(first->prints.end(), share.prints.begin(), share.prints.end());
        share.users.clear();
      }
      if (first == nullptr) return {};  // nobody knows where it comes from
      std::erase_if(shares, [](const Share& share) { return share.users.empty(); });
    }
    return shares;
  }

  absl::Status JudgeOne(const GradientEquation& equation, const Statement* user, const WrittenAdjoint& adjoint,
                        Found& wrong) {
    ASSIGN_OR_RETURN(const Judgement judgement,
                     judge_.Judge(equation, judge_.Direction(equation.reach.from, random_), false));
    if (!Tells(judgement)) return absl::OkStatus();
    return Report(equation, user, adjoint, wrong);
  }

  absl::Status Report(const GradientEquation& equation, const Statement* user, const WrittenAdjoint& adjoint,
                      Found& wrong) {
    ++found_;
    const Value* value = equation.reach.from;
    const Statement* root = order_.Spoken(user);
    WrongDerivative one;
    one.name = root->result()->name;
    one.place = root->note;
    if (user->op == Op::kCustomVjp) one.rule = user->Text("rule");
    const Statement* of = value->definition == nullptr ? nullptr : order_.Root(value->definition);
    one.by = of == nullptr ? value->name : of->result()->name;
    // Of a loop the first of its steps will do.
    if (std::any_of(wrong.begin(), wrong.end(), [&](const auto& other) {
          return other.second.name == one.name && other.second.by == one.by &&
                 other.second.place.SamePosition(one.place);
        }))
      return absl::OkStatus();
    if (adjoint.value != nullptr) one.adjoint = order_.Root(adjoint.value->definition)->result()->name;
    ASSIGN_OR_RETURN(const int64_t element, judge_.WorstElement(equation, random_));
    ASSIGN_OR_RETURN(const Judgement there, judge_.Compare(equation, judge_.Unit(value, element)));
    one.element = IndexOf(element, value->type.shape);
    one.analytic = there.analytic;
    one.numeric = there.numeric;
    // Two directions agree on how they relate, or nothing simple is to be said.
    double ratios[2];
    for (double& ratio : ratios) {
      ASSIGN_OR_RETURN(const Judgement judgement, judge_.Compare(equation, judge_.Direction(value, random_)));
      ratio = judgement.analytic / judgement.numeric;
    }
    if (std::abs(ratios[0] - ratios[1]) < 1e-6 * std::max(1.0, std::abs(ratios[0]))) one.what = Describe(ratios[0]);
    wrong.emplace_back(order_.place(user), std::move(one));
    return absl::OkStatus();
  }

  const Value* scalar_;
  const GraphOrder& order_;
  const GradientJudge& judge_;
  std::mt19937_64& random_;
  const bool kinks_;
  std::vector<const Statement*> before_scalar_;
  absl::flat_hash_set<const Statement*> leads_;
  size_t found_ = 0;  // equations that do not hold, those that are told once included
};

}  // namespace

ir::Ints IndexOf(int64_t flat, const ir::Shape& shape) {
  ir::Ints index(shape.size());
  for (size_t i = shape.size(); i-- > 0; flat /= shape[i]) index[i] = flat % shape[i];
  return index;
}

absl::StatusOr<std::vector<WrongDerivative>> FindWrongDerivatives(const GradientClaims& claims, const Value* scalar,
                                                                  const GraphOrder& order, const GradientJudge& judge,
                                                                  std::mt19937_64& random, bool kinks) {
  return Finder(scalar, order, judge, random, kinks).Run(claims);
}

}  // namespace gradus::runtime
