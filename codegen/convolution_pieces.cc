#include "codegen/convolution_pieces.h"

#include <algorithm>
#include <functional>

namespace gradus::codegen {
namespace {

// Cuts [begin, end) of the row-major windows of `extents` into boxes, in order, of about `windows` each.
class Cutter {
 public:
  Cutter(std::vector<int64_t> extents, int64_t windows) : extents_(std::move(extents)), windows_(windows) {}

  std::vector<Piece> Cut(int64_t begin, int64_t end) {
    pieces_.clear();
    box_.clear();
    for (int64_t extent : extents_) box_.push_back({0, extent});
    if (begin < end) Cut(0, begin, end);
    return pieces_;
  }

 private:
  void Cut(size_t level, int64_t begin, int64_t end) {
    int64_t unit = 1;
    for (size_t i = level + 1; i < extents_.size(); ++i) unit *= extents_[i];
    int64_t first = begin / unit;
    const int64_t last = end / unit;
    if (first * unit < begin) {
      Inside(level, first, begin - first * unit, std::min(unit, end - first * unit));
      if (first == last) return;
      ++first;
    }
    const int64_t step = level + 1 == extents_.size() ? last - first : windows_ / unit;
    for (int64_t i = first; i < last; i += std::max<int64_t>(1, step)) {
      if (step < 1) {
        Inside(level, i, 0, unit);
        continue;
      }
      box_[level] = {i, std::min(last, i + step)};
      pieces_.push_back(box_);
    }
    if (last * unit < end) Inside(level, last, 0, end - last * unit);
  }

  void Inside(size_t level, int64_t index, int64_t begin, int64_t end) {
    const std::vector<ir::IndexRange> outside = box_;
    box_[level] = {index, index + 1};
    Cut(level + 1, begin, end);
    box_ = outside;
  }

  const std::vector<int64_t> extents_;
  const int64_t windows_;
  std::vector<ir::IndexRange> box_;
  std::vector<Piece> pieces_;
};

}  // namespace

std::vector<Piece> PiecesOf(const ir::Convolution& shape, int64_t begin, int64_t end, int64_t windows) {
  std::vector<int64_t> extents = {shape.batch};
  for (const ir::WindowAxis& axis : shape.axes) extents.push_back(axis.output);
  return Cutter(std::move(extents), windows).Cut(begin, end);
}

std::vector<Piece> CutAtEdges(const ir::Convolution& shape, size_t axis, const std::vector<Piece>& pieces) {
  const ir::IndexRange whole = shape.axes[axis].WholeWindows();
  const size_t place = axis + 1;  // in a piece, which begins with the images
  std::vector<Piece> apart;
  for (const Piece& piece : pieces) {
    const ir::IndexRange range = piece[place];
    if (range.begin >= whole.begin && range.end <= whole.end) {
      apart.push_back(piece);
      continue;
    }
    const std::function<void(Piece, size_t)> cut = [&](Piece part, size_t level) {
      if (level < place) {
        for (int64_t i = piece[level].begin; i < piece[level].end; ++i) {
          part[level] = {i, i + 1};
          cut(part, level + 1);
        }
        return;
      }
      for (const ir::IndexRange& limits :
           {ir::IndexRange{0, whole.begin}, whole, ir::IndexRange{whole.end, shape.axes[axis].output}}) {
        part[place] = {std::max(range.begin, limits.begin), std::min(range.end, limits.end)};
        if (part[place].begin < part[place].end) apart.push_back(part);
      }
    };
    cut(piece, 0);
  }
  return apart;
}

}  // namespace gradus::codegen
