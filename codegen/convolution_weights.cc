// The product for the weights: for each tap a contraction over the windows of which it sees elements, images outermost.
//
// The windows are cut into pieces that stay in the cache while every tap goes over them; a piece lies within one slice.
// Sums wait in the result, or, one set a slice, in scratch, until their last piece is added.

#include "codegen/convolution_weights.h"

#include <algorithm>

#include "codegen/contraction_emit.h"
#include "codegen/contraction_loops.h"
#include "codegen/convolution.h"
#include "codegen/convolution_pieces.h"
#include "codegen/convolution_runs.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

constexpr int64_t kFewestWindows = 64;  // of a piece: below, loading and storing the sums costs more than the cache
constexpr int64_t kMostPieces = 4096;

class WeightsEmitter {
 public:
  WeightsEmitter(const ContractionContext& context, const ConvolutionSpec& spec)
      : context_(context),
        spec_(spec),
        shape_(spec.shape),
        steps_(shape_),
        builder_(context.builder),
        module_(*builder_.GetInsertBlock()->getModule()),
        bytes_(ir::ByteWidth(spec.type)),
        paired_(TermsOf(shape_) == TileTerms::kPaired),
        lanes_(LanesFor(paired_ ? shape_.groups : shape_.out, spec.type, context.target)),
        axes_(shape_.axes.size()) {
    for (const ir::WindowAxis& axis : shape_.axes) taps_.push_back(TapsOf(axis));
    row_taps_ = JoinsLastTaps() ? shape_.axes.back().taps : 1;
    if (row_taps_ > 1) taps_.back().taps.resize(1);
    const int64_t columns = paired_ ? shape_.groups : shape_.out;
    const int64_t panel = std::min(columns, ir::PackedPanelColumns(spec.type, columns, context_.target));
    vectors_ = (panel + lanes_ - 1) / lanes_;
    if (SharesTile()) joint_taps_ = shape_.axes[axes_ - 2].taps;
  }

  void Emit(Value* x, Value* g, Value* w) {
    llvm::Constant* pieces = EmitTable(module_, PieceTable());
    Value* sums = spec_.slices > 1 ? context_.scratch : w;
    const int64_t columns = paired_ ? shape_.groups : shape_.out;
    const int64_t panel = vectors_ * lanes_;
    const int64_t whole = columns / panel;
    const auto emit = [&](int64_t first, int64_t count, int64_t width) {
      ConvolutionTile tile;
      tile.tile = {spec_.type, lanes_, (width + lanes_ - 1) / lanes_, 1};
      tile.tile.rows = joint_taps_ > 1 ? rows() * joint_taps_ : Height(tile.tile.vectors);
      tile.groups = joint_taps_;
      tile.masked = width % lanes_ != 0;
      tile.terms = TermsOf(shape_);
      tile.levels = static_cast<int>(axes_);
      llvm::Constant* shape = EmitTable(module_, ShapeTable(first, count, width, tile.tile.rows / tile.groups));
      builder_.CreateCall(
          WeightsFunction(module_, context_.target, tile),
          {x, g, w, sums, shape, pieces, context_.thread, context_.threads, Int((width - 1) % lanes_ + 1)});
    };
    if (whole > 0) emit(0, whole, panel);
    if (columns % panel != 0) emit(whole * panel, 1, columns % panel);
  }

 private:
  Value* Int(int64_t value) { return builder_.getInt64(static_cast<uint64_t>(value)); }

  // Where every tap of the last axis sees all windows one place further on, taps and channels are rows alike.
  bool JoinsLastTaps() const {
    const ir::WindowAxis& axis = shape_.axes.back();
    const AxisTaps& taps = taps_.back();
    if (shape_.groups > 1 || axis.dilation != 1 || axis.interior != 0) return false;
    return std::all_of(taps.taps.begin(), taps.taps.end(),
                       [&](const TapRun& tap) { return tap.first == 0 && tap.end == axis.output; });
  }

  // Few channels: all taps of the last axis but one share a tile, for the windows that every one of them sees.
  bool SharesTile() const {
    if (axes_ < 2) return false;
    const ir::WindowAxis& axis = shape_.axes[axes_ - 2];
    const ir::IndexRange whole = axis.WholeWindows();
    if (axis.taps == 1 || axis.interior != 0 || 2 * (whole.end - whole.begin) < axis.output) return false;
    const int64_t planes = shape_.batch * (axes_ == 3 ? shape_.axes[0].output : 1);
    if (planes > kMostPieces) return false;  // each is cut at its edges
    const int64_t apart = rows(), joint = apart * axis.taps;
    return joint * vectors_ <= context_.target.vector_registers() * 3 / 4 &&
           TermCost(joint, vectors_) < axis.taps * TermCost(apart, vectors_);
  }

  // The last slices may have no terms, and then are not added.
  int64_t FilledSlices() const {
    const int64_t all = shape_.batch * shape_.outputs();
    int64_t filled = spec_.slices;
    while (SliceOf(all, spec_.slices, filled - 1).first == all) --filled;
    return filled;
  }

  int64_t rows() const { return row_taps_ * shape_.in; }
  int64_t Taps() const {
    int64_t taps = 1;
    for (const AxisTaps& axis : taps_) taps *= static_cast<int64_t>(axis.taps.size());
    return taps / joint_taps_;
  }

