#include "runtime/gradient_check.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ir/check.h"
#include "ir/widen.h"
#include "runtime/gradient_claims.h"
#include "runtime/machine.h"
#include "runtime/progress.h"

namespace gradus::runtime {
namespace {

using ir::Array;
using ir::Op;
using ir::Statement;
using ir::Value;
using passes::WrittenAdjoint;

constexpr int kDirections = 2;
constexpr size_t kMostWrong = 20;
// What rounding leaves of equal sums in double is below 1e-12; the constants of a program printed in f32 are exact to
// 6e-8.
constexpr double kTolerance = 1e-8, kTolerancePrinted = 1e-6;

ir::Ints IndexOf(int64_t flat, const ir::Shape& shape) {
  ir::Ints index(shape.size());
  for (size_t i = shape.size(); i-- > 0; flat /= shape[i]) index[i] = flat % shape[i];
  return index;
}

bool AllFinite(const Array& x) {
  if (x.element() != ir::Element::kDouble) return true;
  const auto data = x.data<double>();
  return std::all_of(data.begin(), data.end(), [](double v) { return std::isfinite(v); });
}

bool AnyNan(const Array& x) {
  if (x.element() != ir::Element::kDouble) return false;
  const auto data = x.data<double>();
  return std::any_of(data.begin(), data.end(), [](double v) { return std::isnan(v); });
}

// How a wrong contribution relates to the right one, where that is simple.
std::string Describe(double ratio) {
  if (std::abs(ratio) < 1e-6) return "it is missing";
  if (std::abs(ratio + 1) < 1e-6) return "its sign is wrong";
  for (const double factor : {2.0, 3.0, 4.0, 0.5, 0.25, -2.0, -0.5}) {
    if (std::abs(ratio - factor) < 1e-6) return absl::StrCat("it is ", factor, " times what it must be");
  }
  return absl::StrFormat("it is %.4g times what it must be", ratio);
}

class Checker {
 public:
  Checker(const ir::Graph& graph, const GradientCheckOptions& options)
      : graph_(graph), options_(options), order_(graph), random_(options.seed) {}

  absl::StatusOr<std::vector<GradientCheck>> Run(const std::vector<GradientClaims>& all, const ValueArrays& declared) {
    std::vector<const Value*> roots;
    const auto need = [&](const WrittenAdjoint& written) {
      if (written.value != nullptr) roots.push_back(written.value);
    };
    for (const GradientClaims& claims : all) {
      roots.insert(roots.end(), claims.scalars.begin(), claims.scalars.end());
      for (const WrittenAdjoint& gradient : claims.gradients) need(gradient);
      for (const auto& [value, adjoint] : claims.adjoints) need(adjoint);
      for (const auto& [value, parts] : claims.parts) {
        for (const auto& part : parts) std::for_each(part.contributions.begin(), part.contributions.end(), need);
      }
      work_ += static_cast<double>(claims.by.size()) * (kDirections + 2) + 1;
    }
    needed_ = order_.Before(roots);
    RETURN_IF_ERROR(CheckMemory());
    declared_ = &declared;
    ASSIGN_OR_RETURN(GradientPoint point, MakePoint(0));
    point_ = std::make_unique<GradientPoint>(std::move(point));
    std::vector<GradientCheck> checks;
    for (const GradientClaims& claims : all) {
      ASSIGN_OR_RETURN(GradientCheck check, CheckOne(claims));
      checks.push_back(std::move(check));
    }
    return checks;
  }

 private:
  absl::Status CheckMemory() const {
    double bytes = 0;
    for (const Statement* s : needed_) {
      if (s->op == Op::kFused)
        return absl::InvalidArgumentError(absl::StrCat(
            graph_.name, " was printed after fusion: print it with `gradus grad` or `gradus show --stage step`"));
      for (const auto& result : s->results) bytes += static_cast<double>(result->type.elements().value()) * 8;
    }
    int64_t limit = options_.memory_limit;
    if (limit == 0) {
      const auto available = AvailableMemory();
      if (!available) return absl::OkStatus();
      limit = available->bytes / 2;
    }
    if (bytes <= static_cast<double>(limit)) return absl::OkStatus();
    return absl::ResourceExhaustedError(absl::StrCat(
        graph_.name, ": the check keeps every value in f64, which takes ", HumanBytes(static_cast<int64_t>(bytes)),
        "; half of what there is are ", HumanBytes(limit), ". A smaller batch (--set) is as good a proof"));
  }

