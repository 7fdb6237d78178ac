// Random programs: sentences of frontend/grammar.ebnf with real tokens in them.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "tests/frontend/ebnf.h"

namespace gradus::frontend {

// The grammar of the source tree.
const Grammar& TheGrammar();

// Tokens of a random program, separated so that joining them by blanks is its text. Names differ from one another.
std::vector<std::string> RandomProgram(int depth, std::mt19937& random);

std::string Join(const std::vector<std::string>& tokens);

}  // namespace gradus::frontend
