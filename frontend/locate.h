// Errors that know a place by its numbers alone get the line that stands there.
#pragma once

#include "absl/status/status.h"
#include "frontend/program.h"

namespace gradus::frontend {

// A pass speaks of a program through the notes of its statements: `9:11: error: no gradient of loss by w: …`, or with
// the file in front where it is not the program's own. Every such line of the message is rendered as a diagnostic of
// the module, with its source line and caret; other lines, and an OK status, stay as they are.
absl::Status Locate(const Module& module, const absl::Status& status);

}  // namespace gradus::frontend