  absl::StatusOr<GradientPoint> MakePoint(uint64_t rounding) {
    size_t done = 0;
    return GradientPoint::Create(needed_, *declared_, rounding, [&] {
      if (options_.progress && rounding == 0)
        options_.progress(0.1 * static_cast<double>(done++) / static_cast<double>(needed_.size()), "values in f64");
    });
  }

  void Worked(double amount, absl::string_view doing) {
    worked_ += amount;
    if (options_.progress) options_.progress(0.1 + 0.9 * std::min(worked_ / work_, 1.0), doing);
  }

  GradientJudge MakeJudge(const GradientClaims& claims) {
    return GradientJudge(*point_, claims.printed ? kTolerancePrinted : kTolerance,
                         [this]() -> absl::StatusOr<const GradientPoint*> {
                           if (noisy_ == nullptr) {
                             ASSIGN_OR_RETURN(GradientPoint point, MakePoint(options_.seed + 1));
                             noisy_ = std::make_unique<GradientPoint>(std::move(point));
                           }
                           return noisy_.get();
                         });
  }

  absl::StatusOr<GradientCheck> CheckOne(const GradientClaims& claims) {
    GradientJudge judge = MakeJudge(claims);
    GradientCheck check;
    check.place = claims.note;
    const Value* scalar = claims.scalars.front();
    for (const Value* candidate : claims.scalars) {
      ASSIGN_OR_RETURN(std::vector<WrongDerivative> wrong, FindWrong(claims, candidate, judge));
      if (candidate == scalar || wrong.size() < check.wrong.size()) {
        scalar = candidate;
        check.wrong = std::move(wrong);
      }
      if (check.wrong.empty()) break;
    }
    check.of = scalar->name;
    for (size_t i = 0; i < claims.by.size(); ++i) {
      ASSIGN_OR_RETURN(ParameterCheck parameter, CheckParameter(claims, i, scalar, judge));
      if (parameter.verdict == GradientVerdict::kNotFinite && !check.not_finite)
        check.not_finite = FindNotFinite(claims.gradients[i], scalar);
      check.parameters.push_back(std::move(parameter));
    }
    return check;
  }

  // --- a parameter as a whole

  // Everything through which `from` reaches the scalar.
  Reach ReachOf(const Value* from, const Value* scalar) const {
    Reach reach;
    reach.from = from;
    reach.ends = {scalar};
    absl::flat_hash_set<const Value*> reached = {from};
    for (const Statement* s : order_.Before({&scalar, 1})) {
      if (s->op == Op::kStopGradient || s->results.empty()) continue;
      // What only the rule of a custom vjp reads does not change its value.
      const size_t read = s->op == Op::kCustomVjp ? 1 : s->operands.size();
      const bool reads = std::any_of(s->operands.begin(), s->operands.begin() + static_cast<int64_t>(read),
                                     [&](const Value* operand) { return reached.contains(operand); });
      if (!reads || s->result() == from) continue;
      reached.insert(s->result());
      reach.statements.push_back(s);
    }
    return reach;
  }

