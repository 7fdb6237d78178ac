// A syntax tree as text, to compare two of them: everything that it says but places.
#pragma once

#include <string>

#include "frontend/ast.h"

namespace gradus::frontend {

std::string TreeOf(const ast::File& file);

}  // namespace gradus::frontend
