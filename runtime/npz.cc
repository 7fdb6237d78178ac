#include "runtime/npz.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "frontend/suggest.h"
#include "ir/error.h"
#include "runtime/bytes.h"
#include "runtime/inflate.h"
#include "runtime/npy.h"

namespace gradus::runtime {
namespace {

constexpr uint32_t kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
constexpr uint32_t kCentral = 0x02014b50, kLocal = 0x04034b50;
constexpr size_t kEndBytes = 22, kLocatorBytes = 20, kMaxComment = 65535;
constexpr uint64_t kMaxMembers = 1 << 20;

struct Directory {
  uint64_t entries = 0;
  uint64_t offset = 0;
};

absl::StatusOr<Directory> FindDirectory(absl::string_view name, absl::string_view bytes) {
  ByteReader in(name, bytes);
  if (bytes.size() < kEndBytes) return in.Error("expected a zip archive (.npz), found a file too short to be one");
  const size_t first = bytes.size() - kEndBytes - std::min(kMaxComment, bytes.size() - kEndBytes);
  const size_t at = bytes.rfind("PK\x05\x06", bytes.size() - kEndBytes);
  if (at == absl::string_view::npos || at < first) {
    return in.Error(
        "expected a zip archive (.npz), found no end-of-directory record: the file is cut off or something else");
  }
  RETURN_IF_ERROR(in.Seek(at + 4, "the end of the directory"));
  ASSIGN_OR_RETURN(const uint16_t disk, in.Little<uint16_t>("the end-of-directory record"));
  ASSIGN_OR_RETURN(const uint16_t directory_disk, in.Little<uint16_t>("the end-of-directory record"));
  RETURN_IF_ERROR(in.Take(2, "the end-of-directory record").status());
  ASSIGN_OR_RETURN(const uint16_t entries, in.Little<uint16_t>("the end-of-directory record"));
  ASSIGN_OR_RETURN(const uint32_t size, in.Little<uint32_t>("the end-of-directory record"));
  ASSIGN_OR_RETURN(const uint32_t offset, in.Little<uint32_t>("the end-of-directory record"));
  const bool wide = entries == 0xffff || size == 0xffffffff || offset == 0xffffffff;
  if (!wide && (disk != 0 || directory_disk != 0)) return in.Error("the archive is one part of a split archive");
  if (!wide) return Directory{entries, offset};

  if (at < kLocatorBytes) return in.Error("the zip64 record is missing");
  RETURN_IF_ERROR(in.Seek(at - kLocatorBytes, "the zip64 locator"));
  ASSIGN_OR_RETURN(const uint32_t locator, in.Little<uint32_t>("the zip64 locator"));
  if (locator != kEnd64Locator) return Directory{entries, offset};  // exactly 65,535 members or so, and no zip64
  RETURN_IF_ERROR(in.Take(4, "the zip64 locator").status());
  ASSIGN_OR_RETURN(const uint64_t end64, in.Little<uint64_t>("the zip64 locator"));
  RETURN_IF_ERROR(in.Seek(end64, "the zip64 end-of-directory record"));
  ASSIGN_OR_RETURN(const uint32_t magic, in.Little<uint32_t>("the zip64 record"));
  if (magic != kEnd64) return in.Error("expected the zip64 end-of-directory record");
  RETURN_IF_ERROR(in.Take(28, "the zip64 record").status());
  Directory directory;
  ASSIGN_OR_RETURN(directory.entries, in.Little<uint64_t>("the zip64 record"));
  RETURN_IF_ERROR(in.Take(8, "the zip64 record").status());
  ASSIGN_OR_RETURN(directory.offset, in.Little<uint64_t>("the zip64 record"));
  return directory;
}

// Replaces the sizes that 32 bits could not say by those of the zip64 extra field.
absl::Status ApplyZip64(absl::string_view name, absl::string_view extra, ZipMember& member) {
  ByteReader in(name, extra);
  while (in.remaining() >= 4) {
    ASSIGN_OR_RETURN(const uint16_t id, in.Little<uint16_t>("an extra field"));
    ASSIGN_OR_RETURN(const uint16_t size, in.Little<uint16_t>("an extra field"));
    ASSIGN_OR_RETURN(const absl::string_view field, in.Take(size, "an extra field"));
    if (id != 1) continue;
    ByteReader wide(name, field);
    for (uint64_t* value : {&member.unpacked, &member.packed, &member.header}) {
      if (*value != 0xffffffff) continue;
      ASSIGN_OR_RETURN(*value, wide.Little<uint64_t>("a zip64 size"));
    }
  }
  return absl::OkStatus();
}

std::string ArrayName(const ZipMember& member) { return std::string(absl::StripSuffix(member.name, ".npy")); }

}  // namespace

absl::StatusOr<std::vector<ZipMember>> ReadZipDirectory(absl::string_view name, absl::string_view bytes) {
  ASSIGN_OR_RETURN(const Directory directory, FindDirectory(name, bytes));
  ByteReader in(name, bytes);
  if (directory.entries > kMaxMembers)
    return in.Error(absl::StrCat("an archive of ", directory.entries, " members; the limit is ", kMaxMembers));
  RETURN_IF_ERROR(in.Seek(directory.offset, "the directory of the archive"));
  std::vector<ZipMember> members;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    constexpr absl::string_view kWhat = "the directory of the archive";
    ASSIGN_OR_RETURN(const uint32_t magic, in.Little<uint32_t>(kWhat));
    if (magic != kCentral)
      return in.Error(
          absl::StrCat("expected member ", i + 1, " of ", directory.entries, " of the archive's directory"));
    RETURN_IF_ERROR(in.Take(4, kWhat).status());
    ZipMember member;
    ASSIGN_OR_RETURN(const uint16_t flags, in.Little<uint16_t>(kWhat));
    ASSIGN_OR_RETURN(member.method, in.Little<uint16_t>(kWhat));
    RETURN_IF_ERROR(in.Take(4, kWhat).status());
    ASSIGN_OR_RETURN(member.crc, in.Little<uint32_t>(kWhat));
    ASSIGN_OR_RETURN(member.packed, in.Little<uint32_t>(kWhat));
    ASSIGN_OR_RETURN(member.unpacked, in.Little<uint32_t>(kWhat));
    ASSIGN_OR_RETURN(const uint16_t name_bytes, in.Little<uint16_t>(kWhat));
    ASSIGN_OR_RETURN(const uint16_t extra_bytes, in.Little<uint16_t>(kWhat));
    ASSIGN_OR_RETURN(const uint16_t comment_bytes, in.Little<uint16_t>(kWhat));
    RETURN_IF_ERROR(in.Take(8, kWhat).status());
    ASSIGN_OR_RETURN(member.header, in.Little<uint32_t>(kWhat));
    ASSIGN_OR_RETURN(const absl::string_view member_name, in.Take(name_bytes, "a member's name"));
    ASSIGN_OR_RETURN(const absl::string_view extra, in.Take(extra_bytes, "a member's extra field"));
    RETURN_IF_ERROR(in.Take(comment_bytes, "a member's comment").status());
    member.name = std::string(member_name);
    if (flags & 1) return in.Error(absl::StrCat("the member ", member.name, " is encrypted"));
    RETURN_IF_ERROR(ApplyZip64(name, extra, member));
    members.push_back(std::move(member));
  }
  return members;
}