  absl::StatusOr<ParameterCheck> CheckParameter(const GradientClaims& claims, size_t i, const Value* scalar,
                                                GradientJudge& judge) {
    const Value* by = claims.by[i];
    ParameterCheck check;
    check.name = by->name;
    check.shape = by->type.shape;
    GradientEquation equation;
    equation.claims = {{claims.gradients[i], 1}};
    equation.reach = ReachOf(by, scalar);
    equation.incoming = {{nullptr, 1}};
    const auto take = [&](const Judgement& judgement) {
      check.error = std::max(check.error, judgement.error);
      if (Severity(judgement.verdict) > Severity(check.verdict)) check.verdict = judgement.verdict;
    };
    for (int direction = 0; direction < kDirections; ++direction) {
      ASSIGN_OR_RETURN(const Judgement judgement, judge.Judge(equation, judge.Direction(by, random_), direction == 0));
      if (direction == 0 || (judgement.verdict == GradientVerdict::kWrong && judgement.error > check.along.error &&
                             judgement.has_difference))
        check.along = judgement;
      take(judgement);
      Worked(direction == 0 ? 2 : 1, by->name);
      if (judgement.verdict == GradientVerdict::kNotFinite) return check;
    }
    // Errors of single elements are relative to the size of all of them.
    double worst = -1;
    ASSIGN_OR_RETURN(const std::vector<int64_t> elements, Elements(claims.gradients[i], by, equation, judge, check));
    for (const int64_t element : elements) {
      ASSIGN_OR_RETURN(Judgement judgement, judge.Compare(equation, judge.Unit(by, element)));
      const double distance = std::abs(judgement.analytic - judgement.numeric);
      const double size = std::max(std::abs(judgement.numeric), TypicalElement(claims.gradients[i]));
      const double error = distance == 0 ? 0 : distance / size;
      if (error <= worst) continue;
      worst = error;
      check.element = IndexOf(element, check.shape);
      check.analytic = judgement.analytic;
      check.numeric = judgement.numeric;
      if (judgement.verdict == GradientVerdict::kWrong && error > kTolerance &&
          check.verdict == GradientVerdict::kRight && !claims.printed) {
        ASSIGN_OR_RETURN(judgement, judge.Judge(equation, judge.Unit(by, element), false));
        take(judgement);
      }
    }
    if (check.verdict == GradientVerdict::kRight || check.verdict == GradientVerdict::kWrong)
      check.error = std::max(check.error, worst);
    Worked(1, by->name);
    return check;
  }

  static int Severity(GradientVerdict verdict) {
    switch (verdict) {
      case GradientVerdict::kRight:
        return 0;
      case GradientVerdict::kRounding:
        return 1;
      case GradientVerdict::kKink:
        return 2;
      case GradientVerdict::kWrong:
        return 3;
      case GradientVerdict::kNotFinite:
        break;
    }
    return 4;
  }

  double TypicalElement(const WrittenAdjoint& gradient) const {
    if (gradient.value == nullptr) return std::abs(gradient.number);
    double sum = 0;
    for (const double x : point_->At(gradient.value).data<double>()) sum += x * x;
    return std::sqrt(sum / static_cast<double>(std::max<int64_t>(point_->At(gradient.value).size(), 1)));
  }

  // All elements of a small parameter, else the largest derivative and random ones; of a wrong gradient its worst one
  // too.
  absl::StatusOr<std::vector<int64_t>> Elements(const WrittenAdjoint& gradient, const Value* by,
                                                const GradientEquation& equation, const GradientJudge& judge,
                                                const ParameterCheck& check) {
    const int64_t size = point_->At(by).size();
    std::vector<int64_t> elements;
    if (size <= 2 * options_.elements) {
      for (int64_t i = 0; i < size; ++i) elements.push_back(i);
      return elements;
    }
    if (gradient.value != nullptr && point_->At(gradient.value).size() == size) {
      const auto data = point_->At(gradient.value).data<double>();
      const auto less = [](double a, double b) { return std::abs(a) < std::abs(b); };
      elements.push_back(std::max_element(data.begin(), data.end(), less) - data.begin());
    }
    while (static_cast<int64_t>(elements.size()) < options_.elements)
      elements.push_back(static_cast<int64_t>(random_() % static_cast<uint64_t>(size)));
    if (check.verdict == GradientVerdict::kWrong) {
      ASSIGN_OR_RETURN(const int64_t worst, judge.WorstElement(equation, random_));
      elements.push_back(worst);
    }
    return elements;
  }

