#include "runtime/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <numeric>
#include <set>

#include "frontend/read_graph.h"
#include "runtime/file.h"
#include "runtime/shuffle.h"
#include "runtime/source.h"
#include "tests/matchers.h"
#include "tests/runtime/sample_files.h"

namespace gradus::runtime {
namespace {

using frontend::DataBinding;
using frontend::Program;
using testing::ElementsAre;
using testing_support::FailsWith;
using testing_support::IsOk;

class DatasetTest : public testing::Test {
 protected:
  DatasetTest() : folder_(absl::StrCat(testing::TempDir(), "gradus_data_", getpid(), "/")) {
    std::filesystem::create_directories(folder_);
  }
  ~DatasetTest() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, const std::string& bytes) {
    ASSERT_THAT(WriteFileAtomically(folder_ + name, {bytes}), IsOk());
  }

  std::string folder_;
};

ir::Type F32(ir::Shape shape) { return {ir::DType::kF32, std::move(shape)}; }

// A model with `input x : f32[2,3]; input y : i32[2]`, of batch 2.
Program BatchOfTwo() {
  Program program;
  program.batch_dim = "B";
  program.batch = 2;
  program.inputs = {{"x", F32({2, 3}), 0, false}, {"y", {ir::DType::kI32, {2}}, 0, false}};
  return program;
}

DataBinding From(const std::string& input, const std::string& path) {
  DataBinding binding;
  binding.input = input;
  binding.sources.push_back({path, absl::nullopt, "m.gr:1:1"});
  return binding;
}

template <typename... Binding>
std::vector<DataBinding> Bindings(Binding... binding) {
  std::vector<DataBinding> bindings;
  (bindings.push_back(std::move(binding)), ...);
  return bindings;
}

const BindingsForBatch kNoOtherBatch = [](int64_t) -> absl::StatusOr<const std::vector<DataBinding>*> {
  return absl::InternalError("another batch size was asked for");
};

TEST_F(DatasetTest, ExamplesAreConvertedAndReshaped) {
  Write("x.idx", IdxFile(0x08, {3, 3, 1}, std::string("\1\2\3\4\5\6\7\10\11")));
  Write("y.csv", "label\n0\n1\n2\n");
  const auto data =
      LoadDataset(BatchOfTwo(), Bindings(From("x", "x.idx"), From("y", "y.csv:label")), folder_, kNoOtherBatch);
  ASSERT_THAT(data, IsOk());
  EXPECT_EQ(data->examples, 3);
  EXPECT_EQ(data->batch, 2);
  EXPECT_EQ(ToString(data->Find("x")->values.type()), "f32[3,3]");
  float batch[6];
  GatherExamples(*data->Find("x"), {2, 0}, reinterpret_cast<std::byte*>(batch));
  EXPECT_THAT(batch, ElementsAre(7, 8, 9, 1, 2, 3));
}

TEST_F(DatasetTest, AnExpressionIsAppliedToEveryBatchAndTheShortOneAtItsSize) {
  Write("x.npy", NpyFile("|u1", "3, 3", std::string("\1\2\3\4\5\6\7\10\11")));
  const auto bindings_of = [](int64_t batch) {
    std::vector<DataBinding> bindings;
    bindings.push_back(From("x", "x.npy"));
    bindings[0].transform = *frontend::ReadGraph(
        "t.gr", absl::StrCat("graph t numerics 1 {\n  input source0 : f32[", batch, ",3]\n  value : f32[", batch,
                             ",3] = source0 / 2.0\n  output value\n}\n"));
    return bindings;
  };
  const std::vector<DataBinding> whole = bindings_of(2), rest = bindings_of(1);
  const auto data =
      LoadDataset(BatchOfTwo(), whole, folder_, [&](int64_t batch) -> absl::StatusOr<const std::vector<DataBinding>*> {
        EXPECT_EQ(batch, 1);
        return &rest;
      });
  ASSERT_THAT(data, IsOk());
  EXPECT_THAT(
      std::vector<float>(data->columns[0].values.data<float>().begin(), data->columns[0].values.data<float>().end()),
      ElementsAre(0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5));
}

TEST_F(DatasetTest, ABatchAxisThatIsNotTheFirstIsSampledAlong) {
  Program program = BatchOfTwo();
  program.inputs = {{"x", F32({3, 2}), 1, false}};
  Write("x.npy", NpyFile("|u1", "3, 3", std::string("\1\2\3\4\5\6\7\10\11")));
  const auto data = LoadDataset(program, Bindings(From("x", "x.npy")), folder_, kNoOtherBatch);
  ASSERT_THAT(data, IsOk());
  float batch[6];
  GatherExamples(data->columns[0], {2, 0}, reinterpret_cast<std::byte*>(batch));
  EXPECT_THAT(batch, ElementsAre(7, 1, 8, 2, 9, 3));
}

TEST_F(DatasetTest, WithoutABatchAFileOfOneRankMoreGivesOneExampleAStepAndAnotherIsFedWhole) {
  Program program;
  program.inputs = {{"x", F32({2}), -1, false}, {"scale", F32({2}), -1, false}};
  Write("x.npy", NpyFile("|u1", "3, 2", "\1\2\3\4\5\6"));
  Write("scale.npy", NpyFile("|u1", "2,", "\1\2"));
  const auto data =
      LoadDataset(program, Bindings(From("x", "x.npy"), From("scale", "scale.npy")), folder_, kNoOtherBatch);
  ASSERT_THAT(data, IsOk());
  EXPECT_EQ(data->examples, 3);
  EXPECT_EQ(data->batch, 1);
  EXPECT_FALSE(data->Find("scale")->sampled);
}

TEST_F(DatasetTest, WhatDoesNotFitIsSaid) {
  const auto load = [&](const std::vector<DataBinding>& bindings) {
    return LoadDataset(BatchOfTwo(), bindings, folder_, kNoOtherBatch);
  };
  Write("four.npy", NpyFile("|u1", "2, 4", "\1\2\3\4\5\6\7\10"));
  EXPECT_THAT(
      load(Bindings(From("x", "four.npy"))),
      FailsWith(
          "four.npy: expected any number of examples of 3 numbers each for the input x : f32[2,3], found u8[2,4]"));
  Write("x.npy", NpyFile("|u1", "2, 3", "\1\2\3\4\5\6"));
  Write("y.npy", NpyFile("|u1", "3,", "\1\2\3"));
  EXPECT_THAT(load(Bindings(From("x", "x.npy"), From("y", "y.npy"))),
              FailsWith("the data of y have 3 examples, those of other inputs 2"));
  Write("nan.npy", NpyFile("<f4", "1, 3", std::string("\0\0\0\0\0\0\xc0\x7f\0\0\0\0", 12)));
  EXPECT_THAT(load(Bindings(From("x", "nan.npy"))),
              FailsWith("nan.npy: expected numbers of the type f32, found NaN at element [0,1]"));
  Write("half.npy", NpyFile("<f4", "1,", std::string("\0\0\0\x3f", 4)));
  EXPECT_THAT(load(Bindings(From("y", "half.npy"))),
              FailsWith("half.npy: expected numbers of the type i32, found 0.5 at element [0]"));
  EXPECT_THAT(load(Bindings(From("y", "y.npy:part"))), FailsWith("holds one array, which has no part part"));
  EXPECT_THAT(load(Bindings(From("y", "absent.npy"))), FailsWith("absent.npy: cannot open: No such file or directory"));
  Write("text", "hello");
  EXPECT_THAT(load(Bindings(From("y", "text"))),
              FailsWith("text: at byte 0: expected an .npy, .npz or IDX file, or a table whose name ends in .csv"));
}

TEST_F(DatasetTest, AnNpzReplacesAllSourcesByTheNamesOfInputs) {
  Write("d.npz", ZipFile({{"x.npy", NpyFile("|u1", "2, 3", "\1\2\3\4\5\6")}, {"y.npy", NpyFile("|u1", "2,", "\1\2")}},
                         Zip::kStored));
  const auto data = LoadDatasetFromNpz(BatchOfTwo(), folder_ + "d.npz");
  ASSERT_THAT(data, IsOk());
  EXPECT_EQ(data->examples, 2);
  Write("d.npz", ZipFile({{"x.npy", NpyFile("|u1", "2, 3", "\1\2\3\4\5\6")}}, Zip::kStored));
  EXPECT_THAT(LoadDatasetFromNpz(BatchOfTwo(), folder_ + "d.npz"),
              FailsWith("d.npz: has no array y for the input of that name; it has x"));
}

TEST(ConvertElementsTest, WhatATypeDoesNotHoldIsRefused) {
  const auto convert = [](auto value, ir::DType type) { return ConvertElements("v", ir::Tensor::Scalar(value), type); };
  EXPECT_THAT(convert(256.0, ir::DType::kU8), FailsWith("v: expected numbers of the type u8, found 256"));
  EXPECT_THAT(convert(255.0, ir::DType::kU8), IsOk());
  EXPECT_THAT(convert(-1, ir::DType::kU8), FailsWith("found -1"));
  EXPECT_THAT(convert(0x1p63, ir::DType::kI64), FailsWith("i64"));
  EXPECT_THAT(convert(-0x1p63, ir::DType::kI64), IsOk());
  EXPECT_THAT(convert(1e300, ir::DType::kF32), FailsWith("f32"));
  EXPECT_THAT(convert(2, ir::DType::kBool), FailsWith("bool"));
  EXPECT_THAT(convert(int64_t{1} << 40, ir::DType::kI32), FailsWith("i32"));
}

TEST(ShuffleTest, AnEpochVisitsEveryExampleOnceInAnOrderOfItsOwn) {
  const std::vector<int64_t> first = ShuffledOrder(1000, 7, 1);
  EXPECT_EQ(std::set<int64_t>(first.begin(), first.end()).size(), 1000u);
  EXPECT_EQ(first, ShuffledOrder(1000, 7, 1));
  EXPECT_NE(first, ShuffledOrder(1000, 7, 2));
  EXPECT_NE(first, ShuffledOrder(1000, 8, 1));
  EXPECT_TRUE(ShuffledOrder(0, 1, 1).empty());
}

TEST(ShuffleTest, EveryPlaceIsEquallyLikely) {
  int counts[5][5] = {};
  for (int64_t epoch = 1; epoch <= 20000; ++epoch) {
    const std::vector<int64_t> order = ShuffledOrder(5, 3, epoch);
    for (int i = 0; i < 5; ++i) ++counts[i][order[i]];
  }
  for (const auto& row : counts) {
    for (const int count : row) EXPECT_NEAR(count, 4000, 240);  // 4 standard deviations and a bit
  }
}

}  // namespace
}  // namespace gradus::runtime
