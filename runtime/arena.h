// The memory of a program: one range of pages, asked for once, committed before the first step.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gradus::runtime {

class Arena {
 public:
  // Zeros, at page alignment. Fails with a sentence (`what` needs so much, there is so much) where the machine or the
  // control group does not have it, before a page is touched.
  static absl::StatusOr<Arena> Allocate(int64_t bytes, absl::string_view what);

  Arena() = default;
  Arena(Arena&& other) noexcept { *this = static_cast<Arena&&>(other); }
  Arena& operator=(Arena&& other) noexcept;
  ~Arena();

  std::byte* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace gradus::runtime
