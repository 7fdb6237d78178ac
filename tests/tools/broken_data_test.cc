// Broken data files get a sentence and an exit code, whatever is wrong with them.
#include <gmock/gmock.h>

#include "absl/strings/str_replace.h"
#include "tests/runtime/sample_files.h"
#include "tests/tools/command.h"

namespace gradus::tools {
namespace {

using runtime::NpyFile;
using testing::HasSubstr;

constexpr char kModel[] = R"(model m {
  dim B = 2
  input x : float[B,3]
  input y : i32[B]
  fc = linear(3, 4)
  loss = mean(cross_entropy(fc(x), y))
}
train m {
  minimize loss
  optimizer sgd(lr=0.1)
  data x = "x.npy", y = "y.npy"
  batch B; epochs 1; seed 3
}
)";

class BrokenDataTest : public CommandTest {
 protected:
  BrokenDataTest() {
    Write("m.gr", kModel);
    Write("x.npy", NpyFile("|u1", "4, 3", "abcdefghijkl"));
    Write("y.npy", NpyFile("|u1", "4,", std::string("\0\1\2\3", 4)));
  }
  void ExpectRefused(const std::string& sentence, const std::string& arguments = "train m.gr") {
    const CommandResult result = Gradus(arguments);
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.error, HasSubstr(sentence));
    EXPECT_EQ(result.error.find('\n'), result.error.size() - 1) << "one sentence";
  }
};

TEST_F(BrokenDataTest, TheDataAreGoodToBeginWith) { EXPECT_EQ(Gradus("train m.gr").code, 0); }

TEST_F(BrokenDataTest, ATruncatedFile) {
  Write("x.npy", NpyFile("|u1", "4, 3", "abc"));
  ExpectRefused("x.npy: at byte ");
  ExpectRefused("expected 12 bytes of data for the shape (4, 3), found 3 before the end of the file");
  Write("x.npy", "");
  ExpectRefused("x.npy: at byte 0: expected an .npy array");
}

TEST_F(BrokenDataTest, AFileOfAnotherType) {
  Write("y.npy", NpyFile("<f4", "4,", std::string("\0\0\0\x3f\0\0\0\0\0\0\0\0\0\0\0\0", 16)));
  ExpectRefused("y.npy: expected numbers of the type i32, found 0.5 at element [0]");
  Write("y.npy", NpyFile("|S4", "1,", "text"));
  ExpectRefused("expected numbers or bools, found the type '|S4'");
}

TEST_F(BrokenDataTest, AFileOfAnotherShape) {
  Write("x.npy", NpyFile("|u1", "3, 4", "abcdefghijkl"));
  ExpectRefused("x.npy: expected any number of examples of 3 numbers each for the input x : f32[2,3], found u8[3,4]");
  Write("x.npy", NpyFile("|u1", "3, 3", "abcdefghi"));
  ExpectRefused("the data of y have 4 examples, those of other inputs 3");
  Write("x.npy", NpyFile("|u1", "1, 3", "abc"));
  Write("y.npy", NpyFile("|u1", "1,", "\1"));
  ExpectRefused("the data have 1 examples, fewer than one batch of 2");
}

TEST_F(BrokenDataTest, ManyExamplesWithoutABatchInTheRecipe) {
  Write("m.gr", absl::StrReplaceAll(kModel, {{"batch B; ", ""}}));
  ExpectRefused("`batch B` in the recipe, where B is the dim that is 2, takes 2 of the 4 at a time");
}

TEST_F(BrokenDataTest, NotANumber) {
  std::string nan(48, '\0');
  nan.replace(16, 4, std::string("\0\0\xc0\x7f", 4));
  Write("x.npy", NpyFile("<f4", "4, 3", nan));
  ExpectRefused("x.npy: expected numbers of the type f32, found NaN at element [1,1]");
}

TEST_F(BrokenDataTest, ALabelThatIsNoClass) {
  Write("y.npy", NpyFile("|u1", "4,", std::string("\0\1\4\3", 4)));
  ExpectRefused("m.gr:6:15: error: example 2 of the input y is 4, but one_hot needs at least 0 and below 4");
}

TEST_F(BrokenDataTest, AMissingFileAndAHeaderThatLies) {
  Write("x.npy", NpyFile("|u1", "99999999999, 99999999999", ""));
  ExpectRefused("is larger than the limit of");
  std::filesystem::remove(Path("x.npy"));
  ExpectRefused("x.npy: cannot open: No such file or directory");
  ExpectRefused("m.gr:11:12: error: x.npy: cannot open");
}

TEST_F(BrokenDataTest, ParametersThatDoNotFit) {
  Write("w.npz", runtime::ZipFile({{"fc.w.npy", NpyFile("|u1", "2, 2", "abcd")}}, runtime::Zip::kStored));
  ExpectRefused("w.npz:fc.w: expected f32[3,4], found u8[2,2]", "train m.gr --load w.npz");
  Write("w.npz", runtime::ZipFile({{"fc.q.npy", NpyFile("|u1", "2, 2", "abcd")}}, runtime::Zip::kStored));
  ExpectRefused("w.npz: has the tensor fc.q, which the program does not; it has fc.w, fc.b", "train m.gr --load w.npz");
  Write("w.safetensors", "no such thing");
  ExpectRefused("w.safetensors: at byte 0: expected a safetensors file", "train m.gr --load w.safetensors");
}

TEST_F(BrokenDataTest, AnArchiveThatLacksAnInput) {
  Write("d.npz", runtime::ZipFile({{"x.npy", NpyFile("|u1", "4, 3", "abcdefghijkl")}}, runtime::Zip::kStored));
  ExpectRefused("d.npz: has no array y for the input of that name; it has x", "train m.gr --data d.npz");
}

TEST_F(BrokenDataTest, AFolderThatCannotBeWritten) {
  ExpectRefused("/nowhere/w.safetensors: cannot create a file in its folder",
                "train m.gr --save /nowhere/w.safetensors");
}

}  // namespace
}  // namespace gradus::tools
