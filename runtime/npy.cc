#include "runtime/npy.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "runtime/bytes.h"
#include "runtime/raw_array.h"

namespace gradus::runtime {
namespace {

constexpr char kMagic[] = "\x93NUMPY";
constexpr int64_t kMaxHeaderBytes = 1 << 20;  // NumPy's own writes at most a few hundred

struct Header {
  std::string descr;
  bool fortran = false;
  ir::Shape shape;
  bool has_descr = false, has_fortran = false, has_shape = false;
};

// The header is a Python dict literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
class HeaderParser {
 public:
  HeaderParser(absl::string_view name, int64_t offset, absl::string_view text)
      : name_(name), start_(offset), text_(text) {}

  absl::StatusOr<Header> Parse() {
    Header header;
    RETURN_IF_ERROR(Expect('{'));
    while (!Accept('}')) {
      ASSIGN_OR_RETURN(const std::string key, String());
      RETURN_IF_ERROR(Expect(':'));
      if (key == "descr" && !header.has_descr) {
        header.has_descr = true;
        if (Peek() == '[') return Error("a structured array; save its fields as arrays of their own");
        ASSIGN_OR_RETURN(header.descr, String());
      } else if (key == "fortran_order" && !header.has_fortran) {
        header.has_fortran = true;
        header.fortran = AcceptWord("True");
        if (!header.fortran && !AcceptWord("False")) return Error("expected True or False after 'fortran_order'");
      } else if (key == "shape" && !header.has_shape) {
        header.has_shape = true;
        RETURN_IF_ERROR(ParseShape(header.shape));
      } else {
        return Error(absl::StrCat("the header has an unexpected key '", key, "'"));
      }
      if (!Accept(',')) {
        RETURN_IF_ERROR(Expect('}'));
        break;
      }
    }
    Skip();
    if (at_ != text_.size()) return Error("the header goes on after its closing brace");
    if (!header.has_descr || !header.has_fortran || !header.has_shape) {
      return Error("the header lacks 'descr', 'fortran_order' or 'shape'");
    }
    return header;
  }

