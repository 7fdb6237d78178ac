#include "ir/cost.h"

#include <array>

#include "ir/math.h"
#include "ir/scalar.h"

namespace gradus::ir {
namespace {

int counted = 0;  // only while the table is made, which is once

// Scalar<float> that counts. The formulas have no branches, so any operand gives the same count.
struct Counting : Scalar<float> {
  template <typename T>
  static T Step(T value, int steps = 1) {
    counted += steps;
    return value;
  }
  using Base = Scalar<float>;

  static bool MaskAnd(bool a, bool b) { return Step(Base::MaskAnd(a, b)); }
  static bool MaskOr(bool a, bool b) { return Step(Base::MaskOr(a, b)); }
  static bool MaskXor(bool a, bool b) { return Step(Base::MaskXor(a, b)); }
  static bool MaskNot(bool a) { return Step(Base::MaskNot(a)); }
  static int32_t IntegerAdd(int32_t a, int32_t b) { return Step(Base::IntegerAdd(a, b)); }
  static int32_t IntegerSubtract(int32_t a, int32_t b) { return Step(Base::IntegerSubtract(a, b)); }
  static int32_t IntegerMultiply(int32_t a, int32_t b) { return Step(Base::IntegerMultiply(a, b)); }
  static int32_t Quotient(int32_t a, int32_t b) { return Step(Base::Quotient(a, b), kDivisionSteps); }
  static int32_t IntegerAnd(int32_t a, int32_t b) { return Step(Base::IntegerAnd(a, b)); }
  static int32_t IntegerOr(int32_t a, int32_t b) { return Step(Base::IntegerOr(a, b)); }
  static int32_t IntegerXor(int32_t a, int32_t b) { return Step(Base::IntegerXor(a, b)); }
  static int32_t ShiftLeft(int32_t a, int bits) { return Step(Base::ShiftLeft(a, bits)); }
  static int32_t ShiftRight(int32_t a, int bits) { return Step(Base::ShiftRight(a, bits)); }
  static int32_t ShiftRightLogical(int32_t a, int bits) { return Step(Base::ShiftRightLogical(a, bits)); }
  static bool IntegerLess(int32_t a, int32_t b) { return Step(Base::IntegerLess(a, b)); }
  static bool IntegerEqual(int32_t a, int32_t b) { return Step(Base::IntegerEqual(a, b)); }
  static int32_t IntegerSelect(bool c, int32_t x, int32_t y) { return Step(Base::IntegerSelect(c, x, y)); }

  static float Add(float a, float b) { return Step(Base::Add(a, b)); }
  static float Subtract(float a, float b) { return Step(Base::Subtract(a, b)); }
  static float Multiply(float a, float b) { return Step(Base::Multiply(a, b)); }
  static float Divide(float a, float b) { return Step(Base::Divide(a, b), kDivisionSteps); }
  static float Negate(float a) { return Step(Base::Negate(a)); }
  static float Abs(float a) { return Step(Base::Abs(a)); }
  static float Fma(float a, float b, float c) { return Step(Base::Fma(a, b, c)); }
  static float Sqrt(float a) { return Step(Base::Sqrt(a), kDivisionSteps); }
  static float Floor(float a) { return Step(Base::Floor(a)); }
  static float Ceil(float a) { return Step(Base::Ceil(a)); }
  static float RoundEven(float a) { return Step(Base::RoundEven(a)); }
  static bool Less(float a, float b) { return Step(Base::Less(a, b)); }
  static bool LessEqual(float a, float b) { return Step(Base::LessEqual(a, b)); }
  static bool Equal(float a, float b) { return Step(Base::Equal(a, b)); }
  static float Select(bool c, float x, float y) { return Step(Base::Select(c, x, y)); }
};

using Table = std::array<int, 256>;  // one for every value of an Op

Table MakeTable() {
  Table steps;
  steps.fill(1);
  const F<Counting> x(1.5), a(1.5), b(1.25), c(1.75);
#define COUNTED(name, y) \
  counted = 0;           \
  static_cast<void>(y);  \
  steps[static_cast<size_t>(Op::k##name)] = counted;
#define UNARY(name, mnemonic, types, y, ...) COUNTED(name, y)
#define BINARY(name, mnemonic, infix, types, y, ...) COUNTED(name, y)
#define TERNARY(name, mnemonic, types, y, ...) COUNTED(name, y)
#include "ir/ops.def"
#undef COUNTED
  return steps;
}

}  // namespace

int Steps(Op op) {
  static const Table table = MakeTable();
  return table[static_cast<size_t>(op)];
}

}  // namespace gradus::ir
