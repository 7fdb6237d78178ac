// Reading a file of untrusted bytes: every size that a header claims is held against what is there before it is used.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "ir/check.h"
#include "ir/error.h"
#include "ir/size.h"

namespace gradus::runtime {

// `x.npy: at byte 8: …`, the sentence of a broken file. `name` is what the user called it (`a.npz:x`).
inline absl::Status FileError(absl::string_view name, int64_t offset, absl::string_view what) {
  return ir::ErrorStatus(ir::ErrorKind::kBrokenFile, name, ": at byte ", offset, ": ", what);
}

// A cursor over the bytes of one file. Every read fails with a sentence where the file ends before it.
class ByteReader {
 public:
  ByteReader(absl::string_view name, absl::string_view bytes) : name_(name), bytes_(bytes) {}

  int64_t offset() const { return offset_; }
  int64_t remaining() const { return static_cast<int64_t>(bytes_.size()) - offset_; }
  absl::Status Error(absl::string_view what) const { return FileError(name_, offset_, what); }

  // The next `size` bytes; `what` names them in the sentence (`the header`).
  absl::StatusOr<absl::string_view> Take(ir::Size size, absl::string_view what) {
    if (!size.ok() || size.value() > remaining()) {
      return Error(absl::StrCat("expected ", size.ok() ? absl::StrCat(size.value()) : "more than 2^63", " bytes of ",
                                what, ", found ", remaining(), " before the end of the file"));
    }
    const absl::string_view taken = bytes_.substr(offset_, size.value());
    offset_ += size.value();
    return taken;
  }
  template <typename T>
  absl::StatusOr<T> Little(absl::string_view what) {
    return Number<T>(what, std::endian::native == std::endian::big);
  }
  template <typename T>
  absl::StatusOr<T> Big(absl::string_view what) {
    return Number<T>(what, std::endian::native == std::endian::little);
  }
  absl::Status Seek(uint64_t offset, absl::string_view what) {
    if (offset > bytes_.size()) {
      return Error(absl::StrCat(what, " is said to stand at byte ", offset, ", but the file has ", bytes_.size()));
    }
    offset_ = static_cast<int64_t>(offset);
    return absl::OkStatus();
  }

 private:
  template <typename T>
  absl::StatusOr<T> Number(absl::string_view what, bool swap) {
    ASSIGN_OR_RETURN(const absl::string_view taken, Take(sizeof(T), what));
    char raw[sizeof(T)];
    for (size_t i = 0; i < sizeof(T); ++i) raw[i] = taken[swap ? sizeof(T) - 1 - i : i];
    T value;
    std::memcpy(&value, raw, sizeof(T));
    return value;
  }

  std::string name_;
  absl::string_view bytes_;
  int64_t offset_ = 0;
};

}  // namespace gradus::runtime
