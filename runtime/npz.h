// NumPy's archives of arrays: zip files whose members are .npy files, stored or deflated.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ir/tensor.h"

namespace gradus::runtime {

// Where a member of a zip archive stands, from the central directory.
struct ZipMember {
  std::string name;
  uint16_t method = 0;  // 0 stored, 8 deflated
  uint32_t crc = 0;
  uint64_t packed = 0;
  uint64_t unpacked = 0;
  uint64_t header = 0;  // offset of its local header
};

// The members of an archive (APPNOTE.TXT 6.3; zip64 included, encrypted and split ones refused).
absl::StatusOr<std::vector<ZipMember>> ReadZipDirectory(absl::string_view name, absl::string_view bytes);

// The content of a member, its checksum held.
absl::StatusOr<std::string> ReadZipMember(absl::string_view name, absl::string_view bytes, const ZipMember& member);

// Every array of an .npz file by name, without the `.npy`.
absl::StatusOr<absl::flat_hash_map<std::string, ir::Tensor>> ParseNpz(absl::string_view name, absl::string_view bytes);

// One array; the sentence lists what is there where it is not.
absl::StatusOr<ir::Tensor> ParseNpzMember(absl::string_view name, absl::string_view bytes, absl::string_view member);

}  // namespace gradus::runtime
