// Conversion between element types, as the operation `convert` defines it: float to integer truncates and saturates,
// NaN gives 0; between integers modulo 2^bits; to float rounded to nearest even; to bool, x != 0.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "ir/dual.h"

namespace gradus::ir {

// The plain number in a float, a double or a dual.
inline double PlainValue(double x) { return x; }
template <typename T>
double PlainValue(const Dual<T>& x) {
  return PlainValue(x.value);
}

template <typename T>
inline constexpr bool kIsDual = false;
template <typename T>
inline constexpr bool kIsDual<Dual<T>> = true;
template <typename T>
inline constexpr bool kIsReal = std::is_floating_point_v<T> || kIsDual<T>;

template <typename To, typename From>
To ConvertElement(const From& x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_same_v<To, bool>) {
    if constexpr (kIsReal<From>) {
      return PlainValue(x) != 0;
    } else {
      return x != 0;
    }
  } else if constexpr (kIsReal<From> && kIsReal<To>) {
    return static_cast<To>(PlainValue(x));
  } else if constexpr (kIsReal<From>) {
    const double value = PlainValue(x);
    if (std::isnan(value)) return 0;
    // The bounds are powers of two, exact in double: -2^63 and 2^63 for i64.
    if (value <= static_cast<double>(std::numeric_limits<To>::lowest())) return std::numeric_limits<To>::lowest();
    if (value >= std::ldexp(1.0, std::numeric_limits<To>::digits)) return std::numeric_limits<To>::max();
    return static_cast<To>(value);
  } else if constexpr (kIsDual<To>) {
    return To(static_cast<double>(x));
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace gradus::ir
