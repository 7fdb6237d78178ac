// Printed graphs, read back: `graph … { }` to ir::Graph.
//
// The reader never rewrites: print(read(print(g))) == print(g), byte for byte, at every stage. Types may be left out
// and are then inferred; where they are written they are checked. A graph edited by hand gets every error with its
// caret; one that is read passes ir::Verify.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "frontend/ast.h"
#include "frontend/diagnostics.h"
#include "frontend/source.h"
#include "ir/graph.h"

namespace gradus::frontend {

// The only graph of a text; `path` is what messages call it.
absl::StatusOr<ir::Graph> ReadGraph(std::string path, std::string text);
absl::StatusOr<ir::Graph> ReadGraph(std::shared_ptr<const SourceFile> source);

// One graph of a parsed file. With errors in `diagnostics` the result lacks what they are about.
ir::Graph ReadGraph(const ast::Graph& graph, Diagnostics& diagnostics);

}  // namespace gradus::frontend
