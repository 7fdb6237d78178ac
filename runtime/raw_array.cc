#include "runtime/raw_array.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/bytes.h"
#include "runtime/memory.h"

namespace gradus::runtime {
namespace {

// IEEE binary16, exactly: every half is a float.
float FromHalf(uint16_t h) {
  const uint32_t sign = uint32_t{h & 0x8000u} << 16, exponent = (h >> 10) & 31, fraction = h & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

template <typename Raw>
Raw Load(const char* at, bool swap) {
  char bytes[sizeof(Raw)];
  std::memcpy(bytes, at, sizeof(Raw));
  if (swap) std::reverse(bytes, bytes + sizeof(Raw));
  Raw value;
  std::memcpy(&value, bytes, sizeof(Raw));
  return value;
}

// Calls store(destination index, source index) for every element, destination in row-major order.
template <typename Store>
void Visit(const ir::Shape& shape, bool fortran, int64_t count, Store store) {
  if (!fortran || shape.size() < 2) {
    for (int64_t i = 0; i < count; ++i) store(i, i);
    return;
  }
  ir::Shape strides(shape.size(), 1), index(shape.size(), 0);
  for (size_t axis = 1; axis < shape.size(); ++axis) strides[axis] = strides[axis - 1] * shape[axis - 1];
  int64_t source = 0;
  for (int64_t i = 0; i < count; ++i) {
    store(i, source);
    for (size_t axis = shape.size(); axis-- > 0;) {
      source += strides[axis];
      if (++index[axis] < shape[axis]) break;
      source -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

template <typename Raw, typename T, typename Convert>
ir::Tensor Fill(const ir::Shape& shape, bool swap, bool fortran, absl::string_view bytes, Convert convert) {
  ir::Tensor tensor(ir::Type{ir::DTypeOf<T>::value, shape});
  const auto data = tensor.data<T>();
  Visit(shape, fortran, tensor.size(), [&](int64_t to, int64_t from) {
    data[to] = convert(Load<Raw>(bytes.data() + from * static_cast<int64_t>(sizeof(Raw)), swap));
  });
  return tensor;
}

template <typename Raw, typename T>
ir::Tensor Widen(const ir::Shape& shape, bool swap, bool fortran, absl::string_view bytes) {
  if (sizeof(Raw) == sizeof(T) && !swap && !fortran) {
    ir::Tensor tensor(ir::Type{ir::DTypeOf<T>::value, shape});
    if (!bytes.empty()) std::memcpy(tensor.bytes(), bytes.data(), bytes.size());
    return tensor;
  }
  return Fill<Raw, T>(shape, swap, fortran, bytes, [](Raw v) { return static_cast<T>(v); });
}

}  // namespace

int64_t ByteWidth(FileType type) {
  switch (type) {
    case FileType::kBool:
    case FileType::kI8:
    case FileType::kU8:
      return 1;
    case FileType::kI16:
    case FileType::kU16:
    case FileType::kF16:
    case FileType::kBF16:
      return 2;
    case FileType::kI32:
    case FileType::kU32:
    case FileType::kF32:
      return 4;
    case FileType::kI64:
    case FileType::kU64:
    case FileType::kF64:
      break;
  }
  return 8;
}

absl::StatusOr<int64_t> RawBytes(absl::string_view name, int64_t offset, FileType type, const ir::Shape& shape) {
  if (static_cast<int64_t>(shape.size()) > ir::kMaxRank) {
    return FileError(name, offset, absl::StrCat("an array of rank ", shape.size(), "; the limit is ", ir::kMaxRank));
  }
  // An extent of 0 must not hide an overflow of the others.
  ir::Size bytes(16), span(16);
  for (const int64_t extent : shape) {
    if (extent < 0) return FileError(name, offset, absl::StrCat("an extent of ", extent));
    span = span * ir::Size(std::max<int64_t>(extent, 1));
    bytes = bytes * ir::Size(extent);
  }
  if (!span.ok() || span.value() > ir::kMaxTensorBytes) {
    return FileError(name, offset,
                     absl::StrCat("an array of shape ", ir::ToString(shape), " is larger than the limit of ",
                                  ir::kMaxTensorBytes, " bytes"));
  }
  return bytes.value() / 16 * ByteWidth(type);
}

absl::StatusOr<ir::Tensor> TensorFromRaw(absl::string_view name, int64_t offset, FileType type, const ir::Shape& shape,
                                         bool big_endian, bool fortran, absl::string_view bytes) {
  ASSIGN_OR_RETURN(const int64_t expected, RawBytes(name, offset, type, shape));
  CHECK(expected == static_cast<int64_t>(bytes.size())) << name << ": " << bytes.size() << " bytes for " << expected;
  // No type of a file is read as one of more than four times its bytes.
  RETURN_IF_ERROR(CheckMemory(ir::Size(expected) * (ByteWidth(type) < 4 ? 4 / ByteWidth(type) : 2),
                              absl::StrCat("the array ", name)));
  const bool swap = big_endian != (std::endian::native == std::endian::big);
  switch (type) {
    case FileType::kBool:
      for (size_t i = 0; i < bytes.size(); ++i) {
        if (static_cast<unsigned char>(bytes[i]) > 1) {
          return FileError(name, offset + i,
                           absl::StrCat("expected a bool, 0 or 1, found ", static_cast<unsigned char>(bytes[i])));
        }
      }
      return Fill<uint8_t, bool>(shape, swap, fortran, bytes, [](uint8_t v) { return v != 0; });
    case FileType::kI8:
      return Widen<int8_t, int32_t>(shape, swap, fortran, bytes);
    case FileType::kU8:
      return Widen<uint8_t, uint8_t>(shape, swap, fortran, bytes);
    case FileType::kI16:
      return Widen<int16_t, int32_t>(shape, swap, fortran, bytes);
    case FileType::kU16:
      return Widen<uint16_t, int32_t>(shape, swap, fortran, bytes);
    case FileType::kI32:
      return Widen<int32_t, int32_t>(shape, swap, fortran, bytes);
    case FileType::kU32:
      return Widen<uint32_t, int64_t>(shape, swap, fortran, bytes);
    case FileType::kI64:
      return Widen<int64_t, int64_t>(shape, swap, fortran, bytes);
    case FileType::kU64:
      for (size_t i = 0; i < bytes.size(); i += 8) {
        if (const uint64_t v = Load<uint64_t>(bytes.data() + i, swap); v >> 63) {
          return FileError(name, offset + i, absl::StrCat("the u64 ", v, " does not fit an i64"));
        }
      }
      return Widen<uint64_t, int64_t>(shape, swap, fortran, bytes);
    case FileType::kF16:
      return Fill<uint16_t, float>(shape, swap, fortran, bytes, FromHalf);
    case FileType::kBF16:
      return Fill<uint16_t, float>(shape, swap, fortran, bytes,
                                   [](uint16_t v) { return std::bit_cast<float>(uint32_t{v} << 16); });
    case FileType::kF32:
      return Widen<float, float>(shape, swap, fortran, bytes);
    case FileType::kF64:
      break;
  }
  return Widen<double, double>(shape, swap, fortran, bytes);
}

}  // namespace gradus::runtime
