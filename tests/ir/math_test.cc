// Every transcendental function against long double libm: the bound that its header promises, over dense random points
// and strides of all floats.
#include "ir/math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "ir/scalar.h"

namespace gradus::ir {
namespace {

// |value - exact| in units in the last place of the correctly rounded result; denormals share the smallest unit.
template <typename T>
double Ulps(T value, long double exact) {
  const T rounded = static_cast<T>(exact);
  if (std::isnan(exact) || std::isnan(value)) return std::isnan(exact) && std::isnan(value) ? 0 : 1e30;
  if (std::isinf(rounded) || std::isinf(value)) return rounded == value ? 0 : 1e30;
  const int exponent = std::max(std::ilogb(rounded == 0 ? std::numeric_limits<T>::denorm_min() : rounded),
                                std::numeric_limits<T>::min_exponent - 1);
  const long double unit = std::ldexp(1.0L, exponent - (std::numeric_limits<T>::digits - 1));
  return static_cast<double>(std::fabs((static_cast<long double>(value) - exact) / unit));
}

template <typename T>
using Function = std::function<T(T)>;
using Reference = std::function<long double(long double)>;

template <typename T>
void ExpectWithin(const char* name, Function<T> f, Reference reference, double low, double high, double bound,
                  int points = 100000) {
  std::mt19937_64 random(7);
  double worst = 0;
  T where = 0;
  auto check = [&](T x) {
    const double error = Ulps<T>(f(x), reference(x));
    if (error > worst) worst = error, where = x;
  };
  std::uniform_real_distribution<double> uniform(low, high);
  for (int i = 0; i < points; ++i) check(static_cast<T>(uniform(random)));
  // As many points of each magnitude that the interval holds.
  std::uniform_real_distribution<double> exponent(-40, std::log2(std::max(std::fabs(low), std::fabs(high))));
  for (int i = 0; i < points; ++i) {
    const T x = static_cast<T>(std::exp2(exponent(random)));
    if (x >= low && x <= high) check(x);
    if (-x >= low && -x <= high) check(-x);
  }
  ::testing::Test::RecordProperty(std::string(name) + (sizeof(T) == 4 ? "32" : "64"), std::to_string(worst));
  EXPECT_LE(worst, bound) << name << " at " << std::hexfloat << where;
}

#define GRADUS_FUNCTION(T, Name) [](T x) { return Name(F<Scalar<T>>::Of(x)).raw; }
#define EXPECT_WITHIN(T, Name, reference, ...) \
  ExpectWithin<T>(#Name, GRADUS_FUNCTION(T, Name), [](long double x) -> long double { return reference; }, __VA_ARGS__)

TEST(MathTest, ExpKeepsItsBound) {
  EXPECT_WITHIN(float, Exp, std::exp(x), -87.33, 88.7228, 1.1);
  EXPECT_WITHIN(double, Exp, std::exp(x), -708.39, 709.78, 1.1);
}

TEST(MathTest, LogKeepsItsBound) {
  EXPECT_WITHIN(float, Log, std::log(x), 0, 4, 1.0);
  EXPECT_WITHIN(float, Log, std::log(x), 0, 3e38, 1.0);
  EXPECT_WITHIN(double, Log, std::log(x), 0, 4, 1.0);
  EXPECT_WITHIN(double, Log, std::log(x), 0, 1e308, 1.0);
}

TEST(MathTest, SinAndCosKeepTheirBound) {
  for (const double high : {10.0, 0x1p18, 0x1p22, 3.4e38}) {
    EXPECT_WITHIN(float, Sin, std::sin(x), -high, high, 1.5, 30000);
    EXPECT_WITHIN(float, Cos, std::cos(x), -high, high, 1.5, 30000);
  }
  for (const double high : {10.0, 0x1p47, 0x1p50, 1.7e308}) {
    EXPECT_WITHIN(double, Sin, std::sin(x), -high / 2, high / 2, 1.5, 30000);
    EXPECT_WITHIN(double, Cos, std::cos(x), -high / 2, high / 2, 1.5, 30000);
  }
}

// The arguments of all that come nearest to a multiple of π/2, their sine and cosine to 64 digits, from
// script/two_over_pi.py.
struct PhasePoint {
  double x;
  long double sine;
  long double cosine;
};
constexpr PhasePoint kHardest32[] = {
    {0x1.f37c8ap+95, 0xffffffffffffffe8p-64L, -0xddeea952c757daccp-93L},
    {0x1.47d0fep+34, 0xffffffffffffffdbp-64L, -0x8a4ed7eb5c4c347bp-92L},
    {0x1.f37c8ap+96, -0xddeea952c757dab8p-92L, -0xffffffffffffffa0p-64L},
    {0x1.47d0fep+35, -0x8a4ed7eb5c4c3467p-91L, -0xffffffffffffff6bp-64L},
    {0x1.f37c8ap+97, 0xddeea952c757da64p-91L, 0xfffffffffffffe7fp-64L},
    {0x1.32ede2p+85, 0xfffffffffffffe7ep-64L, -0xde3bdf271dcb0170p-91L},
    {0x1.628d4cp+40, -0xfffffffffffffe47p-64L, -0xeda4f181f53bc1e9p-91L},
    {0x1.13093p+76, 0xfffffffffffffe10p-64L, -0xfbf025f2087128a1p-91L},
    {0x1.47d0fep+36, 0x8a4ed7eb5c4c3416p-90L, 0xfffffffffffffdaap-64L},
    {0x1.b08c4ap+111, -0xfffffffffffffc3cp-64L, -0xafa9754278906501p-90L},
    {0x1.4665d2p+25, -0xfffffffffffffb0ep-64L, 0xc93de63bd7a3c687p-90L},
    {0x1.abb4bp+89, 0xfffffffffffffad5p-64L, 0xcdba58e0e2b17726p-90L},
};
constexpr PhasePoint kHardest64[] = {
    {0x1.6ac5b262ca1ffp+849, 1, -0x8a5739735d1177a3p-124L},  {0x1.6ac5b262ca1ffp+850, -0x8a5739735d1177a3p-123L, -1},
    {0x1.504cac51f1eafp+131, -1, -0x865b0269a79a092ep-122L}, {0x1.6ac5b262ca1ffp+851, 0x8a5739735d1177a3p-122L, 1},
    {0x1.e009c53148be1p+991, 1, 0x94ad1d853258ea4ap-122L},   {0x1.4c96c11134d36p+577, -1, 0xb7633de7bba9125ep-122L},
    {0x1.cfe482285f8edp+860, -1, -0xe847ace195fd169dp-122L}, {0x1.db41f3cb71d7bp+680, 1, 0xf04c3c691714e949p-122L},
    {0x1.e7e44a78ac18cp+197, -1, 0xf6a0afaa6465c2b9p-122L},  {0x1.c45cd11154dfdp+295, 1, 0x8092143b6be0d426p-121L},
    {0x1.504cac51f1eafp+132, 0x865b0269a79a092ep-121L, -1},  {0x1.83009e2e9e2ebp+614, 1, -0x8824182004894dfcp-121L},
};

template <typename T, size_t kCount>
void ExpectPoints(const PhasePoint (&points)[kCount]) {
  for (const PhasePoint& point : points) {
    const T x = static_cast<T>(point.x);
    EXPECT_LE(Ulps<T>(GRADUS_FUNCTION(T, Sin)(x), point.sine), 1.0) << std::hexfloat << x;
    EXPECT_LE(Ulps<T>(GRADUS_FUNCTION(T, Cos)(x), point.cosine), 1.0) << std::hexfloat << x;
    EXPECT_LE(Ulps<T>(GRADUS_FUNCTION(T, Sin)(-x), -point.sine), 1.0) << std::hexfloat << x;
  }
}

TEST(MathTest, SinAndCosAreRightWhereMultiplesOfHalfPiAreNearest) {
  ExpectPoints<float>(kHardest32);
  ExpectPoints<double>(kHardest64);
}

// Every exponent, the mantissas at its ends and some between.
template <typename T>
void ExpectEveryExponent() {
  std::mt19937_64 random(19);
  for (int exponent = -140; exponent < std::numeric_limits<T>::max_exponent; ++exponent) {
    const T low = std::ldexp(T(1), exponent);
    for (int i = 0; i < 200; ++i) {
      const T x = i == 0   ? low
                  : i == 1 ? std::nextafter(low, T(0))
                           : low * static_cast<T>(1 + std::ldexp(static_cast<double>(random() >> 12), -52) / 1.0000001);
      const long double exact = x;
      ASSERT_LE(Ulps<T>(GRADUS_FUNCTION(T, Sin)(x), std::sin(exact)), 1.5) << std::hexfloat << x;
      ASSERT_LE(Ulps<T>(GRADUS_FUNCTION(T, Cos)(x), std::cos(exact)), 1.5) << std::hexfloat << x;
    }
  }
}

TEST(MathTest, SinAndCosKeepTheirBoundAtEveryExponent) {
  ExpectEveryExponent<float>();
  ExpectEveryExponent<double>();
}

TEST(MathTest, SinNearMultiplesOfPiIsExactToTheLastPlace) {
  for (int n = 1; n < 1000000; n += 7) {
    const float x = static_cast<float>(n * M_PIl);
    ASSERT_LE(Ulps<float>(GRADUS_FUNCTION(float, Sin)(x), std::sin(static_cast<long double>(x))), 1.5) << n;
    const double y = static_cast<double>(n * M_PIl);
    ASSERT_LE(Ulps<double>(GRADUS_FUNCTION(double, Sin)(y), std::sin(static_cast<long double>(y))), 1.5) << n;
  }
}

TEST(MathTest, TanhKeepsItsBound) {
  EXPECT_WITHIN(float, Tanh, std::tanh(x), -10, 10, 1.5);
  EXPECT_WITHIN(double, Tanh, std::tanh(x), -20, 20, 1.5);
}

TEST(MathTest, SigmoidKeepsItsBound) {
  EXPECT_WITHIN(float, Sigmoid, 1 / (1 + std::exp(-x)), -87.3, 30, 2.5);
  EXPECT_WITHIN(double, Sigmoid, 1 / (1 + std::exp(-x)), -708.3, 40, 2.5);
}

TEST(MathTest, ErfKeepsItsBound) {
  EXPECT_WITHIN(float, Erf, std::erf(x), -5, 5, 2.0);
  EXPECT_WITHIN(double, Erf, std::erf(x), -7, 7, 2.0);
}

template <typename T>
void ExpectPow(double lowest_log, double highest_log, double bound) {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> log(lowest_log, highest_log), small(-1, 1), exponent(-20, 60);
  double worst = 0;
  for (int i = 0; i < 150000; ++i) {
    // x of every magnitude and near 1; y so that the result is in range.
    const T x = static_cast<T>(i % 2 == 0 ? std::exp2(small(random) * (sizeof(T) == 4 ? 126 : 1022))
                                          : 1 + small(random) * std::exp2(-exponent(random) / 2.5));
    if (x <= 0 || x == 1) continue;
    const T y = static_cast<T>(log(random) / std::log(static_cast<double>(x)));
    if (!std::isfinite(y)) continue;
    using Value = F<Scalar<T>>;
    const double error = Ulps<T>(Pow(Value::Of(x), Value::Of(y)).raw,
                                 std::pow(static_cast<long double>(x), static_cast<long double>(y)));
    worst = std::max(worst, error);
    ASSERT_LE(error, bound) << std::hexfloat << x << " " << y;
  }
  ::testing::Test::RecordProperty("pow", std::to_string(worst));
}

TEST(MathTest, PowKeepsItsBound) {
  ExpectPow<float>(-103, 88.7, 2.0);
  ExpectPow<double>(-744, 709.7, 2.0);
}

TEST(MathTest, PowHasTheSpecialCasesOfIeee754) {
  const float points[] = {0.0f,
                          -0.0f,
                          1.0f,
                          -1.0f,
                          0.5f,
                          -0.5f,
                          2.0f,
                          -2.0f,
                          3.0f,
                          -3.0f,
                          1e-40f,
                          -1e-40f,
                          16777216.0f,
                          16777217.5f,
                          3e38f,
                          -3e38f,
                          std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()};
  for (const float x : points) {
    for (const float y : points) {
      const float value = Pow(F<Scalar<float>>::Of(x), F<Scalar<float>>::Of(y)).raw;
      const long double exact = std::pow(static_cast<long double>(x), static_cast<long double>(y));
      EXPECT_LE(Ulps<float>(value, exact), 2.0) << x << " ** " << y << " = " << value;
      if (value == 0) {
        EXPECT_EQ(std::signbit(value), std::signbit(exact)) << x << " ** " << y;
      }
      const double value64 = Pow(F<Scalar<double>>::Of(x), F<Scalar<double>>::Of(y)).raw;
      EXPECT_LE(Ulps<double>(value64, exact), 2.0) << x << " ** " << y << " = " << value64;
    }
  }
}

// Every 10007th float of all: special values, denormals, both signs, all magnitudes.
TEST(MathTest, NoFloatIsLeftOut) {
  struct Row {
    const char* name;
    Function<float> f;
    Reference reference;
    double bound;
  };
  const Row rows[] = {
      {"log", GRADUS_FUNCTION(float, Log), [](long double x) { return std::log(x); }, 1.0},
      {"tanh", GRADUS_FUNCTION(float, Tanh), [](long double x) { return std::tanh(x); }, 1.5},
      {"erf", GRADUS_FUNCTION(float, Erf), [](long double x) { return std::erf(x); }, 2.0},
      {"exp", GRADUS_FUNCTION(float, Exp), [](long double x) { return x < -87.33f ? 0 : std::exp(x); }, 1.1},
      {"sigmoid", GRADUS_FUNCTION(float, Sigmoid),
       [](long double x) { return x < -87.33f ? 0 : 1 / (1 + std::exp(-x)); }, 2.5},
      {"sin", GRADUS_FUNCTION(float, Sin), [](long double x) { return std::sin(x); }, 1.5},
      {"cos", GRADUS_FUNCTION(float, Cos), [](long double x) { return std::cos(x); }, 1.5},
  };
  for (const Row& row : rows) {
    double worst = 0;
    for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 10007) {
      const float x = std::bit_cast<float>(static_cast<uint32_t>(bits));
      const double error = Ulps<float>(row.f(x), row.reference(x));
      worst = std::max(worst, error);
      ASSERT_LE(error, row.bound) << row.name << "(" << x << ") = " << row.f(x);
    }
    RecordProperty(row.name, std::to_string(worst));
  }
}

template <typename T>
void ExpectSpecialValues() {
  using Value = F<Scalar<T>>;
  const T infinity = std::numeric_limits<T>::infinity();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  // A NaN whose payload would carry into the exponent.
  const T payload = std::bit_cast<T>(static_cast<decltype(Scalar<T>::ToBits(T{}))>(Scalar<T>::ToBits(nan) | 0x2bcd1));
  const auto call = [](auto f, T x) { return f(Value::Of(x)).raw; };
  const auto exp = [](Value x) { return Exp(x); };
  for (const T x : {nan, payload, -payload}) {
    EXPECT_TRUE(std::isnan(call(exp, x)));
    EXPECT_TRUE(std::isnan(call([](Value v) { return Log(v); }, x)));
    EXPECT_TRUE(std::isnan(call([](Value v) { return Tanh(v); }, x)));
    EXPECT_TRUE(std::isnan(call([](Value v) { return Sigmoid(v); }, x)));
    EXPECT_TRUE(std::isnan(call([](Value v) { return Erf(v); }, x)));
    EXPECT_TRUE(std::isnan(call([](Value v) { return Sin(v); }, x)));
    EXPECT_TRUE(std::isnan(call([](Value v) { return Cos(v); }, x)));
  }
  EXPECT_EQ(call(exp, infinity), infinity);
  EXPECT_EQ(call(exp, -infinity), 0);
  EXPECT_EQ(call(exp, T(0)), 1);
  EXPECT_EQ(call(exp, std::numeric_limits<T>::max()), infinity);
  EXPECT_EQ(call(exp, std::numeric_limits<T>::lowest()), 0);
  EXPECT_EQ(Log(Value::Of(T(0))).raw, -infinity);
  EXPECT_EQ(Log(Value::Of(T(-0.0))).raw, -infinity);
  EXPECT_EQ(Log(Value::Of(infinity)).raw, infinity);
  EXPECT_EQ(Log(Value::Of(T(1))).raw, 0);
  EXPECT_TRUE(std::isnan(Log(Value::Of(T(-1))).raw));
  EXPECT_TRUE(std::isnan(Sin(Value::Of(infinity)).raw));
  EXPECT_TRUE(std::signbit(Sin(Value::Of(T(-0.0))).raw));
  EXPECT_TRUE(std::signbit(Tanh(Value::Of(T(-0.0))).raw));
  EXPECT_TRUE(std::signbit(Erf(Value::Of(T(-0.0))).raw));
  EXPECT_EQ(Tanh(Value::Of(-infinity)).raw, -1);
  EXPECT_EQ(Erf(Value::Of(infinity)).raw, 1);
  EXPECT_EQ(Sigmoid(Value::Of(infinity)).raw, 1);
  EXPECT_EQ(Sigmoid(Value::Of(-infinity)).raw, 0);
  EXPECT_EQ(Sigmoid(Value::Of(T(0))).raw, T(0.5));
  EXPECT_TRUE(std::isnan(Cos(Value::Of(-infinity)).raw));
}

TEST(MathTest, SpecialValuesAreThoseOfIeee754) {
  ExpectSpecialValues<float>();
  ExpectSpecialValues<double>();
}

TEST(MathTest, ExpNeverFallsBetweenNeighbours) {
  float before = 0;
  for (float x = -88; x < 88.8f; x += 1e-4f) {
    const float y = Exp(F<Scalar<float>>::Of(x)).raw;
    ASSERT_GE(y, before) << x;
    before = y;
  }
}

}  // namespace
}  // namespace gradus::ir
