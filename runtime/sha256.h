// SHA-256 (FIPS 180-4), by libcrypto.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace gradus::runtime {

std::array<uint8_t, 32> Sha256(absl::string_view bytes);
std::string HexSha256(absl::string_view bytes);

}  // namespace gradus::runtime
