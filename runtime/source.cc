#include "runtime/source.h"

#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ir/error.h"
#include "runtime/csv.h"
#include "runtime/file.h"
#include "runtime/idx.h"
#include "runtime/memory.h"
#include "runtime/npy.h"
#include "runtime/npz.h"

namespace gradus::runtime {
namespace {

absl::StatusOr<ir::Tensor> ReadNpz(absl::string_view name, absl::string_view bytes, absl::string_view member) {
  if (!member.empty()) return ParseNpzMember(name, bytes, member);
  ASSIGN_OR_RETURN(auto arrays, ParseNpz(name, bytes));
  if (arrays.size() == 1) return std::move(arrays.begin()->second);
  std::vector<std::string> names;
  for (const auto& [array, tensor] : arrays) names.push_back(array);
  std::sort(names.begin(), names.end());
  return ir::ErrorStatus(ir::ErrorKind::kMissingArray, name, ": say which of its arrays, as in \"", name, ":",
                         names.empty() ? "x" : names[0], "\"; it has ", absl::StrJoin(names, ", "));
}

// Whether `value` is a number of the type T; a float only has to be in range.
template <typename T, typename From>
bool Fits(From value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value == From(0) || value == From(1);
  } else if constexpr (std::is_floating_point_v<T>) {
    if constexpr (std::is_floating_point_v<From>) {
      return !std::isnan(value) && (std::isinf(value) || !std::isinf(static_cast<T>(value)));
    }
    return true;
  } else if constexpr (std::is_floating_point_v<From>) {
    // Both bounds are powers of two or 0, hence exact.
    const double above = std::ldexp(1.0, std::numeric_limits<T>::digits);
    const double below = std::is_signed_v<T> ? -above : 0.0;
    return value >= below && value < above && value == std::trunc(value);
  } else {
    return static_cast<__int128>(value) >= std::numeric_limits<T>::min() &&
           static_cast<__int128>(value) <= std::numeric_limits<T>::max();
  }
}

// `[3,0]`, the place of a row-major element.
std::string ElementName(const ir::Shape& shape, int64_t element) {
  if (shape.empty()) return "";
  ir::Shape index(shape.size(), 0);
  for (size_t axis = shape.size(); axis-- > 0;) {
    index[axis] = element % shape[axis];
    element /= shape[axis];
  }
  return absl::StrCat("[", absl::StrJoin(index, ","), "]");
}

}  // namespace

absl::StatusOr<ir::Tensor> ReadSource(const std::string& directory, const std::string& path) {
  std::string file = absl::StartsWith(path, "/") ? path : directory + path;
  std::string member;
  const size_t colon = file.rfind(':');
  if (colon != std::string::npos && colon > file.size() - path.size() && access(file.c_str(), F_OK) != 0) {
    member = file.substr(colon + 1);
    file.resize(colon);
  }
  ASSIGN_OR_RETURN(const std::string bytes, ReadMaybeGzip(file));
  if (absl::StartsWith(bytes, "PK\x03\x04") || absl::EndsWith(file, ".npz")) return ReadNpz(file, bytes, member);
  if (LooksLikeNpy(bytes) || LooksLikeIdx(bytes) || absl::EndsWith(file, ".npy") || absl::StrContains(file, "ubyte")) {
    if (!member.empty())
      return ir::ErrorStatus(ir::ErrorKind::kMissingArray, file, ": holds one array, which has no part ", member);
    return LooksLikeNpy(bytes) || absl::EndsWith(file, ".npy") ? ParseNpy(file, bytes) : ParseIdx(file, bytes);
  }
  if (absl::EndsWith(file, ".csv") || absl::EndsWith(file, ".csv.gz") || absl::EndsWith(file, ".txt"))
    return ParseCsv(file, bytes, member);
  return ir::ErrorStatus(ir::ErrorKind::kBrokenFile, file,
                         ": at byte 0: expected an .npy, .npz or IDX file, or a table whose name ends in .csv");
}

absl::StatusOr<ir::Tensor> ConvertElements(absl::string_view name, const ir::Tensor& tensor, ir::DType type) {
  const ir::Type wanted{type, tensor.type().shape};
  RETURN_IF_ERROR(CheckMemory(wanted.bytes(), absl::StrCat("the array ", name, " as ", ir::ToString(wanted))));
  ir::Tensor result(wanted);
  absl::Status status;
  ir::Dispatch(tensor.type().element, [&](auto from_tag) {
    using From = decltype(from_tag);
    ir::Dispatch(type, [&](auto to_tag) {
      using To = decltype(to_tag);
      const auto from = tensor.data<From>();
      const auto to = result.data<To>();
      for (size_t i = 0; i < from.size(); ++i) {
        if (!Fits<To, From>(from[i])) {
          status = ir::ErrorStatus(ir::ErrorKind::kDataValue, name, ": expected numbers of the type ",
                                   absl::string_view(ir::Name(type)), ", found ",
                                   from[i] != from[i] ? "NaN" : absl::StrCat(from[i]), " at element ",
                                   ElementName(tensor.type().shape, static_cast<int64_t>(i)));
          return;
        }
        to[i] = static_cast<To>(from[i]);
      }
    });
  });
  if (!status.ok()) return status;
  return result;
}

absl::StatusOr<ir::Tensor> Reshaped(absl::string_view name, ir::Tensor tensor, ir::Shape shape) {
  ir::Type type{tensor.type().element, std::move(shape)};
  if (type.elements() != tensor.type().elements()) {
    return ir::ErrorStatus(ir::ErrorKind::kDataShape, name, ": expected ", ir::ToString(type), ", found ",
                           ir::ToString(tensor.type()));
  }
  RETURN_IF_ERROR(CheckMemory(type.bytes(), absl::StrCat("the array ", name)));
  ir::Tensor result(type);
  std::memcpy(result.bytes(), tensor.bytes(), tensor.byte_size());
  return result;
}

}  // namespace gradus::runtime
