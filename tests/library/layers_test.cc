// Layers in random configurations against PyTorch.
#include <gtest/gtest.h>

#include "tests/library/torch_cases.h"

namespace gradus::testing_support {
namespace {

TEST(LayersTest, ConvolutionIsPyTorchs) { ExpectAsTorch("convolutions.npz"); }

TEST(LayersTest, PoolingAndResizingArePyTorchs) { ExpectAsTorch("poolings.npz"); }

TEST(LayersTest, NormalisationIsPyTorchs) { ExpectAsTorch("normalizations.npz"); }

TEST(LayersTest, AttentionIsPyTorchs) { ExpectAsTorch("attentions.npz"); }

TEST(LayersTest, RecurrenceIsPyTorchs) { ExpectAsTorch("recurrences.npz"); }

}  // namespace
}  // namespace gradus::testing_support
