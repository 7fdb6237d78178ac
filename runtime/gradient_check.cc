#include "runtime/gradient_check.h"

#include <algorithm>
#include <cmath>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ir/check.h"
#include "ir/error.h"
#include "ir/widen.h"
#include "runtime/gradient_claims.h"
#include "runtime/gradient_locate.h"
#include "runtime/gradient_trace.h"
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
// What rounding leaves of equal sums in double is below 1e-12; the constants of a program printed in f32 are exact to
// 6e-8.
constexpr double kTolerance = 1e-8, kTolerancePrinted = 1e-6;

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

// Of a scan with every step of its body.
ir::Size BytesOf(const Statement& s) {
  ir::Size bytes(0);
  for (const auto& result : s.results) bytes = bytes + result->type.elements() * ir::Size(sizeof(double));
  if (s.op != Op::kScan && s.op != Op::kBranch) return bytes;
  ir::Size body(0);
  for (const auto& inner : s.region->statements) body = body + BytesOf(*inner);
  return bytes + body * ir::Size(s.op == Op::kScan ? s.Int("length") : 1);
}

bool IsFused(const Statement& s) {
  if (s.op == Op::kFused) return true;
  return s.region != nullptr && std::any_of(s.region->statements.begin(), s.region->statements.end(),
                                            [](const auto& inner) { return IsFused(*inner); });
}

// `limit` 0: half of what there is.
absl::Status CheckFits(const std::string& name, ir::Size bytes, int64_t limit) {
  if (limit == 0) {
    const auto available = AvailableMemory();
    if (!available) return absl::OkStatus();
    limit = available->bytes / 2;
  }
  if (bytes.ok() && bytes.value() <= limit) return absl::OkStatus();
  return ir::ErrorStatus(absl::StatusCode::kResourceExhausted, ir::ErrorKind::kMemoryLimit, name,
                         ": the check keeps every value in f64, which takes ",
                         bytes.ok() ? HumanBytes(bytes.value()) : "more bytes than 63 bits can count",
                         "; half of what there is are ", HumanBytes(limit),
                         ". A smaller batch (--set) is as good a proof");
}

// What has to be computed for the proof.
std::vector<const Statement*> NeededFor(const ir::Graph& graph, const std::vector<WrittenGradient>& all) {
  std::vector<const Value*> roots;
  const auto need = [&](const WrittenAdjoint& written) {
    if (written.value != nullptr) roots.push_back(written.value);
  };
  for (const WrittenGradient& gradient : all) {
    roots.insert(roots.end(), gradient.scalars.begin(), gradient.scalars.end());
    for (const WrittenAdjoint& result : gradient.gradients) need(result);
    for (const auto& [value, adjoint] : gradient.record.adjoints) need(adjoint);
    for (const auto& part : gradient.record.parts) need(part.contribution);
  }
  return GraphOrder(graph).Before(roots);
}

absl::Status CheckNeeded(const std::string& name, absl::Span<const Statement* const> needed, int64_t limit) {
  ir::Size bytes(0);
  for (const Statement* s : needed) {
    if (IsFused(*s))
      return ir::ErrorStatus(ir::ErrorKind::kNothingToProve, name,
                             " was printed after fusion: print it with `gradus grad` or `gradus show --stage step`");
    bytes = bytes + BytesOf(*s);
  }
  return CheckFits(name, bytes, limit);
}

class Checker {
 public:
  Checker(const Trace& trace, const GradientCheckOptions& options, double tolerance)
      : declared_(trace.declared),
        options_(options),
        tolerance_(tolerance),
        order_(trace.graph, &trace.places),
        random_(options.seed) {}

