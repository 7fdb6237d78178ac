// What would not fit is refused with a sentence before it is asked for.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "ir/size.h"

namespace gradus::runtime {

// Whether the machine, the control group and the limits of this process have so many more bytes. The sentence says what
// needs how much, and what there is of which: `the predictions need 12 GB (…), more than the 3 GB of the memory
// available`. `what` is in the plural where `plural` is true.
absl::Status CheckMemory(ir::Size bytes, absl::string_view what, bool plural = false);

}  // namespace gradus::runtime
