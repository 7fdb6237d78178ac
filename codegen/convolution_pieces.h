// The windows of a convolution in pieces that stay in the cache while every tap goes over them. Private to the
// convolution code.
#pragma once

#include <vector>

#include "ir/convolution.h"

namespace gradus::codegen {

// A box of windows: images, then each axis.
using Piece = std::vector<ir::IndexRange>;

// Cuts the row-major windows [begin, end) of all images into boxes, in order, of about `windows` each.
std::vector<Piece> PiecesOf(const ir::Convolution& shape, int64_t begin, int64_t end, int64_t windows);

// Cuts pieces where they reach over the edge of one spatial axis, so that each has windows that all taps of this axis
// see, or none of them; those at an edge an image and a plane at a time.
std::vector<Piece> CutAtEdges(const ir::Convolution& shape, size_t axis, const std::vector<Piece>& pieces);

}  // namespace gradus::codegen
