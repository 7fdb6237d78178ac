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

constexpr int kWidth = 440, kHeight = 300;
constexpr int kLeft = 44, kRight = 16, kTop = 32, kBottom = 32;
constexpr int kPoints = 281;

struct Curve {
  std::string label;
  std::string style;  // attributes of its lines
  std::vector<std::vector<std::pair<double, double>>> pieces;
};

// What is shown of the plane in one direction.
struct Axis {
  double low, high, tick;
};

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
Curve MakeCurve(std::string label, std::string style, const std::vector<double>& x, const std::vector<double>& y,
                Smoothness smoothness) {
  Curve curve{std::move(label), std::move(style), {}};
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

// `0.25`, `-3`.
std::string Label(double value) { return absl::StrFormat("%g", std::abs(value) < 1e-12 ? 0 : value); }

class Figure {
 public:
  Figure(std::string title, Axis x, Axis y) : title_(std::move(title)), x_(x), y_(y) {}

  // Mid tones and no background, so that it can be read on a light page and on a dark one.
  std::string Draw(const std::vector<Curve>& curves, absl::string_view x_label) {
    absl::StrAppend(&text_, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", kWidth, " ", kHeight,
                    "\" width=\"", kWidth, "\" height=\"", kHeight, "\" role=\"img\" aria-label=\"", title_, "\">\n",
                    "<g font-family=\"sans-serif\" font-size=\"11\" fill=\"#808488\">\n");
    Ticks();
    absl::StrAppend(&text_, "<text x=\"", kWidth - kRight, "\" y=\"", kHeight - 4, "\" text-anchor=\"end\">", x_label,
                    "</text>\n");
    int at = kLeft;
    for (const Curve& curve : curves) {
      absl::StrAppend(&text_, "<line x1=\"", at, "\" y1=\"16\" x2=\"", at + 24, "\" y2=\"16\" ", curve.style, "/>\n",
                      "<text x=\"", at + 30, "\" y=\"20\" font-size=\"13\">", curve.label, "</text>\n");
      at += 48 + 8 * static_cast<int>(curve.label.size());
    }
    absl::StrAppend(&text_, "</g>\n<clipPath id=\"plane\"><rect x=\"", kLeft, "\" y=\"", kTop, "\" width=\"",
                    kWidth - kLeft - kRight, "\" height=\"", kHeight - kTop - kBottom,
                    "\"/></clipPath>\n<g clip-path=\"url(#plane)\" fill=\"none\">\n");
    for (const Curve& curve : curves) {
      for (const auto& piece : curve.pieces) Line(piece, curve.style);
    }
    return text_ + "</g>\n</svg>\n";
  }

 private:
  double PlaceX(double x) const { return kLeft + (x - x_.low) / (x_.high - x_.low) * (kWidth - kLeft - kRight); }
  double PlaceY(double y) const {
    // Far outside the plane nothing is seen; shorter numbers.
    const double share = std::clamp((y - y_.low) / (y_.high - y_.low), -1.0, 2.0);
    return kHeight - kBottom - share * (kHeight - kTop - kBottom);
  }

  void Ticks() {
    const auto line = [&](double x1, double y1, double x2, double y2, bool zero) {
      absl::StrAppendFormat(&text_,
                            "<line x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\" stroke=\"#808488\" "
                            "stroke-opacity=\"%s\"/>\n",
                            x1, y1, x2, y2, zero ? "0.9" : "0.25");
    };
    for (double i = std::ceil(x_.low / x_.tick); i * x_.tick <= x_.high; ++i) {
      const double x = i * x_.tick;
      line(PlaceX(x), kTop, PlaceX(x), kHeight - kBottom, std::abs(x) < 1e-9);
      absl::StrAppendFormat(&text_, "<text x=\"%.2f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", PlaceX(x),
                            kHeight - kBottom + 14, Label(x));
    }
    for (double i = std::ceil(y_.low / y_.tick); i * y_.tick <= y_.high; ++i) {
      const double y = i * y_.tick;
      line(kLeft, PlaceY(y), kWidth - kRight, PlaceY(y), std::abs(y) < 1e-9);
      absl::StrAppendFormat(&text_, "<text x=\"%d\" y=\"%.2f\" text-anchor=\"end\">%s</text>\n", kLeft - 6,
                            PlaceY(y) + 4, Label(y));
    }
  }

  void Line(const std::vector<std::pair<double, double>>& points, absl::string_view style) {
    if (points.size() == 1) {  // the value at a kink
      absl::StrAppendFormat(&text_, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2\" %s/>\n", PlaceX(points[0].first),
                            PlaceY(points[0].second), style);
      return;
    }
    // Points on a straight line between their neighbours are left out.
    std::vector<std::string> places;
    for (size_t i = 0; i < points.size(); ++i) {
      if (i > 0 && i + 1 < points.size()) {
        const double before = PlaceY(points[i - 1].second), here = PlaceY(points[i].second),
                     after = PlaceY(points[i + 1].second);
        if (std::abs(before - 2 * here + after) < 1e-6) continue;
      }
      places.push_back(absl::StrFormat("%.1f,%.1f", PlaceX(points[i].first), PlaceY(points[i].second)));
    }
    absl::StrAppend(&text_, "<polyline points=\"", absl::StrJoin(places, " "), "\" ", style, "/>\n");
  }

  std::string title_, text_;
  Axis x_, y_;
};

constexpr char kValueStyle[] = "stroke=\"#3b82f6\" stroke-width=\"2.5\"";
constexpr char kDerivativeStyle[] = "stroke=\"#ea7317\" stroke-width=\"2\" stroke-dasharray=\"6 4\"";

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

absl::StatusOr<std::string> PlotFunction(const std::string& name, const std::string& statements) {
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
  Figure figure(absl::StrCat(name, " and its derivative"), AxisOf(low, high), AxisOf(least, most));
  return figure.Draw({MakeCurve(name, kValueStyle, x, y, Smoothness::kContinuous),
                      MakeCurve("derivative", kDerivativeStyle, x, slope, Smoothness::kMayJump)},
                     "x");
}

std::string PlotSchedule(const std::string& name, const std::vector<double>& values) {
  std::vector<double> steps(values.size());
  for (size_t i = 0; i < steps.size(); ++i) steps[i] = static_cast<double>(i + 1);
  Figure figure(absl::StrCat(name, " over ", values.size(), " steps"), AxisOf(0, static_cast<double>(values.size())),
                AxisOf(0, *std::max_element(values.begin(), values.end())));
  return figure.Draw({MakeCurve(name, kValueStyle, steps, values, Smoothness::kContinuous)}, "step");
}

}  // namespace gradus::tools