  absl::optional<NotFinite> FindNotFinite(const WrittenAdjoint& gradient, const Value* scalar) const {
    std::vector<const Value*> roots = {scalar};
    if (gradient.value != nullptr) roots.push_back(gradient.value);
    const std::vector<const Statement*> before = order_.Before(roots);
    // Infinities can be meant, as in masks; what is no number never is.
    for (const bool nan : {true, false}) {
      for (const Statement* s : before) {
        if (s->results.size() != 1) continue;
        const auto bad = [&](const Array& x) { return nan ? AnyNan(x) : !AllFinite(x); };
        if (!bad(point_->At(s->result()))) continue;
        if (std::any_of(s->operands.begin(), s->operands.end(),
                        [&](const Value* operand) { return bad(point_->At(operand)); }))
          continue;
        const Statement* root = order_.Root(s);
        return NotFinite{root->result()->name, root->note, nan ? "nan" : "inf"};
      }
    }
    return absl::nullopt;
  }

  // --- one derivative at a time

  WrittenAdjoint AdjointOf(const GradientClaims& claims, const Value* value, const Value* scalar) const {
    if (value == scalar) return {nullptr, 1};
    return claims.adjoints.at(value);
  }

  // The equation of what `users` contribute to the adjoint of `from`: through them, and on through what has no adjoint,
  // to what has one. Without an end nothing flows there; without users they are all.
  GradientEquation Through(const GradientClaims& claims, const Value* from, const Value* scalar,
                           absl::flat_hash_set<const Statement*> users) const {
    GradientEquation equation;
    equation.reach.from = from;
    absl::flat_hash_set<const Value*> open;
    absl::flat_hash_set<const Value*> ends;
    for (const Statement* s : before_scalar_) {
      if (s->results.size() != 1 || s->op == Op::kStopGradient) continue;
      const bool reads = std::any_of(s->operands.begin(), s->operands.end(), [&](const Value* v) {
        return v == from ? users.empty() || users.contains(s) : open.contains(v);
      });
      if (!reads) continue;
      const Value* result = s->result();
      const bool end = result == scalar || claims.adjoints.contains(result);
      equation.reach.statements.push_back(s);
      if (!end) {
        if (ir::IsFloat(result->type.element)) open.insert(result);
        continue;
      }
      equation.reach.ends.push_back(result);
      equation.incoming.push_back(AdjointOf(claims, result, scalar));
    }
    equation.reach.entries = std::move(users);
    return equation;
  }

  // The same for a custom vjp: through the statements that compute its value from that argument, the others standing
  // still.
  GradientEquation ThroughBody(const GradientClaims& claims, const Value* from, const Value* scalar,
                               const Statement& custom) const {
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
    equation.incoming = {AdjointOf(claims, custom.result(), scalar)};
    return equation;
  }

