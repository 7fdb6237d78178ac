#include "runtime/arena.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/error.h"
#include "runtime/memory.h"
#include "runtime/progress.h"

namespace gradus::runtime {

absl::StatusOr<Arena> Arena::Allocate(int64_t bytes, absl::string_view what) {
  Arena arena;
  if (bytes == 0) return arena;
  RETURN_IF_ERROR(CheckMemory(bytes, what));
  // Populated here, so that no step meets a page fault.
  void* const pages = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (pages == MAP_FAILED)
    return ir::ErrorStatus(absl::StatusCode::kResourceExhausted, ir::ErrorKind::kMemoryLimit, what, " needs ",
                           HumanBytes(bytes), " (", bytes, " bytes): ", std::strerror(errno));
  arena.data_ = static_cast<std::byte*>(pages);
  arena.bytes_ = bytes;
  return arena;
}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Arena::~Arena() {
  if (data_ != nullptr) munmap(data_, static_cast<size_t>(bytes_));
}

}  // namespace gradus::runtime
