// The text of a graph, in the grammar of the language: `print(parse(print(g))) == print(g)`, byte for byte, at every
// stage.
#pragma once

#include <string>

#include "ir/graph.h"

namespace gradus::ir {

// A statement whose right side is a name, `y = x`, is a copy: a broadcast of x to its own shape.
std::string Print(const Graph& graph);
// One statement without its note, for messages.
std::string Print(const Statement& statement);
// The literal in the language: `0.5`, `[[1, 2], [3, 4]]`; floats shortest-round-trip with digits on both sides of the
// point.
std::string PrintLiteral(const Tensor& literal);

// Whether a scalar literal as operand `index` of `user` takes its type from another operand, so that it prints without
// one: an operand of the same element type by the rule of the operation that is not a literal itself.
bool LiteralHasContext(const Statement& user, size_t index);

}  // namespace gradus::ir
