// The geometry of windows against a search over all places, and convolutions and pooling whose results are written out.
#include "ir/convolution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/apply.h"
#include "tests/matchers.h"

namespace gradus::ir {
namespace {

using ::testing::ElementsAre;
using testing_support::Apply;
using testing_support::FailsWith;

Tensor Floats(Shape shape, std::vector<float> elements) {
  return Tensor::Of<float>(std::move(shape), absl::MakeConstSpan(elements));
}

template <typename T = float>
std::vector<T> Elements(const absl::StatusOr<Tensor>& tensor) {
  if (!tensor.ok()) {
    ADD_FAILURE() << tensor.status();
    return {};
  }
  const auto data = tensor->data<T>();
  return std::vector<T>(data.begin(), data.end());
}

std::vector<WindowAxis> SomeAxes() {
  std::vector<WindowAxis> axes;
  for (int64_t input : {1, 3, 6}) {
    for (int64_t taps : {1, 2, 3}) {
      for (int64_t stride : {1, 2, 3}) {
        for (int64_t low : {-2, 0, 3}) {
          for (int64_t high : {-1, 0, 2}) {
            for (int64_t dilation : {1, 2}) {
              for (int64_t interior : {0, 1, 2}) {
                WindowAxis axis{input, taps, stride, low, high, dilation, interior, 0};
                const int64_t room = axis.places() + low + high - axis.reach();
                if (room < 0) continue;
                axis.output = room / stride + 1;
                axes.push_back(axis);
              }
            }
          }
        }
      }
    }
  }
  return axes;
}

TEST(WindowAxisTest, TheTransposedGeometryJoinsTheSamePairsOfWindowAndElement) {
  for (const WindowAxis& axis : SomeAxes()) {
    const WindowAxis back = Transposed(axis);
    for (int64_t w = 0; w < axis.output; ++w) {
      for (int64_t t = 0; t < axis.taps; ++t) {
        const int64_t element = axis.Source(w, t);
        if (element >= 0) {
          EXPECT_EQ(back.Source(element, axis.taps - 1 - t), w);
        }
      }
    }
    for (int64_t e = 0; e < axis.input; ++e) {
      for (int64_t t = 0; t < axis.taps; ++t) {
        const int64_t window = back.Source(e, t);
        if (window >= 0) {
          EXPECT_EQ(axis.Source(window, axis.taps - 1 - t), e);
        }
      }
    }
    const int64_t room = back.places() + back.low + back.high - back.reach();
    EXPECT_EQ(room, (back.output - 1) * back.stride) << "the transposed result has the extent of the operand, exactly";
  }
}

TEST(WindowAxisTest, RangesHoldWhatIsInside) {
  for (const WindowAxis& axis : SomeAxes()) {
    const IndexRange whole = axis.WholeWindows();
    for (int64_t w = 0; w < axis.output; ++w) {
      const IndexRange taps = axis.TapsInside(w);
      bool all = true;
      for (int64_t t = 0; t < axis.taps; ++t) {
        const int64_t place = w * axis.stride + t * axis.dilation - axis.low;
        const bool inside = place >= 0 && place < axis.places();
        all &= inside;
        EXPECT_EQ(t >= taps.begin && t < taps.end, inside);
        const IndexRange windows = axis.WindowsInside(t);
        EXPECT_EQ(w >= windows.begin && w < windows.end, inside);
      }
      EXPECT_EQ(w >= whole.begin && w < whole.end, all);
    }
  }
}

// stride, low, high, dilation, interior, groups of one spatial axis.
std::vector<AttributeValue> Line(int64_t stride, int64_t low, int64_t high, int64_t dilation = 1, int64_t interior = 0,
                                 int64_t groups = 1) {
  return {Ints{stride}, Ints{low}, Ints{high}, Ints{dilation}, Ints{interior}, groups};
}

TEST(ConvolutionTest, OneAxis) {
  const Tensor x = Floats({1, 5, 1}, {1, 2, 3, 4, 5}), w = Floats({2, 1, 1}, {10, 1});
  EXPECT_THAT(Elements(Apply(Op::kConvolution, {x, w}, Line(1, 0, 0))), ElementsAre(12, 23, 34, 45));
  EXPECT_THAT(Elements(Apply(Op::kConvolution, {x, w}, Line(2, 0, 0))), ElementsAre(12, 34));
  EXPECT_THAT(Elements(Apply(Op::kConvolution, {x, w}, Line(1, 1, 1))), ElementsAre(1, 12, 23, 34, 45, 50));
  EXPECT_THAT(Elements(Apply(Op::kConvolution, {x, w}, Line(1, -1, -1))), ElementsAre(23, 34));
  EXPECT_THAT(Elements(Apply(Op::kConvolution, {x, w}, Line(1, 0, 0, 3))), ElementsAre(14, 25));
  const Tensor two = Floats({1, 2, 1}, {1, 2});
  EXPECT_THAT(Elements(Apply(Op::kConvolution, {two, w}, Line(1, 1, 1, 1, 1))), ElementsAre(1, 10, 2, 20));
}

TEST(ConvolutionTest, ChannelsAndGroups) {
  const Tensor x = Floats({1, 2, 2}, {1, 2, 3, 4});  // channels (1, 3) and (2, 4)
  const Tensor w = Floats({1, 2, 3}, {1, 10, 100, 2, 20, 200});
  EXPECT_THAT(Elements(Apply(Op::kConvolution, {x, w}, Line(1, 0, 0))), ElementsAre(5, 50, 500, 11, 110, 1100));
  const Tensor depthwise = Floats({1, 1, 4}, {1, 10, 100, 1000});
  EXPECT_THAT(Elements(Apply(Op::kConvolution, {x, depthwise}, Line(1, 0, 0, 1, 0, 2))),
              ElementsAre(1, 10, 200, 2000, 3, 30, 400, 4000));
}

TEST(ConvolutionTest, TwoAxes) {
  const Tensor x = Floats({1, 3, 3, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9}), w = Floats({2, 2, 1, 1}, {1, 10, 100, 1000});
  const std::vector<AttributeValue> attributes = {Ints{1, 1}, Ints{0, 1}, Ints{0, 0},
                                                  Ints{1, 1}, Ints{0, 0}, int64_t{1}};
  EXPECT_THAT(Elements(Apply(Op::kConvolution, {x, w}, attributes)), ElementsAre(4010, 5421, 6532, 7040, 8754, 9865));
}

TEST(ConvolutionTest, TheWeightsSumOverExamplesAndWindows) {
  const Tensor x = Floats({2, 3, 1}, {1, 2, 3, 4, 5, 6}), g = Floats({2, 2, 1}, {1, 10, 100, 1000});
  std::vector<AttributeValue> attributes = Line(1, 0, 0);
  attributes.insert(attributes.begin(), Ints{2});
  attributes.emplace_back(std::string());
  EXPECT_THAT(Elements(Apply(Op::kConvolutionWeights, {x, g}, attributes)), ElementsAre(5421, 6532));
  attributes.back() = std::string("chain(3)");
  EXPECT_THAT(Elements(Apply(Op::kConvolutionWeights, {x, g}, attributes)), ElementsAre(5421, 6532));
  attributes.back() = std::string("lanes16");
  EXPECT_THAT(Apply(Op::kConvolutionWeights, {x, g}, attributes).status(), FailsWith("chain(s)"));
}

// What padding would give does not exist: +0 stays where -0 would come from 0 * -1, and infinities meet no zero.
TEST(ConvolutionTest, TermsInPaddingDoNotExist) {
  const Tensor x = Floats({1, 1, 1}, {2}), w = Floats({3, 1, 1}, {INFINITY, 1, NAN});
  EXPECT_THAT(Elements(Apply(Op::kConvolution, {x, w}, Line(1, 1, 1))), ElementsAre(2));
}

TEST(WindowTest, SumsAndMaxima) {
  const Tensor x = Floats({1, 4, 2}, {1, -8, 2, -7, 4, -6, 3, -5});
  const std::vector<AttributeValue> maximum = {Ints{2}, Ints{1}, Ints{1}, Ints{0}, Ints{1}};
  std::vector<AttributeValue> sum = maximum;
  sum.emplace_back(Ints{0});
  EXPECT_THAT(Elements(Apply(Op::kWindowSum, {x}, sum)), ElementsAre(1, -8, 3, -15, 6, -13, 7, -11));
  EXPECT_THAT(Elements(Apply(Op::kWindowMax, {x}, maximum)), ElementsAre(1, -8, 2, -7, 4, -6, 4, -5));
  EXPECT_THAT(Elements<int32_t>(Apply(Op::kWindowArgMax, {x}, maximum)), ElementsAre(0, 1, 2, 3, 4, 5, 4, 7));
}

TEST(WindowTest, TheFirstNanIsTheMaximum) {
  const Tensor x = Floats({1, 4, 1}, {INFINITY, NAN, NAN, -INFINITY});
  const std::vector<AttributeValue> whole = {Ints{4}, Ints{1}, Ints{0}, Ints{0}, Ints{1}};
  EXPECT_TRUE(std::isnan(Elements(Apply(Op::kWindowMax, {x}, whole))[0]));
  EXPECT_THAT(Elements<int32_t>(Apply(Op::kWindowArgMax, {x}, whole)), ElementsAre(1));
  const Tensor low = Floats({1, 2, 1}, {-INFINITY, -INFINITY});
  const std::vector<AttributeValue> both = {Ints{2}, Ints{1}, Ints{0}, Ints{0}, Ints{1}};
  EXPECT_THAT(Elements<int32_t>(Apply(Op::kWindowArgMax, {low}, both)), ElementsAre(0));
}

}  // namespace
}  // namespace gradus::ir
