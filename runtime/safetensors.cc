#include "runtime/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "runtime/bytes.h"
#include "runtime/canonical.h"
#include "runtime/file.h"
#include "runtime/memory.h"
#include "runtime/raw_array.h"

namespace gradus::runtime {
namespace {

using Json = nlohmann::json;
constexpr int64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr char kMetadata[] = "__metadata__";

struct Known {
  absl::string_view name;
  FileType type;
};
constexpr Known kTypes[] = {
    {"BOOL", FileType::kBool}, {"I8", FileType::kI8},   {"U8", FileType::kU8},     {"I16", FileType::kI16},
    {"U16", FileType::kU16},   {"I32", FileType::kI32}, {"U32", FileType::kU32},   {"I64", FileType::kI64},
    {"U64", FileType::kU64},   {"F16", FileType::kF16}, {"BF16", FileType::kBF16}, {"F32", FileType::kF32},
    {"F64", FileType::kF64},
};

struct Entry {
  std::string name;
  FileType type;
  ir::Shape shape;
  int64_t begin = 0, end = 0;
};

absl::Status HeaderError(absl::string_view name, absl::string_view what) {
  return FileError(name, 8, absl::StrCat("the header ", what));
}

// Whether a number is an integer from 0 to 2^63 - 1.
absl::optional<int64_t> Natural(const Json& value) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() >> 63) return absl::nullopt;
  return value.get<int64_t>();
}

absl::StatusOr<Entry> ReadEntry(absl::string_view file, const std::string& name, const Json& value) {
  if (!value.is_object()) return HeaderError(file, absl::StrCat("gives no object for ", name));
  const auto type = value.find("dtype"), shape = value.find("shape"), offsets = value.find("data_offsets");
  if (type == value.end() || !type->is_string() || shape == value.end() || !shape->is_array() ||
      offsets == value.end() || !offsets->is_array() || offsets->size() != 2) {
    return HeaderError(file, absl::StrCat("lacks dtype, shape or data_offsets of ", name));
  }
  Entry entry;
  entry.name = name;
  const auto* known = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&](const Known& k) { return type->get_ref<const std::string&>() == k.name; });
  if (known == std::end(kTypes))
    return HeaderError(file, absl::StrCat("gives ", name, " the unknown type ", type->get_ref<const std::string&>()));
  entry.type = known->type;
  for (const Json& extent : *shape) {
    const absl::optional<int64_t> n = Natural(extent);
    if (!n) return HeaderError(file, absl::StrCat("gives ", name, " a shape with something else than sizes"));
    entry.shape.push_back(*n);
  }
  const absl::optional<int64_t> begin = Natural((*offsets)[0]), end = Natural((*offsets)[1]);
  if (!begin || !end || *end < *begin)
    return HeaderError(file, absl::StrCat("gives ", name, " offsets that are not a range"));
  entry.begin = *begin;
  entry.end = *end;
  ASSIGN_OR_RETURN(const int64_t bytes, RawBytes(absl::StrCat(file, ":", name), 8, entry.type, entry.shape));
  if (bytes != *end - *begin) {
    return HeaderError(
        file, absl::StrCat("gives ", name, " ", *end - *begin, " bytes, but ", type->get_ref<const std::string&>(),
                           ir::ToString(entry.shape), " takes ", bytes));
  }
  return entry;
}

absl::string_view TypeName(ir::DType type) {
  switch (type) {
    case ir::DType::kBool:
      return "BOOL";
    case ir::DType::kU8:
      return "U8";
    case ir::DType::kI32:
      return "I32";
    case ir::DType::kI64:
      return "I64";
    case ir::DType::kF32:
      return "F32";
    case ir::DType::kF64:
      break;
  }
  return "F64";
}

}  // namespace

absl::StatusOr<SavedTensors> ParseSafetensors(absl::string_view name, absl::string_view bytes) {
  ByteReader in(name, bytes);
  ASSIGN_OR_RETURN(const uint64_t length, in.Little<uint64_t>("the header length"));
  if (length > kMaxHeaderBytes)
    return FileError(name, 0,
                     absl::StrCat("expected a safetensors file, found a header length of ", length, "; the limit is ",
                                  kMaxHeaderBytes));
  ASSIGN_OR_RETURN(const absl::string_view text, in.Take(static_cast<int64_t>(length), "the header"));
  const int64_t data = in.offset(), available = in.remaining();

  bool duplicate = false;
  std::set<std::string> seen;
  const Json header = Json::parse(
      text.begin(), text.end(),
      [&](int depth, Json::parse_event_t event, Json& parsed) {
        if (event == Json::parse_event_t::key && depth == 1)
          duplicate |= !seen.insert(parsed.get<std::string>()).second;
        return true;
      },
      /*allow_exceptions=*/false);
  if (header.is_discarded() || !header.is_object()) return HeaderError(name, "is not a JSON object");
  if (duplicate) return HeaderError(name, "names a tensor twice");

  SavedTensors content;
  std::vector<Entry> entries;
  for (const auto& [key, value] : header.items()) {
    if (key == kMetadata) {
      if (!value.is_object()) return HeaderError(name, "has metadata that are not an object of strings");
      for (const auto& [k, v] : value.items()) {
        if (!v.is_string()) return HeaderError(name, "has metadata that are not an object of strings");
        content.metadata[k] = v.get<std::string>();
      }
      continue;
    }
    ASSIGN_OR_RETURN(Entry entry, ReadEntry(name, key, value));
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  int64_t position = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != position)
      return HeaderError(name, absl::StrCat("places ", entry.name, " at ", entry.begin, " of the data, expected ",
                                            position, ": tensors overlap or leave a hole"));
    position = entry.end;
    if (position > available)
      return FileError(name, data + available,
                       absl::StrCat("the file ends here, but ", entry.name, " goes on to byte ", data + position));
    ASSIGN_OR_RETURN(ir::Tensor tensor,
                     TensorFromRaw(absl::StrCat(name, ":", entry.name), data + entry.begin, entry.type, entry.shape,
                                   false, false, bytes.substr(data + entry.begin, entry.end - entry.begin)));
    content.tensors.emplace(entry.name, std::move(tensor));
  }
  if (position != available)
    return FileError(name, data + position, absl::StrCat(available - position, " bytes follow the last tensor"));
  return content;
}

absl::Status WriteSafetensors(const std::string& path, const SavedTensors& content) {
  ir::Size bytes = 0;
  for (const auto& [name, tensor] : content.tensors) bytes = bytes + tensor.byte_size();
  RETURN_IF_ERROR(CheckMemory(bytes, absl::StrCat("writing ", path)));
  Json header = Json::object();
  if (!content.metadata.empty()) header[kMetadata] = content.metadata;
  std::vector<std::string> data;
  int64_t position = 0;
  for (const auto& [name, tensor] : content.tensors) {
    header[name] = {{"dtype", std::string(TypeName(tensor.type().element))},
                    {"shape", std::vector<int64_t>(tensor.type().shape.begin(), tensor.type().shape.end())},
                    {"data_offsets", {position, position + tensor.byte_size()}}};
    position += tensor.byte_size();
    data.push_back(CanonicalBytes(tensor));
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(uint64_t{text.size()} >> (8 * i));
  std::vector<absl::string_view> pieces = {length, text};
  pieces.insert(pieces.end(), data.begin(), data.end());
  return WriteFileAtomically(path, pieces);
}

}  // namespace gradus::runtime
