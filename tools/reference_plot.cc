#include "tools/reference_plot.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "ir/check.h"

namespace gradus::tools {
namespace {

constexpr int kPoints = 281;

// With a margin, so that a line at the edge is seen whole.
Axis AxisOf(double low, double high) {
  const double span = std::max(high - low, 1e-9);
  double tick = std::pow(10.0, std::floor(std::log10(span)) - 1);
  for (const double factor : {2.0, 2.5, 2.0, 2.0, 2.5}) {  // 1, 2, 5, 10, 20, 50
    if (span / tick <= 9) break;
    tick *= factor;
  }
  return {low - 0.03 * span, high + 0.03 * span, tick};
}

enum class Smoothness { kContinuous, kMayJump };

// Whether a curve jumps between i - 1 and i: by far more than beside it. A derivative jumps twice where its value at a
// kink is neither of the limits; a value seldom does, and bends more often.
bool Jumps(const std::vector<double>& y, size_t i, Smoothness smoothness) {
  const auto step = [&](size_t at) {
    return at < 1 || at >= y.size() || !std::isfinite(y[at]) || !std::isfinite(y[at - 1]) ? 0
                                                                                          : std::abs(y[at] - y[at - 1]);
  };
  if (smoothness == Smoothness::kMayJump) return step(i) > 0.1 && step(i) > 5 * std::min(step(i - 1), step(i + 1));
  return step(i) > 0.02 && step(i) > 5 * std::max(step(i - 1), step(i + 1));
}

// Splits a curve where it jumps or is no number.
Curve MakeCurve(std::string label, const std::vector<double>& x, const std::vector<double>& y, Smoothness smoothness) {
  Curve curve{std::move(label), {}};
  bool open = false;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(y[i])) {
      open = false;
      continue;
    }
    if (!open || Jumps(y, i, smoothness)) curve.pieces.emplace_back();
    open = true;
    curve.pieces.back().emplace_back(x[i], y[i]);
  }
  return curve;
}

// The text from `input` to the end of the literal of the first input, which is replaced.
std::string WithPoints(const std::string& statements, const std::vector<double>& x) {
  const size_t type = statements.find('[');
  const size_t end = std::min(statements.find_first_of(";\n"), statements.size());
  std::vector<std::string> others;
  std::string text = absl::StrCat(
      statements.substr(0, type), "[", x.size(), "] = [",
      absl::StrJoin(x, ", ", [](std::string* out, double value) { absl::StrAppendFormat(out, "%.4f", value); }), "]",
      statements.substr(end));
  // The other vectors have as many elements.
  const std::string length = absl::StrCat("[", x.size(), "]");
  for (size_t at = text.find("input ", end); at != std::string::npos; at = text.find("input ", at + 1)) {
    const size_t open = text.find('[', at), close = text.find(']', at);
    text.replace(open, close - open + 1, length);
  }
  return text;
}

std::vector<double> Doubles(const ir::Tensor& tensor) {
  const auto data = tensor.data<double>();
  return {data.begin(), data.end()};
}

}  // namespace

bool IsPlotted(const std::string& statements, const Example& example) {
  if (example.inputs.empty() || example.results.size() != 1 || example.gradients.empty()) return false;
  const ir::Type& x = example.inputs[0].second.type();
  if (!ir::IsFloat(x.element) || x.rank() != 1 || example.results[0].second.type() != x ||
      !absl::StartsWith(statements, "input "))
    return false;
  // Of several inputs all but the first are the same everywhere: `= zeros`.
  for (const auto& [name, other] : example.inputs) {
    if (other.type() != x) return false;
  }
  return statements.find("= [") == statements.rfind("= [");
}

absl::StatusOr<Plot> PlotFunction(const std::string& name, const std::string& statements) {
  ExampleOptions options;
  options.f64 = true;
  ASSIGN_OR_RETURN(const Example shown, WorkOut(statements, options));
  CHECK(IsPlotted(statements, shown)) << name;
  const std::vector<double> given = Doubles(shown.inputs[0].second);
  double low = *std::min_element(given.begin(), given.end()), high = *std::max_element(given.begin(), given.end());
  const bool probability = low == 0 && high == 1;
  if (!probability) {
    low -= 1;
    high += 1;
  }
  std::vector<double> x(kPoints);
  for (int i = 0; i < kPoints; ++i) x[i] = low + (high - low) * i / (kPoints - 1);
  ASSIGN_OR_RETURN(const Example example, WorkOut(WithPoints(statements, x), options));
  const std::vector<double> y = Doubles(example.results[0].second), slope = Doubles(example.gradients[0].second);
  // As much of the values as is about as high as wide.
  double least = 0, most = 0;
  for (const std::vector<double>* values : {&y, &slope}) {
    for (const double v : *values) {
      if (!std::isfinite(v)) continue;
      least = std::max(std::min(least, v), probability ? -5 : low);
      most = std::min(std::max(most, v), probability ? 5 : high);
    }
  }
  return Plot{
      absl::StrCat(name, " and its derivative"),
      "x",
      AxisOf(low, high),
      AxisOf(least, most),
      {MakeCurve(name, x, y, Smoothness::kContinuous), MakeCurve("derivative", x, slope, Smoothness::kMayJump)}};
}

Plot PlotSchedule(const std::string& name, const std::vector<double>& values) {
  std::vector<double> steps(values.size());
  for (size_t i = 0; i < steps.size(); ++i) steps[i] = static_cast<double>(i + 1);
  return Plot{absl::StrCat(name, " over ", values.size(), " steps"),
              "step",
              AxisOf(0, static_cast<double>(values.size())),
              AxisOf(0, *std::max_element(values.begin(), values.end())),
              {MakeCurve(name, steps, values, Smoothness::kContinuous)}};
}

}  // namespace gradus::tools
