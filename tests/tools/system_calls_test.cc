// The compiled loop makes no system call: a run of twenty blocks, each of a million steps and more, makes as many as a
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
  // Lines of strace, one a call, and the steps a second that were reached under it.
  int64_t Calls(int blocks) {
    const CommandResult result =
        Shell(absl::StrCat("strace -f -qq -o calls ", GRADUS_BINARY_DIR, "/gradus bench ", Example("tiny1.gr"),
                           " --data d.npz --threads 1 --json --blocks ", blocks));
    EXPECT_EQ(result.code, 0) << result.error;
    steps_per_second_ = nlohmann::json::parse(result.out)["steps_per_s"];
    int64_t calls = 0;
    std::istringstream lines(Slurp(Path("calls")));
    for (std::string line; std::getline(lines, line);) calls += line.find("(") != std::string::npos;
    return calls;
  }
  double steps_per_second_ = 0;
};

TEST_F(SystemCallsTest, TwentyBlocksOfStepsMakeAsManyAsOne) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizers make calls of their own";
#endif
  if (Shell("strace -o calls true").code != 0) GTEST_SKIP() << "strace is not here, or may not trace";
  const std::string x(2 * 4 * 4, '\0');
  Write("d.npz", runtime::ZipFile({{"x.npy", runtime::NpyFile("<f4", "4, 2", x)},
                                   {"t.npy", runtime::NpyFile("<f4", "4, 1", x.substr(16))}},
                                  runtime::Zip::kStored));
  const int64_t one = Calls(1);
  EXPECT_GT(one, 10);
  EXPECT_NEAR(static_cast<double>(Calls(21)), static_cast<double>(one), 8)
      << "the doubling of a block may need a call of memory more or less";
  // Twenty blocks of 0.3 s: far more steps than calls.
  EXPECT_GT(6 * steps_per_second_, 100 * static_cast<double>(one));
}

}  // namespace
}  // namespace gradus::tools
