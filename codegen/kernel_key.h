// The structure of a kernel as text: statements with equal keys have equal code.
#pragma once

#include <string>

#include "ir/graph.h"

namespace gradus::codegen {

// Operations, attributes, types and how values are connected, without names; the place of a gather too, since its code
// reports it.
std::string KernelKey(const ir::Statement& statement);
// Whether the statement reads indices that may be out of range.
bool MayFault(const ir::Statement& statement);

}  // namespace gradus::codegen
