#include "runtime/memory.h"

#include "absl/strings/str_cat.h"
#include "ir/error.h"
#include "runtime/machine.h"
#include "runtime/progress.h"

namespace gradus::runtime {

absl::Status CheckMemory(ir::Size bytes, absl::string_view what, bool plural) {
  // Less is always there, and asking the system takes longer than the memory does.
  constexpr int64_t kLittle = int64_t{1} << 22;
  const absl::string_view needs = plural ? " need " : " needs ";
  if (!bytes.ok()) {
    return ir::ErrorStatus(absl::StatusCode::kResourceExhausted, ir::ErrorKind::kMemoryLimit, what, needs,
                           "more bytes than 63 bits can count");
  }
  if (bytes.value() <= kLittle) return absl::OkStatus();
  const auto limit = AvailableMemory();
  if (!limit || bytes.value() <= limit->bytes) return absl::OkStatus();
  return ir::ErrorStatus(absl::StatusCode::kResourceExhausted, ir::ErrorKind::kMemoryLimit, what, needs,
                         HumanBytes(bytes.value()), " (", bytes.value(), " bytes), more than the ",
                         HumanBytes(limit->bytes), " of ", limit->what);
}

}  // namespace gradus::runtime
