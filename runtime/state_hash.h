// One number for everything that a program carries from step to step.
#pragma once

#include <map>
#include <string>

#include "ir/tensor.h"

namespace gradus::runtime {

// SHA-256, in hexadecimal, over (name, type, shape, little-endian bytes) of every tensor, sorted by name, NaNs
// canonical. What is hashed, one tensor after another: the name, a zero byte, its type and shape as text (`f32[3,4]`),
// a zero byte, its bytes. The step counter is no part of it.
std::string StateHash(const std::map<std::string, ir::Tensor>& state);

}  // namespace gradus::runtime
