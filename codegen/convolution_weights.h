// The shared functions that sum the product for the weights, and the tables that they read. Private to the convolution
// code.
#pragma once

#include "codegen/convolution_tile.h"

namespace gradus::codegen {

// The table of a shape; bytes where they are steps.
enum WeightsNumber : int64_t {
  kX,
  kG,
  kW,
  kRows,
  kTiles,  // of the rows
  kLines,  // taps * groups * panels, the taps of joint tiles together
  kXRow,   // from row to row
  kWRow,
  kXImage,
  kGImage,
  kGroups,
  kXGroup,
  kGGroup,
  kWGroup,
  kXPanel,
  kPanel,  // in g and w
  kPieces,
  kSlices,
  kSlice,       // from the sums of a slice to those of the next
  kWholeBegin,  // where taps share tiles: the windows of their axis that all of them see
  kWholeEnd,
  kJointRows,  // from the rows of one of these taps to those of the next in x
  kAxes,       // of each axis, the last one first: the numbers below
};
enum WeightsAxisNumber : int64_t {
  kTaps,
  kWindowStep,   // from one window to the next that a tap sees
  kXWindowStep,  // of these windows, in x and in g
  kGWindowStep,
  kXPlace,    // from element to element
  kGPlace,    // from window to window
  kWTap,      // from tap to tap
  kTapTable,  // where, in the table, begin three numbers a tap: first window, end, element under the first
  kAxisNumbers,
};

// The shared function `void(ptr x, ptr g, ptr w, ptr sums, ptr shape, ptr pieces, i64 thread, i64 threads, i64 valid)`
// for the thread's share of the taps and channels. `shape` has the numbers above; `pieces` those of each piece: its
// slice, then begin and end of its images and of each axis.
llvm::Function* WeightsFunction(llvm::Module& module, const ir::Target& target, const ConvolutionTile& tile);

}  // namespace gradus::codegen