absl::StatusOr<std::string> ReadZipMember(absl::string_view name, absl::string_view bytes, const ZipMember& member) {
  ByteReader in(name, bytes);
  RETURN_IF_ERROR(in.Seek(member.header, absl::StrCat("the member ", member.name)));
  ASSIGN_OR_RETURN(const uint32_t magic, in.Little<uint32_t>("a member's header"));
  if (magic != kLocal) return in.Error(absl::StrCat("expected the header of the member ", member.name));
  RETURN_IF_ERROR(in.Take(22, "a member's header").status());
  ASSIGN_OR_RETURN(const uint16_t name_bytes, in.Little<uint16_t>("a member's header"));
  ASSIGN_OR_RETURN(const uint16_t extra_bytes, in.Little<uint16_t>("a member's header"));
  RETURN_IF_ERROR(in.Take(ir::Size(name_bytes) + ir::Size(extra_bytes), "a member's name").status());
  const ir::Size packed_size =
      member.packed >> 63 ? ir::Size::TooLarge() : ir::Size(static_cast<int64_t>(member.packed));
  ASSIGN_OR_RETURN(const absl::string_view packed, in.Take(packed_size, absl::StrCat("the member ", member.name)));
  const std::string full_name = absl::StrCat(name, ":", member.name);
  std::string content;
  if (member.method == 0) {
    if (member.packed != member.unpacked) return FileError(full_name, 0, "a stored member whose two sizes differ");
    content = std::string(packed);
  } else if (member.method == 8) {
    ASSIGN_OR_RETURN(content, InflateRaw(full_name, packed, member.unpacked));
  } else {
    return FileError(full_name, 0,
                     absl::StrCat("packed by method ", member.method, "; stored (0) and deflated (8) are read"));
  }
  if (Crc32(content) != member.crc)
    return FileError(full_name, 0, "the checksum does not fit the content: the file is damaged");
  return content;
}

absl::StatusOr<absl::flat_hash_map<std::string, ir::Tensor>> ParseNpz(absl::string_view name, absl::string_view bytes) {
  ASSIGN_OR_RETURN(const std::vector<ZipMember> members, ReadZipDirectory(name, bytes));
  absl::flat_hash_map<std::string, ir::Tensor> arrays;
  for (const ZipMember& member : members) {
    ASSIGN_OR_RETURN(const std::string content, ReadZipMember(name, bytes, member));
    ASSIGN_OR_RETURN(ir::Tensor tensor, ParseNpy(absl::StrCat(name, ":", ArrayName(member)), content));
    if (!arrays.emplace(ArrayName(member), std::move(tensor)).second) {
      return FileError(name, member.header,
                       absl::StrCat("the array ", ArrayName(member), " stands twice in the archive"));
    }
  }
  return arrays;
}

absl::StatusOr<ir::Tensor> ParseNpzMember(absl::string_view name, absl::string_view bytes, absl::string_view member) {
  ASSIGN_OR_RETURN(const std::vector<ZipMember> members, ReadZipDirectory(name, bytes));
  std::vector<std::string> names;
  for (const ZipMember& candidate : members) {
    names.push_back(ArrayName(candidate));
    if (names.back() != member) continue;
    ASSIGN_OR_RETURN(const std::string content, ReadZipMember(name, bytes, candidate));
    return ParseNpy(absl::StrCat(name, ":", member), content);
  }
  const std::string nearest = frontend::Nearest(member, names);
  return ir::ErrorStatus(absl::StatusCode::kNotFound, ir::ErrorKind::kMissingArray, name, ": has no array ", member,
                         nearest.empty() ? "; it has " : absl::StrCat(": did you mean ", nearest, "? It has "),
                         absl::StrJoin(names, ", "));
}

}  // namespace gradus::runtime