 private:
  absl::Status Error(absl::string_view what) const {
    return FileError(name_, start_ + static_cast<int64_t>(at_), what);
  }
  void Skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  char Peek() {
    Skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool Accept(char c) {
    if (Peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }
  bool AcceptWord(absl::string_view word) {
    Skip();
    if (!absl::StartsWith(text_.substr(at_), word)) return false;
    at_ += word.size();
    return true;
  }
  absl::Status Expect(char c) {
    if (Accept(c)) return absl::OkStatus();
    return Error(absl::StrCat("expected '", std::string(1, c), "' in the header of an .npy array"));
  }
  absl::StatusOr<std::string> String() {
    const char quote = Peek();
    if (quote != '\'' && quote != '"') return Error("expected a quoted string in the header");
    const size_t end = text_.find(quote, at_ + 1);
    if (end == absl::string_view::npos) return Error("a string of the header does not end");
    std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }
  absl::Status ParseShape(ir::Shape& shape) {
    RETURN_IF_ERROR(Expect('('));
    while (!Accept(')')) {
      Skip();
      const size_t begin = at_;
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
      int64_t extent = 0;
      if (!absl::SimpleAtoi(text_.substr(begin, at_ - begin), &extent)) {
        at_ = begin;
        return Error("expected an extent of the shape, a number below 2^63");
      }
      shape.push_back(extent);
      if (!Accept(',')) return Expect(')');
    }
    return absl::OkStatus();
  }

  std::string name_;
  int64_t start_;
  absl::string_view text_;
  size_t at_ = 0;
};

struct Descr {
  absl::string_view text;  // without the byte order
  FileType type;
};
constexpr Descr kDescrs[] = {
    {"b1", FileType::kBool}, {"i1", FileType::kI8},  {"u1", FileType::kU8},  {"i2", FileType::kI16},
    {"u2", FileType::kU16},  {"i4", FileType::kI32}, {"u4", FileType::kU32}, {"i8", FileType::kI64},
    {"u8", FileType::kU64},  {"f2", FileType::kF16}, {"f4", FileType::kF32}, {"f8", FileType::kF64},
};

}  // namespace

bool LooksLikeNpy(absl::string_view bytes) { return absl::StartsWith(bytes, kMagic); }

absl::StatusOr<ir::Tensor> ParseNpy(absl::string_view name, absl::string_view bytes) {
  ByteReader in(name, bytes);
  if (!LooksLikeNpy(bytes)) return in.Error("expected an .npy array, which starts with \\x93NUMPY");
  RETURN_IF_ERROR(in.Take(6, "the magic number").status());
  ASSIGN_OR_RETURN(const uint8_t major, in.Little<uint8_t>("the version"));
  ASSIGN_OR_RETURN(const uint8_t minor, in.Little<uint8_t>("the version"));
  if (major < 1 || major > 3)
    return in.Error(absl::StrCat("expected version 1, 2 or 3 of the format, found ", major, ".", minor));
  int64_t length = 0;
  if (major == 1) {
    ASSIGN_OR_RETURN(length, in.Little<uint16_t>("the header length"));
  } else {
    ASSIGN_OR_RETURN(length, in.Little<uint32_t>("the header length"));
  }
  if (length > kMaxHeaderBytes)
    return in.Error(absl::StrCat("a header of ", length, " bytes; the limit is ", kMaxHeaderBytes));
  const int64_t header_offset = in.offset();
  ASSIGN_OR_RETURN(const absl::string_view text, in.Take(length, "the header"));
  ASSIGN_OR_RETURN(const Header header, HeaderParser(name, header_offset, text).Parse());

  absl::string_view descr = header.descr;
  const bool big = absl::ConsumePrefix(&descr, ">");
  if (!big && !absl::ConsumePrefix(&descr, "<")) absl::ConsumePrefix(&descr, "|");
  for (const Descr& known : kDescrs) {
    if (descr != known.text) continue;
    ASSIGN_OR_RETURN(const int64_t size, RawBytes(name, header_offset, known.type, header.shape));
    const int64_t offset = in.offset();
    ASSIGN_OR_RETURN(const absl::string_view data,
                     in.Take(size, absl::StrCat("data for the shape (", absl::StrJoin(header.shape, ", "), ")")));
    if (in.remaining() != 0) return in.Error(absl::StrCat(in.remaining(), " bytes follow the end of the array"));
    return TensorFromRaw(name, offset, known.type, header.shape, big, header.fortran, data);
  }
  return FileError(name, header_offset, absl::StrCat("expected numbers or bools, found the type '", header.descr, "'"));
}

std::string SerializeNpy(const ir::Tensor& tensor) {
  absl::string_view descr;
  switch (tensor.type().element) {
    case ir::DType::kBool:
      descr = "|b1";
      break;
    case ir::DType::kU8:
      descr = "|u1";
      break;
    case ir::DType::kI32:
      descr = "<i4";
      break;
    case ir::DType::kI64:
      descr = "<i8";
      break;
    case ir::DType::kF32:
      descr = "<f4";
      break;
    case ir::DType::kF64:
      descr = "<f8";
      break;
  }
  static_assert(std::endian::native == std::endian::little);
  const auto& shape = tensor.type().shape;
  std::string header = absl::StrCat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (",
                                    absl::StrJoin(shape, ", "), shape.size() == 1 ? "," : "", "), }");
  header.append(63 - (10 + header.size()) % 64, ' ');
  header.push_back('\n');
  std::string out = kMagic;
  out += std::string("\x01\x00", 2);
  out.push_back(static_cast<char>(header.size() & 255));
  out.push_back(static_cast<char>(header.size() >> 8));
  out += header;
  out.append(reinterpret_cast<const char*>(tensor.bytes()), tensor.byte_size());
  return out;
}

}  // namespace gradus::runtime