  absl::StatusOr<std::vector<WrongDerivative>> FindWrong(const GradientClaims& claims, const Value* scalar,
                                                         GradientJudge& judge) {
    std::vector<std::pair<int, WrongDerivative>> wrong;
    before_scalar_ = order_.Before({&scalar, 1});
    for (const Statement* s : before_scalar_) {
      for (const auto& result : s->results) {
        const auto found = claims.adjoints.find(result.get());
        if (found == claims.adjoints.end() || result.get() == scalar) continue;
        if (claims.printed) {
          RETURN_IF_ERROR(JudgePrinted(claims, result.get(), found->second, scalar, judge, wrong));
        } else {
          RETURN_IF_ERROR(JudgeParts(claims, result.get(), found->second, scalar, judge, wrong));
        }
        if (wrong.size() >= kMostWrong) break;
      }
    }
    std::stable_sort(wrong.begin(), wrong.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<WrongDerivative> sorted;
    for (auto& [place, one] : wrong) sorted.push_back(std::move(one));
    Worked(1, "every statement");
    return sorted;
  }

  using Found = std::vector<std::pair<int, WrongDerivative>>;

  static bool IsCopyOfAnother(const Value* value, const Statement& custom) {
    const Statement* copy = value->definition;
    if (copy == nullptr || copy->op != Op::kReshape || copy->operands[0]->type != value->type) return false;
    return std::find(custom.operands.begin() + 1, custom.operands.end(), copy->operands[0]) != custom.operands.end();
  }

  absl::Status JudgeParts(const GradientClaims& claims, const Value* value, const WrittenAdjoint& adjoint,
                          const Value* scalar, GradientJudge& judge, Found& wrong) {
    const auto found = claims.parts.find(value);
    if (found == claims.parts.end()) return absl::OkStatus();
    GradientEquation sum;
    sum.reach.from = value;
    sum.claims = {{adjoint, 1}};
    bool any = false, complete = true;
    for (const GradientClaims::Part& part : found->second) {
      for (const WrittenAdjoint& contribution : part.contributions) sum.claims.push_back({contribution, -1});
      complete = complete && !part.gone;
      const bool known = part.user->result() == scalar || claims.adjoints.contains(part.user->result());
      if (part.gone || (part.user->op == Op::kCustomVjp && !known)) continue;
      GradientEquation equation = part.user->op == Op::kCustomVjp ? ThroughBody(claims, value, scalar, *part.user)
                                                                  : Through(claims, value, scalar, {part.user});
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
      const size_t before = wrong.size();
      RETURN_IF_ERROR(JudgeOne(equation, part.user, adjoint, judge, wrong));
      any = any || wrong.size() > before;
    }
    // The adjoint is the sum of its parts.
    return any || !complete ? absl::OkStatus() : JudgeOne(sum, found->second.back().user, adjoint, judge, wrong);
  }

  absl::Status JudgePrinted(const GradientClaims& claims, const Value* value, const WrittenAdjoint& adjoint,
                            const Value* scalar, GradientJudge& judge, Found& wrong) {
    GradientEquation whole = Through(claims, value, scalar, {});
    whole.claims = {{adjoint, 1}};
    ASSIGN_OR_RETURN(const Judgement judgement, judge.Judge(whole, judge.Direction(value, random_), false));
    if (judgement.verdict != GradientVerdict::kWrong) return absl::OkStatus();
    const size_t before = wrong.size();
    for (Share& share : Shares(claims, value, adjoint, scalar)) {
      GradientEquation equation = Through(claims, value, scalar, share.users);
      for (const Term& term : share.terms) equation.claims.push_back({term.value, term.sign});
      const WrittenAdjoint written = share.terms.size() == 1 ? share.terms[0].value : adjoint;
      RETURN_IF_ERROR(JudgeOne(equation, share.statement, written, judge, wrong));
    }
    // The terms are right, or cannot be told apart.
    if (wrong.size() == before) return Report(whole, whole.reach.statements.front(), adjoint, judge, wrong);
    return absl::OkStatus();
  }

  // Of a printed adjoint: some of the statements that read its value, and the terms that come from them.
  struct Share {
    absl::flat_hash_set<const Statement*> users;
    std::vector<Term> terms;
    const Statement* statement = nullptr;          // by which to call it
    absl::flat_hash_set<const Statement*> prints;  // through which the users reach what has an adjoint
  };
  std::vector<Share> Shares(const GradientClaims& claims, const Value* value, const WrittenAdjoint& adjoint,
                            const Value* scalar) const {
    std::vector<Share> shares;
    for (const Statement* user : order_.users(value)) {
      const GradientEquation through = Through(claims, value, scalar, {user});
      if (through.reach.ends.empty()) continue;
      Share share;
      share.users = {user};
      share.statement = order_.Root(user);
      for (const Statement* s : through.reach.statements) share.prints.insert(order_.Root(s));
      shares.push_back(std::move(share));
    }
    for (const Term& term : TermsOf(claims, adjoint.value)) {
      const auto of = [&](const Statement* s) {
        return !s->results.empty() && std::find(term.of.begin(), term.of.end(), s->result()->name) != term.of.end();
      };
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
        first->prints.insert(share.prints.begin(), share.prints.end());
        share.users.clear();
      }
      std::erase_if(shares, [](const Share& share) { return share.users.empty(); });
    }
    return shares;
  }

  absl::Status JudgeOne(const GradientEquation& equation, const Statement* user, const WrittenAdjoint& adjoint,
                        GradientJudge& judge, Found& wrong) {
    ASSIGN_OR_RETURN(const Judgement judgement,
                     judge.Judge(equation, judge.Direction(equation.reach.from, random_), false));
    if (judgement.verdict != GradientVerdict::kWrong) return absl::OkStatus();
    return Report(equation, user, adjoint, judge, wrong);
  }

