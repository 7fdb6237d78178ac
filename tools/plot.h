// Curves over a plane, drawn as an SVG file or with the characters of a terminal.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace gradus::tools {

struct Curve {
  std::string label;
  std::vector<std::vector<std::pair<double, double>>> pieces;  // x ascends; a piece of one point is a dot
};

// What is shown of the plane in one direction, and where its ticks are: multiples of `tick`.
struct Axis {
  double low, high, tick;
};

struct Plot {
  std::string title, x_label;
  Axis x, y;
  std::vector<Curve> curves;  // at most two
};

// Readable on light and dark pages. Coordinates are rounded to a tenth of a pixel: the same curves give the same bytes.
std::string ToSvg(const Plot& plot);

// Lines of `width` columns, the first curve drawn with `*`, the second with `o`; coloured where that is asked for.
std::string ToText(const Plot& plot, int width, bool color);

}  // namespace gradus::tools
