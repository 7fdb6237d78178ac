// The reference of operations, docs/ops.md, written from the rows of ir/ops.def.
#pragma once

#include <string>

namespace gradus::ir {

// Markdown: the elementwise operations with their formulas and derivatives, then the structural ones with their
// attributes.
std::string OperationsReference();

}  // namespace gradus::ir
