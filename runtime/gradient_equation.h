// One equation that a right gradient fulfils, and the judgement whether it does.
//
//   Σ ⟨claim, u⟩  =  Σ ⟨adjoint of an end, change of that end along u⟩      for every direction u of a value
//
// With the value a parameter, its gradient the claim and the loss the end, this is the gradient as a whole; with a
// value that a statement reads, what that statement contributes to its adjoint and the result of the statement, it is
// one derivative alone, given the incoming adjoint: an equation that does not hold is where the gradient goes wrong.
#pragma once

#include <random>
#include <vector>

#include "absl/status/statusor.h"
#include "passes/differentiate.h"
#include "runtime/gradient_point.h"

namespace gradus::runtime {

struct GradientEquation {
  struct Claim {
    passes::WrittenAdjoint value;
    double sign = 1;
  };
  std::vector<Claim> claims;
  Reach reach;
  std::vector<passes::WrittenAdjoint> incoming;  // the adjoints of reach.ends
  // Of reach.passed: what a trusted rule says that they contribute.
  std::vector<passes::WrittenAdjoint> trusted;
};

enum class GradientVerdict {
  kRight,
  kWrong,
  kKink,       // the direction leaves a kink: the claim lies between the slopes on both sides
  kRounding,   // nothing but rounding is left of the gradient
  kNotFinite,  // something is infinite or not a number, so there is nothing to compare
};

struct Judgement {
  GradientVerdict verdict = GradientVerdict::kRight;
  double analytic = 0;
  double numeric = 0;  // by tangents
  double scale = 0;    // of the sums on both sides: an error is relative to it
  double error = 0;    // |analytic - numeric| / scale
  bool has_difference = false;
  double difference = 0;                // by differences of the value
  const ir::Statement* kink = nullptr;  // what takes another branch within the smallest step
  double left = 0, right = 0;           // the slopes there
  bool jump = false;                    // it is no kink but a jump, which has no slopes
};

class GradientJudge {
 public:
  // `tolerance` is relative to the scale of an equation; errors up to `floor` are rounding. `noisy` is the same point
  // with other rounding, made when first asked for.
  using NoisyPoint = std::function<absl::StatusOr<const GradientPoint*>()>;
  GradientJudge(const GradientPoint& point, double tolerance, double floor, NoisyPoint noisy)
      : point_(point), tolerance_(tolerance), floor_(floor), noisy_(std::move(noisy)) {}

  // A random direction of a value, its elements of the size of the value's own; 0 outside [begin, end).
  SharedArray Direction(const ir::Value* value, std::mt19937_64& random, int64_t begin = 0, int64_t end = -1) const;
  // Element `index` alone.
  SharedArray Unit(const ir::Value* value, int64_t index) const;

  // Compares by tangents alone.
  absl::StatusOr<Judgement> Compare(const GradientEquation& equation, const SharedArray& direction) const;
  // Compares by tangents and, where those disagree or `differences` asks for it, by differences. Wrong is what neither
  // of them nor rounding nor a kink explains.
  absl::StatusOr<Judgement> Judge(const GradientEquation& equation, const SharedArray& direction,
                                  bool differences) const;
  // The element with about the largest error.
  absl::StatusOr<int64_t> WorstElement(const GradientEquation& equation, std::mt19937_64& random) const;

 private:
  struct Sides {
    double analytic = 0, numeric = 0, scale = 0;
  };
  absl::StatusOr<Sides> SidesAt(const GradientPoint& point, const GradientEquation& equation,
                                const SharedArray& direction, uint64_t rounding = 0) const;
  absl::Status Difference(const GradientEquation& equation, const SharedArray& direction, Judgement& judgement,
                          double& uncertainty) const;
  absl::StatusOr<bool> OnlyKinks(const GradientEquation& equation, const SharedArray& direction) const;

  const GradientPoint& point_;
  double tolerance_, floor_;
  NoisyPoint noisy_;
};

}  // namespace gradus::runtime
