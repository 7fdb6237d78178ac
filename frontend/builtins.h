// The functions that the compiler knows beside the elementwise operations of ir/ops.def: their parameters and what they
// do. Lowering checks calls by this table and the reference prints it.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace gradus::frontend {

struct Builtin {
  absl::string_view name;
  absl::string_view parameters;  // names; `=`: may be absent; `axis=` and what follows it are given by name alone
  absl::string_view doc;
};

absl::Span<const Builtin> Builtins();

// Whether a name is a function of the compiler's own: a row of the table, or an elementwise operation.
bool IsBuiltin(absl::string_view name);
// Those names, and the values that every program has: `step`, `epoch`, `training`, `pi`, `float`.
std::vector<std::string> BuiltinNames();

}  // namespace gradus::frontend
