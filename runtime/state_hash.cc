#include "runtime/state_hash.h"

#include "runtime/canonical.h"
#include "runtime/sha256.h"

namespace gradus::runtime {

std::string StateHash(const std::map<std::string, ir::Tensor>& state) {
  std::string message;
  for (const auto& [name, tensor] : state) {
    message += name;
    message.push_back('\0');
    message += ir::ToString(tensor.type());
    message.push_back('\0');
    message += CanonicalBytes(tensor);
  }
  return HexSha256(message);
}

}  // namespace gradus::runtime
