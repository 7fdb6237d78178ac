#include "runtime/gradient_equation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ir/check.h"
#include "ir/evaluate.h"

namespace gradus::runtime {
namespace {

using ir::Arithmetic;
using ir::Array;
using ir::Value;

constexpr double kSteps[] = {1e-3, 1e-4, 1e-5, 1e-6, 1e-7};
// A difference has to be this much more exact than what it decides about.
constexpr double kDecisive = 0.1;

// Σ w · x, and Σ |w · x|.
void AddInner(const GradientPoint& point, const passes::WrittenAdjoint& weight, const Array& x, double& sum,
              double& magnitude) {
  const auto data = x.data<double>();
  const auto add = [&](double product) {
    sum += product;
    magnitude += std::abs(product);
  };
  if (weight.value == nullptr) {
    if (weight.number == 0) return;
    for (const double element : data) add(weight.number * element);
    return;
  }
  const Array& array = point.At(weight.value);
  Array broadcast;
  const Array* full = &array;
  if (array.type().shape != x.type().shape) {
    broadcast = ir::BroadcastTo(array, x.type().shape);
    full = &broadcast;
  }
  const auto weights = full->data<double>();
  // 0 times infinity is left out: an adjoint of 0 says that nothing flows there.
  for (size_t i = 0; i < data.size(); ++i) {
    if (weights[i] != 0 && data[i] != 0) add(weights[i] * data[i]);
  }
}

double RootMeanSquare(const Array& x) {
  double sum = 0;
  for (const double element : x.data<double>()) sum += element * element;
  return x.size() == 0 ? 0 : std::sqrt(sum / static_cast<double>(x.size()));
}

SharedArray Along(const Array& x, const Array& direction, double step) {
  auto moved = std::make_shared<Array>(x.type(), Arithmetic::kDouble);
  const auto from = x.data<double>(), u = direction.data<double>();
  const auto to = moved->data<double>();
  for (size_t i = 0; i < to.size(); ++i) to[i] = from[i] + step * u[i];
  return moved;
}

SharedArray Within(const Array& x, int64_t begin, int64_t end) {
  auto part = std::make_shared<Array>(x.type(), Arithmetic::kDouble);
  const auto from = x.data<double>();
  const auto to = part->data<double>();
  std::fill(to.begin(), to.end(), 0.0);
  std::copy(from.begin() + begin, from.begin() + end, to.begin() + begin);
  return part;
}

SharedArray Minus(const Array& a, const Array& b) {
  auto result = std::make_shared<Array>(a.type(), Arithmetic::kDouble);
  const auto x = a.data<double>(), y = b.data<double>();
  const auto to = result->data<double>();
  for (size_t i = 0; i < to.size(); ++i) to[i] = x[i] == y[i] ? 0 : x[i] - y[i];
  return result;
}

}  // namespace

SharedArray GradientJudge::Direction(const Value* value, std::mt19937_64& random, int64_t begin, int64_t end) const {
  auto direction = std::make_shared<Array>(value->type, Arithmetic::kDouble);
  const double size = RootMeanSquare(point_.At(value));
  const double scale = size > 0 && std::isfinite(size) ? size : 1;
  const auto data = direction->data<double>();
  if (end < 0) end = static_cast<int64_t>(data.size());
  for (size_t i = 0; i < data.size(); ++i) {
    const bool inside = static_cast<int64_t>(i) >= begin && static_cast<int64_t>(i) < end;
    // Never small, so that no element goes unnoticed.
    const uint64_t bits = random();
    const double magnitude = 0.5 + static_cast<double>(bits >> 11) * 0x1p-53;
    data[i] = inside ? (bits % 2 == 0 ? scale : -scale) * magnitude : 0;
  }
  return direction;
}

SharedArray GradientJudge::Unit(const Value* value, int64_t index) const {
  auto direction = std::make_shared<Array>(value->type, Arithmetic::kDouble);
  const auto data = direction->data<double>();
  std::fill(data.begin(), data.end(), 0.0);
  data[index] = 1;
  return direction;
}

absl::StatusOr<GradientJudge::Sides> GradientJudge::SidesAt(const GradientPoint& point,
                                                            const GradientEquation& equation,
                                                            const SharedArray& direction, uint64_t rounding) const {
  Sides sides;
  double analytic_scale = 0, numeric_scale = 0;
  for (const GradientEquation::Claim& claim : equation.claims) {
    double sum = 0;
    AddInner(point, claim.value, *direction, sum, analytic_scale);
    sides.analytic += claim.sign * sum;
  }
  ASSIGN_OR_RETURN(const ValueArrays tangents, point.Tangents(equation.reach, direction, rounding));
  for (size_t i = 0; i < equation.reach.ends.size(); ++i) {
    const auto found = tangents.find(equation.reach.ends[i]);
    if (found == tangents.end()) continue;
    AddInner(point, equation.incoming[i], *found->second, sides.numeric, numeric_scale);
  }
  for (size_t i = 0; i < equation.reach.passed.size(); ++i) {
    const auto found = tangents.find(equation.reach.passed[i]);
    if (found == tangents.end()) continue;
    AddInner(point, equation.trusted[i], *found->second, sides.numeric, numeric_scale);
  }
  sides.scale = std::max(analytic_scale, numeric_scale);
  return sides;
}

absl::StatusOr<Judgement> GradientJudge::Compare(const GradientEquation& equation, const SharedArray& direction) const {
  ASSIGN_OR_RETURN(const Sides sides, SidesAt(point_, equation, direction));
  Judgement judgement;
  judgement.analytic = sides.analytic;
  judgement.numeric = sides.numeric;
  judgement.scale = sides.scale;
  const double distance = std::abs(sides.analytic - sides.numeric);
  if (!std::isfinite(sides.analytic)) {
    judgement.verdict = GradientVerdict::kNotFinite;
  } else if (!std::isfinite(distance)) {
    judgement.verdict = GradientVerdict::kWrong;
    judgement.error = std::numeric_limits<double>::infinity();
  } else {
    judgement.error = distance == 0 ? 0 : distance / sides.scale;
    judgement.verdict = judgement.error <= tolerance_ ? GradientVerdict::kRight : GradientVerdict::kWrong;
  }
  return judgement;
}

// The five-point rule at the largest step that crosses no kink and is exact enough; where every step crosses one, the
// slopes on both sides.
absl::Status GradientJudge::Difference(const GradientEquation& equation, const SharedArray& direction,
                                       Judgement& judgement, double& uncertainty) const {
  const Array& x = point_.At(equation.reach.from);
  BranchChanges branches;
  double roundoff = 0;
  const auto f = [&](double step, BranchChanges* crossed) -> absl::StatusOr<double> {
    ASSIGN_OR_RETURN(const ValueArrays moved, point_.Moved(equation.reach, Along(x, *direction, step), crossed));
    double sum = 0, magnitude = 0;
    const auto add = [&](const Value* end, const passes::WrittenAdjoint& weight) {
      const auto found = moved.find(end);
      if (found == moved.end()) return;
      double all = 0;
      AddInner(point_, weight, *Minus(*found->second, point_.At(end)), sum, magnitude);
      AddInner(point_, weight, point_.At(end), all, roundoff);
    };
    for (size_t i = 0; i < equation.reach.ends.size(); ++i) add(equation.reach.ends[i], equation.incoming[i]);
    for (size_t i = 0; i < equation.reach.passed.size(); ++i) add(equation.reach.passed[i], equation.trusted[i]);
    return sum;
  };
  double best = std::numeric_limits<double>::infinity();
  for (const double h : kSteps) {
    branches.clear();
    roundoff = 0;
    double at[4] = {};
    const double steps[] = {2 * h, -2 * h, h, -h};
    for (int i = 0; i < 4 && branches.empty(); ++i) {
      ASSIGN_OR_RETURN(at[i], f(steps[i], &branches));
    }
    if (!branches.empty()) continue;
    const double three = (at[2] - at[3]) / (2 * h);
    const double five = (8 * (at[2] - at[3]) - (at[0] - at[1])) / (12 * h);
    const double bound = 0.1 * std::abs(five - three) + 8 * std::numeric_limits<double>::epsilon() * roundoff / h;
    if (!std::isfinite(bound) || bound >= best) continue;
    best = bound;
    judgement.has_difference = true;
    judgement.difference = five;
    uncertainty = bound;
    if (bound <= 1e-7 * judgement.scale) break;
  }
  if (judgement.has_difference || branches.empty()) return absl::OkStatus();
  // The slopes at a kink are the same however near; at a jump they grow without bound, and say nothing.
  judgement.kink = branches.front().first;
  double slopes[2][2];
  for (int i = 0; i < 2; ++i) {
    const double h = kSteps[std::size(kSteps) - 1 - i];
    ASSIGN_OR_RETURN(const double right, f(h, nullptr));
    ASSIGN_OR_RETURN(const double left, f(-h, nullptr));
    slopes[i][0] = -left / h;
    slopes[i][1] = right / h;
  }
  judgement.left = slopes[0][0];
  judgement.right = slopes[0][1];
  for (int side = 0; side < 2; ++side) {
    const double change = std::abs(slopes[0][side] - slopes[1][side]);
    judgement.jump |= !(change <= 1e-3 * std::max(judgement.scale, std::abs(slopes[0][side])));
  }
  return absl::OkStatus();
}

// Whether every element along which the sides disagree leaves a kink, its claim between the slopes there. Halves the
// direction until no kink is in the way.
absl::StatusOr<bool> GradientJudge::OnlyKinks(const GradientEquation& equation, const SharedArray& direction) const {
  const int64_t size = direction->size();
  std::vector<std::pair<int64_t, int64_t>> ranges = {{0, size}};
  for (int budget = 512; !ranges.empty() && budget > 0; --budget) {
    const auto [begin, end] = ranges.back();
    ranges.pop_back();
    const SharedArray part = Within(*direction, begin, end);
    ASSIGN_OR_RETURN(Judgement judgement, Compare(equation, part));
    if (judgement.verdict == GradientVerdict::kRight) continue;
    if (end - begin > 1) {
      ranges.emplace_back(begin, begin + (end - begin) / 2);
      ranges.emplace_back(begin + (end - begin) / 2, end);
      continue;
    }
    double uncertainty = 0;
    RETURN_IF_ERROR(Difference(equation, part, judgement, uncertainty));
    const double slack = 1e-4 * judgement.scale;
    if (judgement.kink == nullptr || judgement.jump ||
        judgement.analytic < std::min(judgement.left, judgement.right) - slack ||
        judgement.analytic > std::max(judgement.left, judgement.right) + slack)
      return false;
  }
  return true;
}

absl::StatusOr<Judgement> GradientJudge::Judge(const GradientEquation& equation, const SharedArray& direction,
                                               bool differences) const {
  ASSIGN_OR_RETURN(Judgement judgement, Compare(equation, direction));
  if (judgement.verdict == GradientVerdict::kNotFinite) return judgement;
  double uncertainty = 0;
  const bool disagrees = judgement.verdict == GradientVerdict::kWrong;
  if (disagrees || differences) RETURN_IF_ERROR(Difference(equation, direction, judgement, uncertainty));
  if (!disagrees) return judgement;
  const double distance = std::abs(judgement.analytic - judgement.numeric);
  if (distance <= floor_) {
    judgement.verdict = GradientVerdict::kRounding;
    return judgement;
  }
  if (judgement.kink != nullptr) {
    ASSIGN_OR_RETURN(const bool kinks, OnlyKinks(equation, direction));
    if (kinks) {
      judgement.verdict = GradientVerdict::kKink;
    } else if (!std::isfinite(distance)) {
      judgement.verdict = GradientVerdict::kNotFinite;  // nothing to compare with
    }
    return judgement;
  }
  if (judgement.has_difference) {
    const double from_difference = std::abs(judgement.analytic - judgement.difference);
    // Of a tangent that is not finite the difference is the only judge.
    const double decisive = std::isfinite(distance) ? kDecisive * distance : 1e-5 * judgement.scale;
    if (uncertainty <= decisive && from_difference <= decisive) judgement.verdict = GradientVerdict::kRight;
    // Nor can it tell apart what lies within its own rounding: at a point like 1 ** (1 / 0), where the value stands
    // still.
    if (!std::isfinite(distance) && judgement.verdict == GradientVerdict::kWrong && from_difference <= uncertainty)
      judgement.verdict = GradientVerdict::kRounding;
    // Two against one. Rounding is asked only where differences cannot tell: it can tip the scales of a tie.
    if (uncertainty <= decisive && std::abs(judgement.numeric - judgement.difference) <= decisive) return judgement;
  }
  if (judgement.verdict != GradientVerdict::kWrong) return judgement;
  if (!std::isfinite(distance)) {
    if (!judgement.has_difference) judgement.verdict = GradientVerdict::kNotFinite;  // nothing to compare with
    return judgement;
  }
  ASSIGN_OR_RETURN(const GradientPoint* noisy, noisy_());
  double noise = 0;
  for (uint64_t rounding = 1; rounding <= 3; ++rounding) {
    ASSIGN_OR_RETURN(const Sides other, SidesAt(*noisy, equation, direction, rounding));
    noise =
        std::max(noise, std::abs(other.analytic - judgement.analytic) + std::abs(other.numeric - judgement.numeric));
  }
  if (!(distance > 100 * noise)) judgement.verdict = GradientVerdict::kRounding;
  return judgement;
}

absl::StatusOr<int64_t> GradientJudge::WorstElement(const GradientEquation& equation, std::mt19937_64& random) const {
  const Value* value = equation.reach.from;
  int64_t begin = 0, end = point_.At(value).size();
  while (end - begin > 1) {
    const int64_t middle = begin + (end - begin) / 2;
    double errors[2];
    for (int half = 0; half < 2; ++half) {
      const SharedArray direction = Direction(value, random, half == 0 ? begin : middle, half == 0 ? middle : end);
      ASSIGN_OR_RETURN(const Judgement judgement, Compare(equation, direction));
      const double error = std::abs(judgement.analytic - judgement.numeric);
      errors[half] = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
    }
    (errors[0] >= errors[1] ? end : begin) = middle;
  }
  return begin;
}

}  // namespace gradus::runtime
