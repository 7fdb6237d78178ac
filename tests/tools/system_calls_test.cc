// The compiled loop makes no system call: a run of six blocks, each of a million steps and more, makes as many as a
// run of one.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/runtime/sample_files.h"
#include "tests/tools/command.h"

namespace gradus::tools {
namespace {

class SystemCallsTest : public CommandTest {
 protected:
  // System calls from the first loss on (just after it the process asks when it was started), and the steps a second
  // that were reached under strace.
  int64_t Calls(int blocks) {
    const CommandResult result =
        Shell(absl::StrCat("strace -f -qq -o calls ", GRADUS_BINARY_DIR, "/gradus bench ", Example("tiny1.gr"),
                           " --data d.npz --threads 1 --json --blocks ", blocks));
    EXPECT_EQ(result.code, 0) << result.error;
    steps_per_second_ = nlohmann::json::parse(result.out)["steps_per_s"];
    int64_t calls = -1;
    std::istringstream lines(Slurp(Path("calls")));
    for (std::string line; std::getline(lines, line);) {
      if (line.find("\"/proc/self/stat\"") != std::string::npos) calls = 0;
      if (calls >= 0) ++calls;
    }
    return calls;
  }
  double steps_per_second_ = 0;
};

TEST_F(SystemCallsTest, SixBlocksOfStepsMakeAsManyAsOne) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizers make calls of their own";
#endif
  if (Shell("strace -o calls true").code != 0) GTEST_SKIP() << "strace is not here, or may not trace";
  const std::string x(2 * 4 * 4, '\0');
  Write("d.npz", runtime::ZipFile({{"x.npy", runtime::NpyFile("<f4", "4, 2", x)},
                                   {"t.npy", runtime::NpyFile("<f4", "4, 1", x.substr(16))}},
                                  runtime::Zip::kStored));
  const int64_t one = Calls(1);
  EXPECT_GT(one, 0);
  EXPECT_EQ(Calls(6), one);
  // Five blocks of 0.3 s more: a call in any step would show.
  EXPECT_GT(1.5 * steps_per_second_, 1000 * static_cast<double>(one));
}

}  // namespace
}  // namespace gradus::tools
