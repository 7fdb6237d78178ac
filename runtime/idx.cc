#include "runtime/idx.h"

#include "absl/types/optional.h"
#include "runtime/bytes.h"
#include "runtime/raw_array.h"

namespace gradus::runtime {
namespace {

absl::optional<FileType> TypeOf(uint8_t code) {
  switch (code) {
    case 0x08:
      return FileType::kU8;
    case 0x09:
      return FileType::kI8;
    case 0x0b:
      return FileType::kI16;
    case 0x0c:
      return FileType::kI32;
    case 0x0d:
      return FileType::kF32;
    case 0x0e:
      return FileType::kF64;
    default:
      return absl::nullopt;
  }
}

}  // namespace

bool LooksLikeIdx(absl::string_view bytes) {
  return bytes.size() >= 4 && bytes[0] == 0 && bytes[1] == 0 && TypeOf(static_cast<uint8_t>(bytes[2])) &&
         bytes[3] >= 1 && bytes[3] <= ir::kMaxRank;
}

absl::StatusOr<ir::Tensor> ParseIdx(absl::string_view name, absl::string_view bytes) {
  ByteReader in(name, bytes);
  ASSIGN_OR_RETURN(const uint32_t magic, in.Big<uint32_t>("the magic number"));
  if (!LooksLikeIdx(bytes)) {
    return FileError(name, 0,
                     absl::StrCat("expected an IDX file, which starts with 0, 0, a type code and a rank, found ",
                                  absl::Hex(magic, absl::kZeroPad8)));
  }
  ir::Shape shape;
  for (int axis = 0; axis < bytes[3]; ++axis) {
    ASSIGN_OR_RETURN(const uint32_t extent, in.Big<uint32_t>("the extents"));
    shape.push_back(extent);
  }
  const FileType type = *TypeOf(static_cast<uint8_t>(bytes[2]));
  ASSIGN_OR_RETURN(const int64_t size, RawBytes(name, 4, type, shape));
  const int64_t offset = in.offset();
  ASSIGN_OR_RETURN(const absl::string_view data,
                   in.Take(size, absl::StrCat("data for the shape ", ir::ToString(shape))));
  if (in.remaining() != 0) return in.Error(absl::StrCat(in.remaining(), " bytes follow the end of the array"));
  return TensorFromRaw(name, offset, type, shape, /*big_endian=*/true, /*fortran=*/false, data);
}

}  // namespace gradus::runtime
