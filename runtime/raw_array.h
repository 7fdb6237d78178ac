// The numbers of a data file in any of the types that files have, brought to one of ours.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ir/tensor.h"

namespace gradus::runtime {

enum class FileType { kBool, kI8, kU8, kI16, kU16, kI32, kU32, kI64, kU64, kF16, kBF16, kF32, kF64 };

int64_t ByteWidth(FileType type);

// A tensor of the narrowest of our types that holds every value: i8, i16, u16 become i32, u32 and u64 i64 (a u64 beyond
// 2^63 - 1 is an error), f16 and bf16 f32. A bool is 0 or 1; another byte is an error. `bytes` has exactly
// elements(shape) numbers; `fortran`: the first axis runs fastest. `offset` is where they stand in the file `name`.
absl::StatusOr<ir::Tensor> TensorFromRaw(absl::string_view name, int64_t offset, FileType type, const ir::Shape& shape,
                                         bool big_endian, bool fortran, absl::string_view bytes);

// The bytes of `shape` numbers, or a sentence: a negative or overflowing extent, a rank beyond kMaxRank, or more bytes
// than kMaxTensorBytes.
absl::StatusOr<int64_t> RawBytes(absl::string_view name, int64_t offset, FileType type, const ir::Shape& shape);

}  // namespace gradus::runtime
