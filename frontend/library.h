// The library of the language, written in the language: the text of every file in frontend/lib, compiled into the
// program.
#pragma once

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace gradus::frontend {

struct LibraryFile {
  absl::string_view name;  // `nn`, `optim`, `init`, `loss`
  absl::string_view text;
};

// Every file of the library, by name in ascending order.
absl::Span<const LibraryFile> LibraryFiles();

}  // namespace gradus::frontend
