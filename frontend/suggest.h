// What a misspelt name may have meant.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace gradus::frontend {

// The candidate nearest to `name` (insertions, deletions, replacements and swaps of neighbours count one each), or
// empty where none is near enough to be meant: at most a third of the name's letters differ, or their case alone. Ties
// go to the first.
std::string Nearest(absl::string_view name, absl::Span<const std::string> candidates);

// What a name of Python, NumPy or PyTorch is called here, as a sentence, or empty.
std::string HelpForForeignName(absl::string_view name);

}  // namespace gradus::frontend
