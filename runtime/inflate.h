// Deflate streams of untrusted files, through zlib.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gradus::runtime {

// The content of a raw deflate stream that must be `expected` bytes long and fill `packed`. A claim that no deflate
// stream of this length can meet (the format packs at most 1032:1) is refused before memory is asked for.
absl::StatusOr<std::string> InflateRaw(absl::string_view name, absl::string_view packed, uint64_t expected);

// The content of a gzip file, all its members.
absl::StatusOr<std::string> InflateGzip(absl::string_view name, absl::string_view packed);

uint32_t Crc32(absl::string_view bytes);

}  // namespace gradus::runtime
