#include "ir/reference.h"

#include "tests/golden.h"

namespace gradus::ir {
namespace {

TEST(ReferenceTest, TheOperationsPageIsWhatTheTableSays) {
  testing_support::ExpectGolden("docs/ops.md", OperationsReference());
}

}  // namespace
}  // namespace gradus::ir
