#include "runtime/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "absl/cleanup/cleanup.h"
#include "ir/check.h"
#include "runtime/bytes.h"
#include "runtime/memory.h"

namespace gradus::runtime {
namespace {

constexpr uint64_t kMaxDeflateRatio = 1032;  // zlib's technical notes: the limit of the format
constexpr size_t kPiece = size_t{1} << 20;
constexpr int kRaw = -MAX_WBITS;
constexpr int kGzip = 16 + MAX_WBITS;

// Feeds and drains `stream` by pieces that fit zlib's 32-bit counters. Leaves at the end of one stream; returns how
// many bytes of `packed` it took.
absl::StatusOr<size_t> InflateOne(absl::string_view name, absl::string_view packed, int64_t offset, int window,
                                  uint64_t limit, std::string& out) {
  z_stream stream = {};
  CHECK(inflateInit2(&stream, window) == Z_OK) << "zlib does not start";
  absl::Cleanup end = [&stream] { inflateEnd(&stream); };
  size_t taken = 0;
  std::string piece(kPiece, '\0');
  for (;;) {
    const size_t offered = std::min<size_t>(packed.size() - taken, kPiece);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + taken));
    stream.avail_in = static_cast<uInt>(offered);
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    const int result = inflate(&stream, Z_NO_FLUSH);
    const size_t used = offered - stream.avail_in, made = piece.size() - stream.avail_out;
    taken += used;
    if (out.size() + made > out.capacity()) {
      RETURN_IF_ERROR(
          CheckMemory(ir::Size(static_cast<int64_t>(out.capacity())) * 2, absl::StrCat("unpacking ", name)));
    }
    out.append(piece, 0, made);
    if (out.size() > limit) {
      return FileError(name, offset + taken,
                       absl::StrCat("the packed data is longer than the ", limit, " bytes that its header says"));
    }
    if (result == Z_STREAM_END) return taken;
    if (result != Z_OK && result != Z_BUF_ERROR) {
      return FileError(name, offset + taken,
                       absl::StrCat("the packed data is broken: ", stream.msg ? stream.msg : "not a deflate stream"));
    }
    if (used == 0 && made == 0) return FileError(name, offset + taken, "the packed data ends too early");
  }
}

}  // namespace

absl::StatusOr<std::string> InflateRaw(absl::string_view name, absl::string_view packed, uint64_t expected) {
  if (expected / kMaxDeflateRatio > packed.size()) {
    return FileError(
        name, 0,
        absl::StrCat("the header says that ", packed.size(), " packed bytes hold ", expected, ", which cannot be"));
  }
  std::string out;
  RETURN_IF_ERROR(CheckMemory(static_cast<int64_t>(expected), absl::StrCat("unpacking ", name)));
  out.reserve(expected);
  ASSIGN_OR_RETURN(const size_t taken, InflateOne(name, packed, 0, kRaw, expected, out));
  if (taken != packed.size()) {
    return FileError(name, taken, absl::StrCat(packed.size() - taken, " bytes follow the end of the packed data"));
  }
  if (out.size() != expected) {
    return FileError(name, taken, absl::StrCat("expected ", expected, " unpacked bytes, found ", out.size()));
  }
  return out;
}

absl::StatusOr<std::string> InflateGzip(absl::string_view name, absl::string_view packed) {
  std::string out;
  size_t offset = 0;
  while (offset < packed.size()) {
    ASSIGN_OR_RETURN(const size_t taken,
                     InflateOne(name, packed.substr(offset), offset, kGzip, std::numeric_limits<uint64_t>::max(), out));
    offset += taken;
  }
  return out;
}

uint32_t Crc32(absl::string_view bytes) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace gradus::runtime
