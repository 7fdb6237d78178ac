// The EVP interface loads providers and reads a configuration file at run time; the direct one, deprecated in
// OpenSSL 3, is a pure function and links statically in a few kilobytes.
#define OPENSSL_API_COMPAT 0x10100000L
#include "runtime/sha256.h"

#include <openssl/sha.h>

#include "absl/strings/escaping.h"

namespace gradus::runtime {

std::array<uint8_t, 32> Sha256(absl::string_view bytes) {
  std::array<uint8_t, 32> digest;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return digest;
}

std::string HexSha256(absl::string_view bytes) {
  const auto digest = Sha256(bytes);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

}  // namespace gradus::runtime
