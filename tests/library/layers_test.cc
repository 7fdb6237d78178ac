// Layers in random configurations against PyTorch.
#include <gtest/gtest.h>

#include "tests/library/torch_cases.h"

namespace gradus::testing_support {
namespace {

TEST(LayersTest, NormalisationIsPyTorchs) { ExpectAsTorch("normalizations.npz"); }

TEST(LayersTest, AttentionIsPyTorchs) { ExpectAsTorch("attentions.npz"); }

}  // namespace
}  // namespace gradus::testing_support
