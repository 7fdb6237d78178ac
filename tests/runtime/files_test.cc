// npy, npz, IDX, CSV and safetensors: what they hold, and the sentence for each way to break them.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>

#include "runtime/csv.h"
#include "runtime/file.h"
#include "runtime/idx.h"
#include "runtime/inflate.h"
#include "runtime/npy.h"
#include "runtime/npz.h"
#include "runtime/safetensors.h"
#include "tests/matchers.h"
#include "tests/runtime/sample_files.h"

namespace gradus::runtime {
namespace {

using testing::ElementsAre;
using testing_support::FailsWith;
using testing_support::IsOk;

template <typename T>
std::vector<T> Elements(const ir::Tensor& tensor) {
  return std::vector<T>(tensor.data<T>().begin(), tensor.data<T>().end());
}
std::string Floats(std::vector<float> values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * 4);
}

std::string TemporaryPath(const std::string& name) {
  return absl::StrCat(testing::TempDir(), "gradus_", getpid(), "_", name);
}

TEST(NpyTest, FloatsAreReadInTheirShape) {
  const auto tensor = ParseNpy("a.npy", NpyFile("<f4", "2, 3", Floats({1, 2, 3, 4, 5, 6})));
  ASSERT_THAT(tensor, IsOk());
  EXPECT_EQ(ToString(tensor->type()), "f32[2,3]");
  EXPECT_THAT(Elements<float>(*tensor), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpyTest, FortranOrderIsTransposedIntoRows) {
  const auto tensor = ParseNpy("a.npy", NpyFile("<f4", "2, 3", Floats({1, 4, 2, 5, 3, 6}), /*fortran=*/true));
  ASSERT_THAT(tensor, IsOk());
  EXPECT_THAT(Elements<float>(*tensor), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpyTest, BigEndianAndNarrowIntegersBecomeOurTypes) {
  const auto big = ParseNpy("a.npy", NpyFile(">i2", "3,", Big<int16_t>(-5) + Big<int16_t>(0) + Big<int16_t>(300)));
  ASSERT_THAT(big, IsOk());
  EXPECT_THAT(Elements<int32_t>(*big), ElementsAre(-5, 0, 300));
  const auto half = ParseNpy("a.npy", NpyFile("<f2", "4,",
                                              Little<uint16_t>(0x3c00) + Little<uint16_t>(0xc100) +
                                                  Little<uint16_t>(1) + Little<uint16_t>(0x7c00)));
  ASSERT_THAT(half, IsOk());
  EXPECT_THAT(Elements<float>(*half), ElementsAre(1.0f, -2.5f, 0x1p-24f, INFINITY));
}

TEST(NpyTest, AScalarHasRankZeroAndAnEmptyArrayNoElements) {
  EXPECT_EQ(ToString(ParseNpy("a.npy", NpyFile("<i8", "", Little<int64_t>(7)))->type()), "i64");
  EXPECT_EQ(ParseNpy("a.npy", NpyFile("<f4", "0, 5", ""))->size(), 0);
}

TEST(NpyTest, WhatIsWrittenIsReadBack) {
  const ir::Tensor tensor = ir::Tensor::Of<double>({3}, {0.1, -2, 1e300});
  const std::string bytes = SerializeNpy(tensor);
  EXPECT_EQ(bytes.find("\n") % 64, 63u);
  EXPECT_TRUE(SameBits(*ParseNpy("a.npy", bytes), tensor));
}

TEST(NpyTest, EachWayToBreakItHasItsSentence) {
  const auto parse = [](std::string bytes) { return ParseNpy("a.npy", bytes); };
  EXPECT_THAT(parse("PK\x03\x04"), FailsWith("a.npy: at byte 0: expected an .npy array"));
  EXPECT_THAT(parse(NpyFile("<f4", "2, 3", Floats({1, 2}))),
              FailsWith("expected 24 bytes of data for the shape (2, 3), found 8 before the end of the file"));
  EXPECT_THAT(parse(NpyFile("<f4", "1,", Floats({1, 2}))), FailsWith("4 bytes follow the end of the array"));
  EXPECT_THAT(parse(NpyFile("<c8", "1,", "12345678")), FailsWith("expected numbers or bools, found the type '<c8'"));
  EXPECT_THAT(parse(NpyFile("|O", "1,", "12345678")), FailsWith("found the type '|O'"));
  EXPECT_THAT(parse(NpyFile("<f4", "4294967296, 4294967296", "")), FailsWith("is larger than the limit"));
  EXPECT_THAT(parse(NpyFile("<f4", "0, 99999999999, 99999999999", "")), FailsWith("is larger than the limit"));
  EXPECT_THAT(parse(NpyFile("<f4", "99999999999999999999,", "")), FailsWith("expected an extent of the shape"));
  EXPECT_THAT(parse(NpyFile("<f4", "-1,", "")), FailsWith("expected an extent of the shape"));
  EXPECT_THAT(parse(NpyFile("|b1", "2,", "\x01\x02")), FailsWith("expected a bool, 0 or 1, found 2"));
  EXPECT_THAT(parse(NpyFile("<u8", "1,", Little<uint64_t>(~0ull))), FailsWith("does not fit an i64"));
  EXPECT_THAT(parse(std::string("\x93NUMPY\x09\x00", 8)),
              FailsWith("expected version 1, 2 or 3 of the format, found 9.0"));
  EXPECT_THAT(parse(std::string("\x93NUMPY\x01\x00\xff\xff", 10)),
              FailsWith("expected 65535 bytes of the header, found 0"));
  EXPECT_THAT(parse(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12)),
              FailsWith("a header of 4294967295 bytes; the limit is"));
  std::string ranks;
  for (int i = 0; i < 17; ++i) ranks += "1, ";
  EXPECT_THAT(parse(NpyFile("<f4", ranks, Floats({1}))), FailsWith("an array of rank 17; the limit is 16"));
}

const std::vector<std::pair<std::string, std::string>> kMembers = {
    {"x.npy", NpyFile("<f4", "2,", Floats({1, 2}))}, {"blocks.0.w.npy", NpyFile("<i4", "1,", Little<int32_t>(7))}};

TEST(NpzTest, StoredDeflatedAndZip64MembersAreRead) {
  for (const Zip kind : {Zip::kStored, Zip::kDeflated, Zip::kZip64}) {
    const auto arrays = ParseNpz("a.npz", ZipFile(kMembers, kind));
    ASSERT_THAT(arrays, IsOk()) << static_cast<int>(kind);
    ASSERT_EQ(arrays->size(), 2u);
    EXPECT_THAT(Elements<float>(arrays->at("x")), ElementsAre(1, 2));
    EXPECT_THAT(Elements<int32_t>(arrays->at("blocks.0.w")), ElementsAre(7));
  }
}

TEST(NpzTest, AMissingArrayIsNamedWithThoseThatAreThere) {
  EXPECT_THAT(ParseNpzMember("a.npz", ZipFile(kMembers, Zip::kStored), "y"),
              FailsWith("a.npz: has no array y; it has x, blocks.0.w"));
}

TEST(NpzTest, EachWayToBreakItHasItsSentence) {
  const std::string good = ZipFile(kMembers, Zip::kStored);
  EXPECT_THAT(ParseNpz("a.npz", "hello"),
              FailsWith("a.npz: at byte 0: expected a zip archive (.npz), found a file too short"));
  EXPECT_THAT(ParseNpz("a.npz", good.substr(0, good.size() - 1)), FailsWith("found no end-of-directory record"));
  std::string damaged = good;
  damaged[damaged.find("\x93NUMPY") + 60] ^= 1;
  EXPECT_THAT(ParseNpz("a.npz", damaged), FailsWith("the checksum does not fit the content"));
  EXPECT_THAT(ParseNpz("a.npz", ZipFile({{"x.npy", kMembers[0].second}, {"x.npy", kMembers[0].second}}, Zip::kStored)),
              FailsWith("stands twice in the archive"));
  EXPECT_THAT(ParseNpz("a.npz", ZipFile({{"x.npy", "text"}}, Zip::kStored)),
              FailsWith("a.npz:x: at byte 0: expected an .npy array"));
}

TEST(NpzTest, AMemberThatClaimsMoreThanDeflateCanPackIsRefusedUnread) {
  EXPECT_THAT(InflateRaw("a.npz:x", "0123456789", uint64_t{1} << 40),
              FailsWith("10 packed bytes hold 1099511627776, which cannot be"));
}

TEST(IdxTest, BytesAndBigEndianNumbersAreRead) {
  const auto bytes = ParseIdx("digits", IdxFile(0x08, {2, 2}, std::string("\x00\x01\x02\xff", 4)));
  ASSERT_THAT(bytes, IsOk());
  EXPECT_THAT(Elements<uint8_t>(*bytes), ElementsAre(0, 1, 2, 255));
  EXPECT_THAT(Elements<int32_t>(*ParseIdx("n", IdxFile(0x0c, {1}, Big<int32_t>(-9)))), ElementsAre(-9));
}

TEST(IdxTest, EachWayToBreakItHasItsSentence) {
  EXPECT_THAT(ParseIdx("d", std::string("\x00\x00", 2)),
              FailsWith("d: at byte 0: expected 4 bytes of the magic number, found 2"));
  EXPECT_THAT(ParseIdx("d", "hello"),
              FailsWith("expected an IDX file, which starts with 0, 0, a type code and a rank, found 68656c6c"));
  EXPECT_THAT(ParseIdx("d", IdxFile(0x08, {3, 2}, "12345")),
              FailsWith("expected 6 bytes of data for the shape [3,2], found 5"));
  EXPECT_THAT(ParseIdx("d", IdxFile(0x08, {2}, "123")), FailsWith("1 bytes follow the end of the array"));
  EXPECT_THAT(ParseIdx("d", IdxFile(0x0e, {0xffffffff, 0xffffffff}, "")), FailsWith("is larger than the limit"));
}

TEST(CsvTest, AColumnIsFoundByItsName) {
  const absl::string_view text = "age,\"height, cm\",label\n31,180.5,1\n45,170,0\n";
  EXPECT_THAT(Elements<int64_t>(*ParseCsv("p.csv", text, "age")), ElementsAre(31, 45));
  EXPECT_THAT(Elements<double>(*ParseCsv("p.csv", "a,b\n1,2.5\n-3,4e1\n", "b,a")), ElementsAre(2.5, 1, 40, -3));
  EXPECT_EQ(ToString(ParseCsv("p.csv", text, "")->type()), "f64[2,3]");
}

TEST(CsvTest, WithoutNamesColumnsAreNumbered) {
  EXPECT_THAT(Elements<int64_t>(*ParseCsv("p.csv", "1,2\r\n3,4\r\n", "1")), ElementsAre(2, 4));
}

TEST(CsvTest, QuotesBlanksEmptyLinesAndAByteOrderMarkAreRead) {
  EXPECT_THAT(Elements<double>(*ParseCsv("p.csv", "\xef\xbb\xbf\"say \"\"x\"\"\", y\n\n 1.5, 2\n\n\"3\",4.5", "y")),
              ElementsAre(2, 4.5));
}

TEST(CsvTest, EachWayToBreakItHasItsSentence) {
  EXPECT_THAT(ParseCsv("p.csv", "a,b\n1,2\n3,x\n", ""),
              FailsWith("p.csv:3:3: expected a finite number in the column b, found 'x'"));
  EXPECT_THAT(ParseCsv("p.csv", "a,b\n1,nan\n", ""),
              FailsWith("p.csv:2:3: expected a finite number in the column b, found 'nan'"));
  EXPECT_THAT(ParseCsv("p.csv", "1,2\n3,1e999\n", ""), FailsWith("p.csv:2:3: expected a finite number"));
  EXPECT_THAT(ParseCsv("p.csv", "1,2\n3,\n", ""),
              FailsWith("p.csv:2:3: expected a finite number in the column 1, found ''"));
  EXPECT_THAT(ParseCsv("p.csv", "1,2\n3\n", ""),
              FailsWith("p.csv:2:1: expected 2 fields as in the first line, found 1"));
  EXPECT_THAT(ParseCsv("p.csv", "1,2\n", "7"), FailsWith("p.csv: has no column 7; it has 0, 1"));
  EXPECT_THAT(ParseCsv("p.csv", "", ""), FailsWith("expected rows of numbers, found none"));
  EXPECT_THAT(ParseCsv("p.csv", "a,b\n", ""), FailsWith("expected rows of numbers, found none"));
  EXPECT_THAT(ParseCsv("p.csv", "1,\"2\n3", ""), FailsWith("p.csv:1:3: the quotation that starts here does not end"));
  EXPECT_THAT(ParseCsv("p.csv", "1,\"2\"x\n", ""), FailsWith("p.csv:1:6: expected a comma or the end of the line"));
}

TEST(SafetensorsTest, WhatIsSavedIsLoaded) {
  SavedTensors content;
  content.tensors.emplace("fc1.w", ir::Tensor::Of<float>({2, 2}, {1, -0.0f, 3, INFINITY}));
  content.tensors.emplace("count", ir::Tensor::Scalar<int64_t>(9));
  content.tensors.emplace("mask", ir::Tensor::Of<bool>({3}, {true, false, true}));
  content.metadata["program"] = "mlp";
  const std::string path = TemporaryPath("weights.safetensors");
  ASSERT_THAT(WriteSafetensors(path, content), IsOk());
  const auto read = ParseSafetensors(path, *ReadFile(path));
  ASSERT_THAT(read, IsOk());
  ASSERT_EQ(read->tensors.size(), 3u);
  for (const auto& [name, tensor] : content.tensors) EXPECT_TRUE(SameBits(tensor, read->tensors.at(name))) << name;
  EXPECT_EQ(read->metadata.at("program"), "mlp");
  std::filesystem::remove(path);
}

TEST(SafetensorsTest, EachWayToBreakItHasItsSentence) {
  const auto parse = [](const std::string& header, const std::string& data) {
    return ParseSafetensors("w", SafetensorsFile(header, data));
  };
  const std::string a = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  ASSERT_THAT(parse("{" + a + "}", "1234"), IsOk());
  EXPECT_THAT(ParseSafetensors("w", "123"), FailsWith("w: at byte 0: expected 8 bytes of the header length, found 3"));
  EXPECT_THAT(ParseSafetensors("w", std::string(8, '\xff')),
              FailsWith("found a header length of 18446744073709551615; the limit is"));
  EXPECT_THAT(ParseSafetensors("w", Little<uint64_t>(500) + "{}"),
              FailsWith("expected 500 bytes of the header, found 2"));
  EXPECT_THAT(parse("[1]", ""), FailsWith("the header is not a JSON object"));
  EXPECT_THAT(parse("{" + a, "1234"), FailsWith("the header is not a JSON object"));
  EXPECT_THAT(parse("{" + a + "," + a + "}", "1234"), FailsWith("the header names a tensor twice"));
  EXPECT_THAT(parse("{" + a + "}", "123"), FailsWith("the file ends here, but a goes on to byte"));
  EXPECT_THAT(parse("{" + a + "}", "12345"), FailsWith("1 bytes follow the last tensor"));
  EXPECT_THAT(parse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "12345678"),
              FailsWith("places a at 4 of the data, expected 0"));
  EXPECT_THAT(parse(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "1234"),
              FailsWith("gives a 4 bytes, but F32[2] takes 8"));
  EXPECT_THAT(parse(R"({"a":{"dtype":"F4","shape":[2],"data_offsets":[0,4]}})", "1234"),
              FailsWith("gives a the unknown type F4"));
  EXPECT_THAT(parse(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "1234"),
              FailsWith("a shape with something else than sizes"));
  EXPECT_THAT(parse(R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", "1234"),
              FailsWith("a shape with something else than sizes"));
  EXPECT_THAT(parse(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", "1234"),
              FailsWith("is larger than the limit"));
  EXPECT_THAT(parse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", "1234"),
              FailsWith("offsets that are not a range"));
}

TEST(FileTest, AMissingFileAndAFolderAreSentences) {
  EXPECT_THAT(ReadFile("/nowhere/x.npy"), FailsWith("/nowhere/x.npy: cannot open: No such file or directory"));
  EXPECT_THAT(ReadFile("/"), FailsWith("/: is not a regular file"));
}

TEST(FileTest, AFailedReplacementLeavesTheOldFileAndNoTemporary) {
  const std::string folder = TemporaryPath("folder");
  std::filesystem::create_directories(folder + "/taken/inside");
  EXPECT_THAT(WriteFileAtomically(folder + "/taken", {"new"}), FailsWith("cannot replace"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  ASSERT_THAT(WriteFileAtomically(folder + "/file", {"a", "b"}), IsOk());
  EXPECT_EQ(*ReadFile(folder + "/file"), "ab");
  std::filesystem::remove_all(folder);
}

TEST(FileTest, AGzipFileIsUnpackedAndABrokenOneRefused) {
  const std::string path = TemporaryPath("g.gz");
  std::string packed = Deflated("some bytes of an IDX file", 16 + 15);
  ASSERT_THAT(WriteFileAtomically(path, {packed}), IsOk());
  EXPECT_EQ(*ReadMaybeGzip(path), "some bytes of an IDX file");
  packed.resize(packed.size() - 3);
  ASSERT_THAT(WriteFileAtomically(path, {packed}), IsOk());
  EXPECT_THAT(ReadMaybeGzip(path), FailsWith("the packed data ends too early"));
  std::filesystem::remove(path);
}

// Every proper prefix of a good file fails, and no single changed byte does more than fail.
TEST(BrokenFilesTest, NoPrefixIsAcceptedAndNoChangedByteDoesHarm) {
  using Parser = std::function<absl::Status(absl::string_view)>;
  const std::vector<std::pair<std::string, Parser>> files = {
      {NpyFile("<f4", "2, 3", Floats({1, 2, 3, 4, 5, 6})), [](auto b) { return ParseNpy("file", b).status(); }},
      {ZipFile(kMembers, Zip::kStored), [](auto b) { return ParseNpz("file", b).status(); }},
      {ZipFile(kMembers, Zip::kDeflated), [](auto b) { return ParseNpz("file", b).status(); }},
      {ZipFile(kMembers, Zip::kZip64), [](auto b) { return ParseNpz("file", b).status(); }},
      {IdxFile(0x0d, {2, 2}, Floats({1, 2, 3, 4})), [](auto b) { return ParseIdx("file", b).status(); }},
      {SafetensorsFile(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "12345678"),
       [](auto b) { return ParseSafetensors("file", b).status(); }},
      {Deflated("twenty bytes of text", 31), [](auto b) { return InflateGzip("file", b).status(); }},
  };
  std::mt19937 random(1);
  for (const auto& [good, parse] : files) {
    ASSERT_THAT(parse(good), IsOk());
    for (size_t length = 1; length < good.size(); ++length) {
      const absl::Status status = parse(absl::string_view(good).substr(0, length));
      ASSERT_FALSE(status.ok()) << length << " of " << good.size();
      ASSERT_EQ(status.message().substr(0, 4), "file") << status;
    }
    for (int i = 0; i < 20000; ++i) {
      std::string changed = good;
      for (int n = 1 + static_cast<int>(random() % 3); n > 0; --n)
        changed[random() % changed.size()] = static_cast<char>(random());
      const absl::Status status = parse(changed);
      ASSERT_TRUE(status.ok() || status.message().substr(0, 4) == "file") << status;
    }
  }
}

TEST(BrokenFilesTest, NoChangedByteOfATableDoesHarm) {
  const std::string good = "a,\"b\"\"\",c\n1,2.5,\"3\"\n\n4,5,6\r\n";
  std::mt19937 random(2);
  for (int i = 0; i < 20000; ++i) {
    std::string changed = good;
    changed[random() % changed.size()] = static_cast<char>(random());
    changed.resize(random() % (changed.size() + 1));
    const absl::Status status = ParseCsv("file", changed, "").status();
    ASSERT_TRUE(status.ok() || status.message().substr(0, 4) == "file") << status;
  }
}

}  // namespace
}  // namespace gradus::runtime
