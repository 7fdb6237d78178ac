// The shape rule of every structural operation, named by the table (ir/ops.def); ir/infer.h calls them and checks what
// all share.
#pragma once

#include "absl/status/statusor.h"
#include "ir/graph.h"

namespace gradus::ir {

#define STRUCTURAL(name, ...) absl::StatusOr<Type> Infer##name(const Statement& statement);
#include "ir/ops.def"

}  // namespace gradus::ir
