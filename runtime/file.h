// Whole files, in and out.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace gradus::runtime {

// The bytes of a regular file, read into memory (never mapped: a file that shrinks under a mapping kills its reader).
absl::StatusOr<std::string> ReadFile(const std::string& path);

// The same, unpacked where the file is a gzip stream. Fails with a sentence for a broken stream.
absl::StatusOr<std::string> ReadMaybeGzip(const std::string& path);

// Replaces `path` by the concatenation of `pieces`, all or nothing: a temporary beside it is written, synced, renamed
// over it, and the folder synced. A failed fsync is not retried (its pages may be gone); the temporary is removed.
absl::Status WriteFileAtomically(const std::string& path, absl::Span<const absl::string_view> pieces);

// Says now what WriteFileAtomically would say of the path after hours of work: its folder is missing or not writable,
// or it is a folder itself.
absl::Status CheckReplaceable(const std::string& path);

}  // namespace gradus::runtime