  absl::StatusOr<std::vector<GradientCheck>> Run(const std::vector<GradientClaims>& all) {
    for (const GradientClaims& claims : all) work_ += static_cast<double>(claims.by.size()) * (kDirections + 2) + 1;
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
  absl::StatusOr<GradientPoint> MakePoint(uint64_t rounding) {
    size_t done = 0;
    const auto statements = order_.statements();
    return GradientPoint::Create(statements, declared_, rounding, [&] {
      if (options_.progress && rounding == 0)
        options_.progress(0.1 * static_cast<double>(done++) / static_cast<double>(statements.size()), "values in f64");
    });
  }

  void Worked(double amount, absl::string_view doing) {
    worked_ += amount;
    if (options_.progress) options_.progress(0.1 + 0.9 * std::min(worked_ / work_, 1.0), doing);
  }

  // What rounding leaves where a gradient cancels, beside the largest gradient by any parameter.
  double Floor(const GradientClaims& claims) const {
    double largest = 0;
    for (size_t i = 0; i < claims.by.size(); ++i) {
      double squares = 0;
      for (const double x : point_->At(claims.by[i]).data<double>()) squares += x * x;
      const double size = TypicalElement(claims.gradients[i]) * std::sqrt(squares);
      if (std::isfinite(size)) largest = std::max(largest, size);
    }
    return 1e-14 * largest;
  }

  GradientJudge MakeJudge(const GradientClaims& claims) {
    return GradientJudge(*point_, tolerance_, Floor(claims), [this]() -> absl::StatusOr<const GradientPoint*> {
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
    // Of several candidates the one with which most is right; one that is not finite where nothing else fits.
    const Value* scalar = nullptr;
    const Value* not_finite = nullptr;
    for (const Value* candidate : claims.scalars) {
      if (!AllFinite(point_->At(candidate))) {
        not_finite = candidate;
        continue;
      }
      Worked(1, "every statement");
      ASSIGN_OR_RETURN(std::vector<WrongDerivative> wrong,
                       FindWrongDerivatives(claims, candidate, order_, judge, random_));
      if (scalar == nullptr || wrong.size() < check.wrong.size()) {
        scalar = candidate;
        check.wrong = std::move(wrong);
      }
      if (check.wrong.empty()) break;
    }
    if (not_finite != nullptr && (scalar == nullptr || !check.wrong.empty())) {
      scalar = not_finite;
      check.wrong.clear();
    }
    check.of = scalar->name;
    for (size_t i = 0; i < claims.by.size(); ++i) {
      ASSIGN_OR_RETURN(ParameterCheck parameter, CheckParameter(claims, i, scalar, judge));
      // What is no number cannot be compared, and can hide the cause also where nothing of it reaches the parameter.
      const bool hidden = parameter.verdict == GradientVerdict::kWrong && check.wrong.empty();
      if ((parameter.verdict == GradientVerdict::kNotFinite || hidden) && !check.not_finite)
        check.not_finite = FindNotFinite(claims.gradients[i], scalar);
      check.parameters.push_back(std::move(parameter));
    }
    const bool wrong = std::any_of(check.parameters.begin(), check.parameters.end(),
                                   [](const auto& p) { return p.verdict == GradientVerdict::kWrong; });
    if (wrong && check.wrong.empty() && !check.not_finite) {
      ASSIGN_OR_RETURN(check.wrong, FindWrongDerivatives(claims, scalar, order_, judge, random_, /*kinks=*/true));
    }
    return check;
  }

  // --- a parameter as a whole

  // Everything through which `from` reaches the scalar. What a trusted rule is for stands still, and its arguments
  // contribute what the rule says.
  GradientEquation Whole(const GradientClaims& claims, const Value* from, const Value* scalar) const {
    GradientEquation equation;
    Reach& reach = equation.reach;
    reach.from = from;
    reach.ends = {scalar};
    equation.incoming = {{nullptr, 1}};
    absl::flat_hash_set<const Value*> reached = {from};
    for (const Statement* s : order_.Before({&scalar, 1})) {
      if (s->op == Op::kStopGradient || s->results.empty() || s->result() == from) continue;
      if (claims.trusted.contains(s)) {
        for (size_t i = 1; i < s->operands.size(); ++i) {
          if (reached.contains(s->operands[i])) Pass(claims, s->operands[i], *s, equation);
        }
        continue;
      }
      // What only the rule of a custom vjp reads does not change its value.
      const size_t read = s->op == Op::kCustomVjp ? 1 : s->operands.size();
      const bool reads = std::any_of(s->operands.begin(), s->operands.begin() + static_cast<int64_t>(read),
                                     [&](const Value* operand) { return reached.contains(operand); });
      if (!reads) continue;
      reached.insert(s->result());
      reach.statements.push_back(s);
    }
    return equation;
  }

  static void Pass(const GradientClaims& claims, const Value* argument, const Statement& custom,
                   GradientEquation& equation) {
    const auto found = claims.parts.find(argument);
    if (found == claims.parts.end()) return;
    for (const GradientClaims::Part& part : found->second) {
      if (part.user != &custom) continue;
      for (const WrittenAdjoint& contribution : part.contributions) {
        equation.reach.passed.push_back(argument);
        equation.trusted.push_back(contribution);
      }
    }
  }

  absl::StatusOr<ParameterCheck> CheckParameter(const GradientClaims& claims, size_t i, const Value* scalar,
                                                GradientJudge& judge) {
    const Value* by = claims.by[i];
    ParameterCheck check;
    check.name = by->name;
    check.shape = by->type.shape;
    GradientEquation equation = Whole(claims, by, scalar);
    equation.claims = {{claims.gradients[i], 1}};
    if (!AllFinite(point_->At(scalar))) {
      check.verdict = GradientVerdict::kNotFinite;
      return check;
    }
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
      if (judgement.verdict == GradientVerdict::kWrong && error > tolerance_ &&
          check.verdict == GradientVerdict::kRight) {
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
        const auto of = std::find_if(before.begin(), before.end(), [&](const Statement* from) {
          return from->op == Op::kCustomVjp && !root->note.of.empty() && from->result()->name == root->note.of;
        });
        return NotFinite{root->result()->name, root->note, nan ? "nan" : "inf",
                         of == before.end() ? "" : (*of)->Text("rule")};
      }
    }
    return absl::nullopt;
  }

  const ValueArrays& declared_;
  const GradientCheckOptions& options_;
  double tolerance_;
  GraphOrder order_;
  std::mt19937_64 random_;
  std::unique_ptr<GradientPoint> point_, noisy_;
  double work_ = 1, worked_ = 0;
};

std::string RuleOf(const Statement& custom) {
  const std::string rule = custom.Text("rule");
  return rule.substr(0, rule.find(' '));
}

void Rules(const ir::Region& region, absl::flat_hash_set<std::string>& rules) {
  for (const auto& s : region.statements) {
    if (s->op == Op::kCustomVjp) rules.insert(RuleOf(*s));
    if (s->region != nullptr) Rules(*s->region, rules);
  }
}

absl::Status CheckTrusted(const ir::Graph& graph, const std::vector<std::string>& names) {
  absl::flat_hash_set<std::string> rules;
  Rules(graph.body, rules);
  for (const std::string& name : names) {
    if (!rules.contains(name))
      return ir::ErrorStatus(ir::ErrorKind::kNothingToProve, graph.name, ": no function ", name,
                             " with a vjp is used in it, so there is no rule to trust");
  }
  return absl::OkStatus();
}

// Marks the rules that count as right.
void Trust(const ir::Graph& graph, const std::vector<std::string>& names, std::vector<GradientClaims>& claims) {
  for (const auto& s : graph.body.statements) {
    if (s->op != Op::kCustomVjp) continue;
    const std::string rule = RuleOf(*s);
    if (rule != "straight_through" && !absl::c_linear_search(names, rule)) continue;
    for (GradientClaims& one : claims) one.trusted.insert(s.get());
  }
}

absl::StatusOr<ValueArrays> Bind(const ir::Graph& graph, const ir::NamedTensors& declared) {
  ValueArrays arrays;
  for (const auto& s : graph.body.statements) {
    if (!ir::IsDeclaration(s->op)) continue;
    const Value* value = s->result();
    const auto found = declared.find(value->name);
    if (found == declared.end())
      return ir::ErrorStatus(ir::ErrorKind::kNoData, ir::Info(s->op).mnemonic, " ", value->name, " of ", graph.name,
                             " has no value: ", ir::ToString(value->type));
    const ir::Tensor& tensor = found->second;
    const bool fits = tensor.type().shape == value->type.shape &&
                      (ir::IsFloat(value->type.element) ? ir::IsFloat(tensor.type().element)
                                                        : tensor.type().element == value->type.element);
    if (!fits)
      return ir::ErrorStatus(ir::ErrorKind::kDataType, ir::Info(s->op).mnemonic, " ", value->name, " of ", graph.name,
                             " is ", ir::ToString(value->type), " but was given ", ir::ToString(tensor.type()));
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

absl::Status CheckGradientFits(const ir::Graph& graph) {
  ir::Size bytes(0);
  for (const auto& s : graph.body.statements) {
    if (s->section != "update") bytes = bytes + BytesOf(*s);
  }
  return CheckFits(graph.name, bytes, 0);
}

absl::StatusOr<std::vector<GradientCheck>> CheckGradients(ir::Graph graph, const ir::NamedTensors& declared,
                                                          const GradientCheckOptions& options) {
  const bool rounded = ir::Widen(graph);
  double tolerance = kTolerance;
  ASSIGN_OR_RETURN(std::vector<WrittenGradient> written, DifferentiateAndRecord(graph));
  if (written.empty()) {
    ASSIGN_OR_RETURN(written, ReadClaims(graph, GraphOrder(graph)));
    if (rounded) tolerance = kTolerancePrinted;
  }
  RETURN_IF_ERROR(CheckTrusted(graph, options.trusted));
  ASSIGN_OR_RETURN(const ValueArrays arrays, Bind(graph, declared));
  const std::vector<const Statement*> needed = NeededFor(graph, written);
  RETURN_IF_ERROR(CheckNeeded(graph.name, needed, options.memory_limit));
  ASSIGN_OR_RETURN(const Trace trace, TraceAt(needed, arrays));
  std::vector<GradientClaims> claims;
  for (const WrittenGradient& gradient : written) claims.push_back(InTrace(gradient, trace));
  Trust(trace.graph, options.trusted, claims);
  return Checker(trace, options, tolerance).Run(claims);
}

}  // namespace gradus::runtime
