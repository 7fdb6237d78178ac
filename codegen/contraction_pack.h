// Copies a panel of operand b into [k][panel columns]. Private to the contraction code.
#pragma once

#include "codegen/contraction_tile.h"

namespace gradus::codegen {

// The shared function `void(ptr to, ptr from, i64 contracted, i64 columns, i64 from_k, i64 from_column)`, steps in
// bytes: `columns` of the panel's columns are copied, zeros fill the others.
llvm::Function* PackFunction(llvm::Module& module, const ir::Target& target, ir::DType type, int64_t panel_columns);

}  // namespace gradus::codegen
