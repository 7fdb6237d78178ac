// Checked arithmetic of sizes: extents, element counts, byte counts and offsets.
//
// A Size is a non-negative 64-bit number or "too large". Every operation that would overflow gives "too large", which
// absorbs whatever it meets, so a chain of products is checked once, at its end, by ok().
#pragma once

#include <cstdint>
#include <ostream>

#include "ir/check.h"

namespace gradus::ir {

class Size {
 public:
  constexpr Size() = default;
  constexpr Size(int64_t value) : value_(value < 0 ? kTooLarge : value) {}  // NOLINT: a size is written as a number

  static constexpr Size TooLarge() { return Size(-1); }

  constexpr bool ok() const { return value_ != kTooLarge; }
  // The number; a caller has asked ok() before, or knows it from the verifier.
  int64_t value() const {
    CHECK(ok()) << "a size overflowed and nobody asked";
    return value_;
  }

  friend constexpr Size operator+(Size a, Size b) {
    int64_t r = 0;
    return a.ok() && b.ok() && !__builtin_add_overflow(a.value_, b.value_, &r) ? Size(r) : TooLarge();
  }
  friend constexpr Size operator*(Size a, Size b) {
    int64_t r = 0;
    return a.ok() && b.ok() && !__builtin_mul_overflow(a.value_, b.value_, &r) ? Size(r) : TooLarge();
  }
  // a - b, "too large" where it would be negative.
  friend constexpr Size operator-(Size a, Size b) {
    return a.ok() && b.ok() && a.value_ >= b.value_ ? Size(a.value_ - b.value_) : TooLarge();
  }
  friend constexpr bool operator==(Size a, Size b) { return a.value_ == b.value_; }
  friend std::ostream& operator<<(std::ostream& out, Size s) { return s.ok() ? out << s.value_ : out << "too large"; }

  // The smallest multiple of `unit` that holds *this.
  constexpr Size RoundedUpTo(int64_t unit) const { return CeilDiv(unit) * Size(unit); }
  constexpr Size CeilDiv(int64_t unit) const {
    return ok() ? Size(value_ / unit + (value_ % unit != 0 ? 1 : 0)) : TooLarge();
  }

 private:
  static constexpr int64_t kTooLarge = -1;
  int64_t value_ = 0;
};

}  // namespace gradus::ir