  absl::Status Report(const GradientEquation& equation, const Statement* user, const WrittenAdjoint& adjoint,
                      GradientJudge& judge, Found& wrong) {
    const Value* value = equation.reach.from;
    const Statement* root = order_.Root(user);
    WrongDerivative one;
    if (!root->results.empty()) one.name = root->result()->name;
    one.place = root->note;
    if (user->op == Op::kCustomVjp) one.rule = user->Text("rule");
    const Statement* of = value->definition == nullptr ? nullptr : order_.Root(value->definition);
    one.by = of == nullptr ? value->name : of->result()->name;
    if (adjoint.value != nullptr) one.adjoint = order_.Root(adjoint.value->definition)->result()->name;
    ASSIGN_OR_RETURN(const int64_t element, judge.WorstElement(equation, random_));
    ASSIGN_OR_RETURN(const Judgement there, judge.Compare(equation, judge.Unit(value, element)));
    one.element = IndexOf(element, value->type.shape);
    one.analytic = there.analytic;
    one.numeric = there.numeric;
    // Two directions agree on how they relate, or nothing simple is to be said.
    double ratios[2];
    for (double& ratio : ratios) {
      ASSIGN_OR_RETURN(const Judgement judgement, judge.Compare(equation, judge.Direction(value, random_)));
      ratio = judgement.analytic / judgement.numeric;
    }
    if (std::abs(ratios[0] - ratios[1]) < 1e-6 * std::max(1.0, std::abs(ratios[0]))) one.what = Describe(ratios[0]);
    wrong.emplace_back(order_.place(user), std::move(one));
    return absl::OkStatus();
  }

  const ir::Graph& graph_;
  const GradientCheckOptions& options_;
  GraphOrder order_;
  std::mt19937_64 random_;
  std::vector<const Statement*> needed_, before_scalar_;
  const ValueArrays* declared_ = nullptr;
  std::unique_ptr<GradientPoint> point_, noisy_;
  double work_ = 1, worked_ = 0;
};

absl::StatusOr<ValueArrays> Bind(const ir::Graph& graph, const ir::NamedTensors& declared) {
  ValueArrays arrays;
  for (const auto& s : graph.body.statements) {
    if (!ir::IsDeclaration(s->op)) continue;
    const Value* value = s->result();
    const auto found = declared.find(value->name);
    if (found == declared.end())
      return absl::InvalidArgumentError(absl::StrCat(ir::Info(s->op).mnemonic, " ", value->name, " of ", graph.name,
                                                     " has no value: ", ir::ToString(value->type)));
    const ir::Tensor& tensor = found->second;
    const bool fits = tensor.type().shape == value->type.shape &&
                      (ir::IsFloat(value->type.element) ? ir::IsFloat(tensor.type().element)
                                                        : tensor.type().element == value->type.element);
    if (!fits)
      return absl::InvalidArgumentError(absl::StrCat(ir::Info(s->op).mnemonic, " ", value->name, " of ", graph.name,
                                                     " is ", ir::ToString(value->type), " but was given ",
                                                     ir::ToString(tensor.type())));
    arrays[value] = std::make_shared<Array>(Array::From(tensor, ir::Arithmetic::kDouble));
  }
  return arrays;
}

}  // namespace

bool GradientCheck::ok() const {
  return wrong.empty() && std::all_of(parameters.begin(), parameters.end(), [](const ParameterCheck& p) {
           return p.verdict != GradientVerdict::kWrong && p.verdict != GradientVerdict::kNotFinite;
         });
}

absl::StatusOr<std::vector<GradientCheck>> CheckGradients(ir::Graph graph, const ir::NamedTensors& declared,
                                                          const GradientCheckOptions& options) {
  ir::Widen(graph);
  ASSIGN_OR_RETURN(std::vector<GradientClaims> claims, DifferentiateAndRecord(graph));
  if (claims.empty()) {
    ASSIGN_OR_RETURN(claims, ReadClaims(graph, GraphOrder(graph)));
  }
  ASSIGN_OR_RETURN(const ValueArrays arrays, Bind(graph, declared));
  return Checker(graph, options).Run(claims, arrays);
}

}  // namespace gradus::runtime
