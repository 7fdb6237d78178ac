// A libFuzzer target: GRADUS_FUZZ_SUBJECT is the function of tests/fuzz/subject.h that it feeds.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/subject.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gradus::testing_support::GRADUS_FUZZ_SUBJECT(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
