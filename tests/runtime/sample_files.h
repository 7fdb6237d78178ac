// Well-formed data files, built byte by byte, that the tests then break.
#pragma once

#include <zlib.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ir/check.h"

namespace gradus::runtime {

template <typename T>
std::string Little(T value) {
  std::string bytes;
  for (size_t i = 0; i < sizeof(T); ++i) bytes.push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * i)));
  return bytes;
}
template <typename T>
std::string Big(T value) {
  const std::string little = Little(value);
  return std::string(little.rbegin(), little.rend());
}

inline std::string NpyFile(const std::string& descr, const std::string& shape, const std::string& data,
                           bool fortran = false) {
  std::string header = absl::StrCat("{'descr': '", descr, "', 'fortran_order': ", fortran ? "True" : "False",
                                    ", 'shape': (", shape, "), }\n");
  return std::string("\x93NUMPY\x01\x00", 8) + Little<uint16_t>(header.size()) + header + data;
}

inline std::string IdxFile(uint8_t type, const std::vector<uint32_t>& shape, const std::string& data) {
  std::string bytes = {0, 0, static_cast<char>(type), static_cast<char>(shape.size())};
  for (const uint32_t extent : shape) bytes += Big(extent);
  return bytes + data;
}

inline std::string Deflated(const std::string& bytes, int window) {
  z_stream stream = {};
  CHECK(deflateInit2(&stream, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = bytes.size();
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = out.size();
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

enum class Zip { kStored, kDeflated, kZip64 };

// An archive as NumPy writes it: savez stores, savez_compressed deflates, and large members use zip64 fields.
inline std::string ZipFile(const std::vector<std::pair<std::string, std::string>>& members, Zip kind) {
  std::string out, directory;
  for (const auto& [name, content] : members) {
    const std::string packed = kind == Zip::kDeflated ? Deflated(content, -15) : content;
    const uint16_t method = kind == Zip::kDeflated ? 8 : 0;
    const uint32_t crc = crc32(0, reinterpret_cast<const Bytef*>(content.data()), content.size());
    const bool wide = kind == Zip::kZip64;
    const std::string sizes =
        wide ? Little<uint64_t>(~0ull) : Little<uint32_t>(packed.size()) + Little<uint32_t>(content.size());
    const std::string extra = wide ? Little<uint16_t>(1) + Little<uint16_t>(16) + Little<uint64_t>(content.size()) +
                                         Little<uint64_t>(packed.size())
                                   : "";
    const std::string common = Little<uint16_t>(0) + Little<uint16_t>(method) + Little<uint32_t>(0) + Little(crc) +
                               sizes + Little<uint16_t>(name.size()) + Little<uint16_t>(extra.size());
    directory += Little<uint32_t>(0x02014b50) + Little<uint16_t>(45) + Little<uint16_t>(45) + common +
                 Little<uint16_t>(0) + Little<uint64_t>(0) + Little<uint32_t>(out.size()) + name + extra;
    out += Little<uint32_t>(0x04034b50) + Little<uint16_t>(45) + common + name + extra + packed;
  }
  const uint64_t start = out.size();
  out += directory;
  if (kind == Zip::kZip64) {
    const uint64_t end = out.size();
    out += Little<uint32_t>(0x06064b50) + Little<uint64_t>(44) + Little<uint32_t>(45) + Little<uint64_t>(0) +
           Little<uint64_t>(members.size()) + Little<uint64_t>(members.size()) + Little<uint64_t>(directory.size()) +
           Little(start);
    out += Little<uint32_t>(0x07064b50) + Little<uint32_t>(0) + Little(end) + Little<uint32_t>(1);
    out += Little<uint32_t>(0x06054b50) + Little<uint64_t>(~0ull) + Little<uint64_t>(~0ull) + Little<uint16_t>(0);
    return out;
  }
  return out + Little<uint32_t>(0x06054b50) + Little<uint32_t>(0) + Little<uint16_t>(members.size()) +
         Little<uint16_t>(members.size()) + Little<uint32_t>(directory.size()) + Little<uint32_t>(start) +
         Little<uint16_t>(0);
}

inline std::string SafetensorsFile(const std::string& header, const std::string& data) {
  return Little<uint64_t>(header.size()) + header + data;
}

}  // namespace gradus::runtime
