#include "runtime/state_hash.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/sha256.h"

namespace gradus::runtime {
namespace {

TEST(Sha256Test, TheTestVectorsOfFips180) {
  EXPECT_EQ(HexSha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(HexSha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(StateHashTest, ItHashesNameTypeShapeAndBytes) {
  std::map<std::string, ir::Tensor> state;
  state.emplace("w", ir::Tensor::Of<float>({2}, {1.0f, 2.0f}));
  EXPECT_EQ(StateHash(state), HexSha256(absl::string_view("w\0f32[2]\0\x00\x00\x80\x3f\x00\x00\x00\x40", 17)));
}

TEST(StateHashTest, ANameAShapeATypeOrABitChangesItAndTheKindOfNanDoesNot) {
  const auto hash = [](std::string name, ir::Tensor tensor) {
    std::map<std::string, ir::Tensor> state;
    state.emplace(std::move(name), std::move(tensor));
    return StateHash(state);
  };
  const std::string base = hash("w", ir::Tensor::Of<float>({2}, {0.0f, 2.0f}));
  EXPECT_NE(base, hash("v", ir::Tensor::Of<float>({2}, {0.0f, 2.0f})));
  EXPECT_NE(base, hash("w", ir::Tensor::Of<float>({1, 2}, {0.0f, 2.0f})));
  EXPECT_NE(base, hash("w", ir::Tensor::Of<int32_t>({2}, {0, 0x40000000})));
  EXPECT_NE(base, hash("w", ir::Tensor::Of<float>({2}, {-0.0f, 2.0f})));
  EXPECT_EQ(hash("w", ir::Tensor::Scalar<float>(NAN)), hash("w", ir::Tensor::Scalar<float>(-NAN)));
}

}  // namespace
}  // namespace gradus::runtime
