// The reference of operations, docs/ops.md, written from the rows of ir/ops.def.
#pragma once

#include <string>
#include <vector>

#include "ir/op.h"

namespace gradus::ir {

// The columns of an elementwise row as they stand in the table.
struct Formulas {
  Op op;
  std::string value;
  std::vector<std::string> derivatives;  // `kNone`: zero wherever it exists
  std::string singular;                  // empty: nowhere
};

// Null for an operation without formulas.
const Formulas* FindFormulas(Op op);

// Markdown: the elementwise operations with their formulas and derivatives, then the structural ones with their
// attributes.
std::string OperationsReference();

}  // namespace gradus::ir
