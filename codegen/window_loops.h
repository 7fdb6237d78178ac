// Loops over windows and their taps in instructions, in the order in which the operations of ir/convolution.h are
// defined: what padding and holes would give is skipped, never computed.
#pragma once

#include <functional>
#include <vector>

#include "absl/types/span.h"
#include "codegen/control.h"
#include "ir/convolution.h"

namespace gradus::codegen {

// A position among the examples and windows (elements) of spatial axes, from its row-major index.
struct WindowPosition {
  llvm::Value* example;
  std::vector<llvm::Value*> window;  // one an axis
};
WindowPosition EmitWindowPosition(Builder& b, absl::Span<const ir::WindowAxis> axes, llvm::Value* index);

// The element of one axis under a tap of a window, and whether there is one (i1).
struct WindowSource {
  llvm::Value* exists;
  llvm::Value* element;
};
WindowSource EmitWindowSource(Builder& b, const ir::WindowAxis& axis, llvm::Value* window, llvm::Value* tap);

// Passes values through body(element, tap, values) for the taps of a window that see an element, ascending; both are
// row-major indices over the spatial axes.
using TapBody = std::function<Carried(llvm::Value* element, llvm::Value* tap, const Carried&)>;
Carried EmitTaps(Builder& b, absl::Span<const ir::WindowAxis> axes, absl::Span<llvm::Value* const> window,
                 Carried initial, const TapBody& body);

// Calls body(first, lanes, mask) for [0, count) cut into vectors: of 16 lanes, or of the power of two that holds a
// shorter row; the mask, where there is one, holds the lanes of the tail. One element alone is a scalar, lanes 0.
void EmitLaneBlocks(Builder& b, int64_t count,
                    const std::function<void(llvm::Value* first, int lanes, llvm::Value* mask)>& body);

}  // namespace gradus::codegen
