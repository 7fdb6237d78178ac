// The policies of algebra.h for one C++ value: Scalar<float>, Scalar<double>, Scalar<uint8_t>, Scalar<int32_t>,
// Scalar<int64_t>, Scalar<bool>. They are what the interpreter computes with, so they define the bits of every
// elementwise operation.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "ir/algebra.h"

namespace gradus::ir {

template <typename T>
struct Scalar;

struct ScalarMask {
  using Mask = bool;
  static bool MaskLiteral(bool value) { return value; }
  static bool MaskAnd(bool a, bool b) { return a & b; }
  static bool MaskOr(bool a, bool b) { return a | b; }
  static bool MaskXor(bool a, bool b) { return a ^ b; }
  static bool MaskNot(bool a) { return !a; }
};

template <>
struct Scalar<bool> : ScalarMask {};

// Arithmetic modulo 2^kBits is done on the unsigned type, where C++ defines it.
template <typename T>
struct ScalarInteger : ScalarMask {
  using Integer = T;
  using Unsigned = std::make_unsigned_t<T>;
  // What the unsigned type promotes to must not be a signed int (u8 · u8 does).
  using Wide = std::conditional_t<(sizeof(T) < sizeof(uint32_t)), uint32_t, Unsigned>;
  static constexpr int kBits = 8 * sizeof(T);
  static constexpr bool kSigned = std::is_signed_v<T>;

  static T IntegerLiteral(int64_t value) { return static_cast<T>(value); }
  static T IntegerAdd(T a, T b) { return static_cast<T>(Wide(a) + Wide(b)); }
  static T IntegerSubtract(T a, T b) { return static_cast<T>(Wide(a) - Wide(b)); }
  static T IntegerMultiply(T a, T b) { return static_cast<T>(Wide(a) * Wide(b)); }
  static T Quotient(T a, T b) { return static_cast<T>(a / b); }
  static T IntegerAnd(T a, T b) { return static_cast<T>(a & b); }
  static T IntegerOr(T a, T b) { return static_cast<T>(a | b); }
  static T IntegerXor(T a, T b) { return static_cast<T>(a ^ b); }
  static T ShiftLeft(T a, int bits) { return static_cast<T>(Wide(a) << bits); }
  static T ShiftRight(T a, int bits) { return static_cast<T>(a >> bits); }
  static T ShiftRightLogical(T a, int bits) { return static_cast<T>(static_cast<Unsigned>(a) >> bits); }
  static bool IntegerLess(T a, T b) { return a < b; }
  static bool IntegerEqual(T a, T b) { return a == b; }
  static T IntegerSelect(bool c, T x, T y) { return c ? x : y; }
};

template <>
struct Scalar<uint8_t> : ScalarInteger<uint8_t> {};
template <>
struct Scalar<int32_t> : ScalarInteger<int32_t> {};
template <>
struct Scalar<int64_t> : ScalarInteger<int64_t> {};

template <typename T, typename N>
struct ScalarFloat : ScalarInteger<N> {
  using Float = T;

  static T Literal(double value) { return static_cast<T>(value); }
  static T Add(T a, T b) { return a + b; }
  static T Subtract(T a, T b) { return a - b; }
  static T Multiply(T a, T b) { return a * b; }
  static T Divide(T a, T b) { return a / b; }
  static T Negate(T a) { return -a; }
  static T Abs(T a) { return std::fabs(a); }
  static T Fma(T a, T b, T c) { return std::fma(a, b, c); }  // exact with and without the instruction
  static T Sqrt(T a) { return std::sqrt(a); }
  static T Floor(T a) { return std::floor(a); }
  static T Ceil(T a) { return std::ceil(a); }
  static T RoundEven(T a) { return std::nearbyint(a); }  // the rounding mode is the default one everywhere in Gradus
  static bool Less(T a, T b) { return a < b; }
  static bool LessEqual(T a, T b) { return a <= b; }
  static bool Equal(T a, T b) { return a == b; }
  static T Select(bool c, T x, T y) { return c ? x : y; }
  static N ToBits(T a) { return std::bit_cast<N>(a); }
  static T FromBits(N a) { return std::bit_cast<T>(a); }
};

template <>
struct Scalar<float> : ScalarFloat<float, int32_t> {};
template <>
struct Scalar<double> : ScalarFloat<double, int64_t> {};

}  // namespace gradus::ir