  // Rows of the tiles: the least work, and enough tiles that two threads have equal shares of them.
  int64_t Height(int64_t vectors) const {
    int64_t best = 1, least = -1;
    const int64_t lines = Taps() * shape_.groups;
    for (int64_t height = std::min(rows(), TallestTile(vectors, context_.target)); height >= 1; --height) {
      const int64_t tiles = lines * ((rows() + height - 1) / height);
      const int64_t cost = (tiles + 1) / 2 * TermCost(height, vectors);
      if (least < 0 || cost < least) {
        least = cost;
        best = height;
      }
    }
    return best;
  }

  std::vector<int64_t> PieceTable() {
    const int64_t all = shape_.batch * shape_.outputs();
    const int64_t window_bytes = (steps_.x_image / shape_.outputs() + shape_.groups * shape_.out) * bytes_;
    const int64_t cached = context_.target.l1_bytes * 2 / 3 / std::max<int64_t>(1, window_bytes);
    const int64_t windows = std::max({kFewestWindows, cached, all / kMostPieces});
    std::vector<int64_t> numbers;
    pieces_ = 0;
    for (int64_t slice = 0; slice < spec_.slices; ++slice) {
      const auto [begin, end] = SliceOf(all, spec_.slices, slice);
      std::vector<Piece> pieces = PiecesOf(shape_, begin, end, windows);
      if (joint_taps_ > 1) pieces = CutAtEdges(shape_, axes_ - 2, pieces);
      for (const Piece& piece : pieces) {
        numbers.push_back(slice);
        for (const ir::IndexRange& range : piece) numbers.insert(numbers.end(), {range.begin, range.end});
        ++pieces_;
      }
    }
    return numbers;
  }

  std::vector<int64_t> ShapeTable(int64_t first_column, int64_t panels, int64_t columns, int64_t height) const {
    const int64_t w_row = shape_.groups * shape_.out;
    std::vector<int64_t> numbers(kAxes + kAxisNumbers * axes_);
    numbers[kX] = paired_ ? first_column : 0;
    numbers[kG] = numbers[kW] = first_column;
    numbers[kXRow] = 1;
    numbers[kWRow] = w_row;
    numbers[kXImage] = steps_.x_image;
    numbers[kGImage] = steps_.y_image;
    numbers[kXGroup] = shape_.in;
    numbers[kGGroup] = numbers[kWGroup] = shape_.out;
    numbers[kXPanel] = paired_ ? columns : 0;
    numbers[kPanel] = columns;
    numbers[kSlice] = shape_.taps() * shape_.in * w_row;
    for (int64_t& number : numbers) number *= bytes_;
    numbers[kRows] = rows();
    numbers[kTiles] = (rows() + height - 1) / height;
    numbers[kGroups] = paired_ ? 1 : shape_.groups;
    numbers[kLines] = Taps() * numbers[kGroups] * panels;
    numbers[kPieces] = pieces_;
    numbers[kSlices] = FilledSlices();
    if (joint_taps_ > 1) {
      const ir::WindowAxis& axis = shape_.axes[axes_ - 2];
      numbers[kWholeBegin] = axis.WholeWindows().begin;
      numbers[kWholeEnd] = axis.WholeWindows().end;
      numbers[kJointRows] = axis.dilation * steps_.x[axes_ - 2] * bytes_;
    }
    for (size_t i = 0; i < axes_; ++i) {
      const size_t axis = axes_ - 1 - i;
      const AxisTaps& taps = taps_[axis];
      const int64_t values[] = {joint_taps_ > 1 && i == 1 ? 1 : static_cast<int64_t>(taps.taps.size()),
                                taps.step,
                                taps.source_step * steps_.x[axis] * bytes_,
                                taps.step * steps_.y[axis] * bytes_,
                                steps_.x[axis] * bytes_,
                                steps_.y[axis] * bytes_,
                                steps_.tap[axis] * bytes_,
                                static_cast<int64_t>(8 * numbers.size())};
      std::copy(std::begin(values), std::end(values), numbers.begin() + kAxes + kAxisNumbers * static_cast<int64_t>(i));
      for (const TapRun& tap : taps.taps) numbers.insert(numbers.end(), {tap.first, tap.end, tap.source});
    }
    return numbers;
  }

  const ContractionContext& context_;
  const ConvolutionSpec& spec_;
  const ir::Convolution& shape_;
  const ConvolutionSteps steps_;
  llvm::IRBuilder<>& builder_;
  llvm::Module& module_;
  const int64_t bytes_;
  const bool paired_;
  const int64_t lanes_;
  const size_t axes_;
  std::vector<AxisTaps> taps_;
  int64_t row_taps_ = 1;    // taps of the last axis that are rows, like channels
  int64_t joint_taps_ = 1;  // of the last axis but one: taps that share a tile
  int64_t vectors_ = 1;     // of a panel
  int64_t pieces_ = 0;
};

}  // namespace

void EmitConvolutionWeights(const ContractionContext& context, const ConvolutionSpec& spec, Value* x, Value* g,
                            Value* w) {
  WeightsEmitter(context, spec).Emit(x, g, w);
}

}  // namespace gradus::codegen
