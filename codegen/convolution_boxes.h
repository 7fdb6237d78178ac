// A convolution as boxes of windows under which the same taps stand on elements: contractions with regular steps.
// Private to the convolution code.
#pragma once

#include <algorithm>
#include <vector>

#include "ir/convolution.h"

namespace gradus::codegen {

// An axis of a box in elements.
struct BoxAxis {
  int64_t extent = 1;
  int64_t a = 0;
  int64_t b = 0;
  int64_t c = 0;
};

// Places of the first element of each operand, and the axes that lead to the others.
struct Box {
  int64_t a = 0;
  int64_t b = 0;
  int64_t c = 0;
  std::vector<BoxAxis> rows;   // any of them may be the rows of tiles; the last one is innermost
  std::vector<BoxAxis> outer;  // panels and groups
  std::vector<BoxAxis> terms;  // the last one is innermost; c is not used
  int64_t positions() const { return Product(rows); }
  int64_t work() const { return positions() * Product(outer) * std::max<int64_t>(1, Product(terms)); }

  static int64_t Product(const std::vector<BoxAxis>& axes) {
    int64_t product = 1;
    for (const BoxAxis& axis : axes) product *= axis.extent;
    return product;
  }
};

// The part of the columns that boxes are made for, and how the weights lie.
struct BoxColumns {
  int64_t first = 0;
  int64_t panels = 1;
  int64_t columns = 1;  // of a panel
  int64_t w_row = 1;    // elements from one row of the weights to the next
  bool paired = false;  // whether columns are groups
};

// Together all windows, each once. Axes of one element are dropped, and those that one step walks are joined; a box
// without terms has a loop of no rounds around one of one.
std::vector<Box> BoxesOf(const ir::Convolution& shape, const BoxColumns& part);

}  // namespace gradus::codegen
