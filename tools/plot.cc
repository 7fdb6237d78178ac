#include "tools/plot.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace gradus::tools {
namespace {

constexpr int kWidth = 440, kHeight = 300;
constexpr int kLeft = 44, kRight = 16, kTop = 32, kBottom = 32;
// Of the lines of the first curve and of the second.
constexpr const char* kStyles[] = {"stroke=\"#3b82f6\" stroke-width=\"2.5\"",
                                   "stroke=\"#ea7317\" stroke-width=\"2\" stroke-dasharray=\"6 4\""};

// `0.25`, `-3`.
std::string Label(double value) { return absl::StrFormat("%g", std::abs(value) < 1e-12 ? 0 : value); }

class SvgFigure {
 public:
  explicit SvgFigure(const Plot& plot) : plot_(plot), x_(plot.x), y_(plot.y) {}

  // Mid tones and no background, so that it can be read on a light page and on a dark one.
  std::string Draw() {
    absl::StrAppend(&text_, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", kWidth, " ", kHeight,
                    "\" width=\"", kWidth, "\" height=\"", kHeight, "\" role=\"img\" aria-label=\"", plot_.title,
                    "\">\n", "<g font-family=\"sans-serif\" font-size=\"11\" fill=\"#808488\">\n");
    Ticks();
    absl::StrAppend(&text_, "<text x=\"", kWidth - kRight, "\" y=\"", kHeight - 4, "\" text-anchor=\"end\">",
                    plot_.x_label, "</text>\n");
    int at = kLeft;
    for (size_t i = 0; i < plot_.curves.size(); ++i) {
      const Curve& curve = plot_.curves[i];
      absl::StrAppend(&text_, "<line x1=\"", at, "\" y1=\"16\" x2=\"", at + 24, "\" y2=\"16\" ", kStyles[i], "/>\n",
                      "<text x=\"", at + 30, "\" y=\"20\" font-size=\"13\">", curve.label, "</text>\n");
      at += 48 + 8 * static_cast<int>(curve.label.size());
    }
    absl::StrAppend(&text_, "</g>\n<clipPath id=\"plane\"><rect x=\"", kLeft, "\" y=\"", kTop, "\" width=\"",
                    kWidth - kLeft - kRight, "\" height=\"", kHeight - kTop - kBottom,
                    "\"/></clipPath>\n<g clip-path=\"url(#plane)\" fill=\"none\">\n");
    for (size_t i = 0; i < plot_.curves.size(); ++i) {
      for (const auto& piece : plot_.curves[i].pieces) Line(piece, kStyles[i]);
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

  const Plot& plot_;
  const Axis x_, y_;
  std::string text_;
};

// A plane of characters.
class TextFigure {
 public:
  TextFigure(const Plot& plot, int width) : plot_(plot), columns_(width - kMargin), cells_(kRows, Row(columns_)) {}

  std::string Draw(bool color) {
    const int zero_row = RowOf(0), zero_column = ColumnOf(0);
    for (int i = 0; i < columns_ && zero_row >= 0; ++i) cells_[zero_row][i] = "─";
    for (int i = 0; i < kRows && zero_column >= 0; ++i) {
      cells_[i][zero_column] = i == zero_row ? "┼" : "│";
    }
    constexpr const char* kMarks[] = {"*", "o"};
    constexpr const char* kColors[] = {"\033[34m", "\033[33m"};
    // The first curve lies over the second.
    for (size_t i = plot_.curves.size(); i-- > 0;) {
      const std::string mark = color ? absl::StrCat(kColors[i], kMarks[i], "\033[0m") : kMarks[i];
      for (const auto& piece : plot_.curves[i].pieces) Trace(piece, mark);
    }
    std::string text;
    for (size_t i = 0; i < plot_.curves.size(); ++i) {
      absl::StrAppend(&text, i == 0 ? std::string(kMargin, ' ') : "   ", color ? kColors[i] : "", kMarks[i],
                      color ? "\033[0m" : "", " ", plot_.curves[i].label);
    }
    text += "\n";
    std::vector<std::string> labels(kRows);
    for (double i = std::ceil(plot_.y.low / plot_.y.tick); i * plot_.y.tick <= plot_.y.high; ++i) {
      const int row = RowOf(i * plot_.y.tick);
      if (row >= 0) labels[row] = Label(i * plot_.y.tick);
    }
    for (int row = 0; row < kRows; ++row) {
      std::string line = absl::StrFormat("%*s ", kMargin - 1, labels[row]);
      for (const std::string& cell : cells_[row]) absl::StrAppend(&line, cell.empty() ? " " : cell);
      line.resize(line.find_last_not_of(' ') + 1);
      absl::StrAppend(&text, line, "\n");
    }
    return absl::StrCat(text, Bottom(), "\n");
  }

 private:
  static constexpr int kRows = 17, kMargin = 7;
  using Row = std::vector<std::string>;

  int ColumnOf(double x) const { return Cell((x - plot_.x.low) / (plot_.x.high - plot_.x.low), columns_); }
  int RowOf(double y) const { return Cell((plot_.y.high - y) / (plot_.y.high - plot_.y.low), kRows); }
  static int Cell(double share, int cells) {
    return share < 0 || share > 1 ? -1 : std::min<int>(share * cells, cells - 1);
  }

  // Every row that a curve goes through within a column.
  void Trace(const std::vector<std::pair<double, double>>& points, const std::string& mark) {
    for (size_t i = 0; i < points.size(); ++i) {
      const auto& [x, y] = points[i];
      const int column = ColumnOf(x);
      if (column < 0) continue;
      const int row = RowOf(y);
      if (row >= 0) cells_[row][column] = mark;
      if (i == 0) continue;
      const int before = RowOf(points[i - 1].second);
      if (row < 0 || before < 0) continue;
      for (int between = std::min(row, before) + 1; between < std::max(row, before); ++between)
        cells_[between][column] = mark;
    }
  }

  // The numbers of the x axis, each under its place, those that do not fit left out.
  std::string Bottom() const {
    std::string line(kMargin + columns_ + 8, ' ');
    size_t free = 0;
    for (double i = std::ceil(plot_.x.low / plot_.x.tick); i * plot_.x.tick <= plot_.x.high; ++i) {
      const std::string label = Label(i * plot_.x.tick);
      const size_t at = kMargin + ColumnOf(i * plot_.x.tick) - label.size() / 2;
      if (at < free) continue;
      line.replace(at, label.size(), label);
      free = at + label.size() + 1;
    }
    line.resize(line.find_last_not_of(' ') + 1);
    return absl::StrCat(line, "  ", plot_.x_label);
  }

  const Plot& plot_;
  const int columns_;
  std::vector<Row> cells_;
};

}  // namespace

std::string ToSvg(const Plot& plot) { return SvgFigure(plot).Draw(); }

std::string ToText(const Plot& plot, int width, bool color) { return TextFigure(plot, width).Draw(color); }

}  // namespace gradus::tools
