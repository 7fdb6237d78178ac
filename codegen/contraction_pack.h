// Copies a panel of operand b into [k][panel columns]. Private to the contraction code.
#pragma once

#include "codegen/contraction_tile.h"

namespace gradus::codegen {

// What lies adjacent in b: its columns (whole vectors are copied), the contracted axis (blocks are transposed in
// registers), or neither.
enum class PackSource : uint8_t { kRows, kTransposed, kStrided };

// The shared function `void(ptr to, ptr from, i64 contracted, i64 columns, i64 from_k, i64 from_column)`, steps in
// bytes: `columns` of the panel's columns are copied, zeros fill the others.
llvm::Function* PackFunction(llvm::Module& module, const ir::Target& target, ir::DType type, PackSource source,
                             int64_t panel_columns);

}  // namespace gradus::codegen
