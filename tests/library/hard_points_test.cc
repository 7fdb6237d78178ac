// Where digits are easily lost: saturated sigmoids, logits of ±1e4, logarithms of tiny numbers. Everything is finite
// and as near to the truth as PyTorch is, or within a few units in the last place. tests/library/hard_points.py writes
// the file.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "tests/library/reference.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

using nlohmann::json;

constexpr double kEnough = 4;  // units in the last place, whatever PyTorch has
// Where a difference has lost digits, which way the last bit of a sigmoid fell decides between one error and its
// double.
constexpr double kOfPyTorch = 2.1;

template <typename T>
void ExpectAsNear(const json& c, const std::string& what, const ir::Tensor& found) {
  const auto numbers = found.data<T>();
  const json &truth = c[what], &bound = c[what + "_ulps"];
  ASSERT_EQ(truth.size(), static_cast<size_t>(found.size()));
  for (size_t i = 0; i < truth.size(); ++i) {
    const double expected = truth[i];
    EXPECT_TRUE(std::isfinite(numbers[i])) << what << " at " << i << " is " << numbers[i];
    const double error = std::abs(static_cast<double>(numbers[i]) - expected);
    // Below the smallest normal number nothing is promised: a flush to zero, for instance.
    if (error <= std::numeric_limits<T>::min()) continue;
    const double unit = std::max(std::abs(expected) * std::numeric_limits<T>::epsilon(),
                                 static_cast<double>(std::numeric_limits<T>::min()));
    EXPECT_LE(error / unit, std::max(kEnough, kOfPyTorch * bound[i].get<double>()))
        << what << " of " << c["text"] << " in " << c["type"] << " at " << i << ": found " << numbers[i] << ", true is "
        << expected;
  }
}

template <typename T>
void ExpectAsAccurate(const json& c) {
  constexpr ir::DType kType = sizeof(T) == 4 ? ir::DType::kF32 : ir::DType::kF64;
  const auto tensor = [](const json& shape, const json& values, ir::DType type) {
    ir::Tensor result(ir::Type{type, shape.get<ir::Shape>()});
    ir::Dispatch(type, [&](auto tag) {
      for (size_t i = 0; i < values.size(); ++i) {
        result.data<decltype(tag)>()[i] = static_cast<decltype(tag)>(values[i].get<double>());
      }
    });
    return result;
  };
  ReferenceCase reference{"", "", c["text"], {}, tensor(c["shape"], c["r"], kType), {}};
  for (const auto& [name, input] : c["inputs"].items()) {
    const ir::DType type = input.contains("type") ? ir::DType::kI32 : kType;
    reference.inputs.push_back({name, tensor(input["shape"], input["values"], type), name == "x", {}});
  }
  const auto values = RunCase(reference);
  ASSERT_TRUE(values.ok()) << values.status();
  ExpectAsNear<T>(c, "value", values->at("y"));
  ExpectAsNear<T>(c, "gradient", values->at("d_x"));
}

TEST(HardPointsTest, EverythingIsFiniteAndAsAccurateAsPyTorch) {
  const json cases = json::parse(std::ifstream(absl::StrCat(GRADUS_SOURCE_DIR, "/tests/library/hard_points.json")));
  EXPECT_GT(cases.size(), 100u);
  for (const json& c : cases) {
    if (c["type"] == "f32") {
      ExpectAsAccurate<float>(c);
    } else {
      ExpectAsAccurate<double>(c);
    }
  }
}

}  // namespace
}  // namespace gradus::testing_support
