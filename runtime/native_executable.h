// An executable whose entries are native code.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "codegen/compile.h"
#include "runtime/executable.h"

namespace gradus::runtime {

// Takes the compiled program over, allocates its arena and scratch, and starts its threads. `trains` says for each
// entry whether it counts steps; `program_path` is what a fault calls the file of the program.
absl::StatusOr<std::unique_ptr<Executable>> MakeNativeExecutable(codegen::CompiledProgram program,
                                                                 std::vector<bool> trains, std::string program_path);

}  // namespace gradus::runtime
