// Layers in random configurations against PyTorch: values, gradients, new states.
//
// tests/library/torch_cases.py writes the files, and says what a case is and how far from PyTorch the library may be.
#pragma once

#include <string>

namespace gradus::testing_support {

// At least `least` cases of tests/library/FILE are PyTorch's: in f64 its numbers, in f32 no element further from f64
// than four times PyTorch's own error. Every 16th case also runs as native code, for the same bits.
void ExpectAsTorch(const std::string& file, size_t least = 300);

}  // namespace gradus::testing_support
